import { useQuery } from "@tanstack/react-query";
import { Fingerprint } from "lucide-react";
import { queries } from "../api/queries";
import type { Playbook, PlaybookStep } from "../api/types";
import { Code } from "../kit/code";
import { type ShownStep, StepGraph } from "../kit/graph";
import { Facts, Head, Panel, To } from "../kit/layout";
import { Empty, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { plural, words } from "../lib/format";
import { nextOf } from "../lib/playbook";
import { useRoute } from "../lib/router";

export default function Playbooks({ id }: { id?: string }) {
  const q = useQuery(queries.playbooks());
  return (
    <Loaded q={q}>
      {({ items }) => {
        const one = items.find((p) => p.id === id);
        if (one) return <PlaybookPage p={one} />;
        return <Library all={items} missing={id} />;
      }}
    </Loaded>
  );
}

function Library({ all, missing }: { all: Playbook[]; missing?: string }) {
  return (
    <>
      <Head title="Playbooks">
        <span className="dim">{plural(all.length, "playbook")}; each run is a durable workflow</span>
      </Head>
      {missing ? <Empty title={`There is no playbook ${missing}`} /> : null}
      <div className="library">
        {all.map((p) => (
          <LibraryCard key={p.id} p={p} />
        ))}
      </div>
    </>
  );
}

function commandsOf(p: Playbook): string[] {
  return [
    ...new Set(
      Object.values(p.steps).flatMap((s) => (s.commands ?? []).map((c) => c.command.split(" ")[0] ?? "")),
    ),
  ];
}

function LibraryCard({ p }: { p: Playbook }) {
  return (
    <To className="panel library-card" to={`/playbooks/${encodeURIComponent(p.id)}`}>
      <h2>{p.title}</h2>
      <p className="dim">
        <Text of={p.description} max={260} />
      </p>
      <p>
        {commandsOf(p).map((c) => (
          <span key={c} className="tag mono">
            <Text of={c} max={30} />
          </span>
        ))}
      </p>
      <p className="dim">
        {plural(Object.keys(p.steps).length, "step")} · version{" "}
        <span className="mono">{p.version.slice(0, 12)}</span>
      </p>
    </To>
  );
}

function shown([id, s]: [string, PlaybookStep]): ShownStep {
  return {
    id,
    name: s.name ?? "",
    type: s.type,
    action: s.commands?.[0]?.command ?? "",
    status: "",
    next: nextOf(s),
  };
}

function PlaybookPage({ p }: { p: Playbook }) {
  const { params, set } = useRoute();
  const chosen = params.get("step") ?? "";
  const step = p.steps[chosen];
  const needsPerson = Object.values(p.steps).some((s) => s.approval);
  return (
    <>
      <Head title={p.title}>
        {needsPerson ? (
          <span className="state tone-warn">
            <Fingerprint size={13} aria-hidden /> asks a person
          </span>
        ) : null}
        <span className="dim">
          version <span className="mono">{p.version.slice(0, 12)}</span>
        </span>
      </Head>
      <div className="stack">
        <p className="lead">
          <Text of={p.description} />
        </p>
        <StepGraph
          steps={Object.entries(p.steps).map(shown)}
          start={p.start}
          chosen={chosen}
          choose={(id) => set({ step: id === chosen ? "" : id })}
          label={`Steps of ${p.title}`}
        />
        {step ? (
          <StepPanel id={chosen} s={step} />
        ) : (
          <p className="dim">Choose a step to see what it does.</p>
        )}
      </div>
    </>
  );
}

function StepPanel({ id, s }: { id: string; s: PlaybookStep }) {
  return (
    <Panel
      title={<Text of={s.name || words(s.type)} />}
      note={
        <span className="mono">
          <Text of={id} max={60} />
        </span>
      }
    >
      {s.description ? (
        <p>
          <Text of={s.description} />
        </p>
      ) : null}
      <Facts
        of={[
          ["Type", words(s.type)],
          [
            "Condition",
            s.condition ? (
              <code className="expr">
                <Text of={s.condition} />
              </code>
            ) : (
              ""
            ),
          ],
          ["Asks a person", s.approval ? <Text of={s.approval.reason || "yes"} /> : ""],
          ["Approvals needed", s.approval?.needed],
          [
            "Denied by itself after",
            s.approval?.deadline_minutes ? `${s.approval.deadline_minutes} min` : "",
          ],
        ]}
      />
      {(s.commands ?? []).map((c, i) => (
        <Code key={i} text={JSON.stringify(c, null, 2)} language="json" label="Command" />
      ))}
    </Panel>
  );
}
