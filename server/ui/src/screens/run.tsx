import { useQuery } from "@tanstack/react-query";
import { ExternalLink, Hourglass } from "lucide-react";
import { useState } from "react";
import { queries } from "../api/queries";
import type { Approval, Run, RunStep } from "../api/types";
import { State } from "../kit/badges";
import { Code } from "../kit/code";
import { StepGraph } from "../kit/graph";
import { useNow } from "../kit/hooks";
import { Facts, Head, Panel, To } from "../kit/layout";
import { Failed, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { Value } from "../kit/value";
import { RunActions } from "./run-actions";
import { isSet, pretty, span, until, when, words } from "../lib/format";

/** A run as a page of its own. */
export default function RunPage({ id }: { id: string }) {
  const q = useQuery(queries.run(id));
  return (
    <Loaded q={q}>
      {({ run, temporal_url }) => (
        <>
          <Head
            title={<>Run of {run.playbook}</>}
            actions={
              <>
                <RunActions run={run} />
                <TemporalLink url={temporal_url} />
              </>
            }
          >
            <State of={run.status} />
          </Head>
          <div className="stack">
            <Panel>
              <Facts
                wide
                of={[
                  [
                    "Playbook",
                    <To to={`/playbooks/${encodeURIComponent(run.playbook)}`}>
                      <Text of={run.playbook} />
                    </To>,
                  ],
                  ["Version", <span className="mono">{run.version.slice(0, 12)}</span>],
                  ["Requested by", <Text of={run.requester} />],
                  ["Started", `${when(run.started)} UTC`],
                  ["Ended", isSet(run.ended) ? `${when(run.ended)} UTC` : "not yet"],
                  [
                    "Incident",
                    run.incident ? (
                      <To to={`/incidents/${encodeURIComponent(run.incident)}`}>open incident</To>
                    ) : (
                      ""
                    ),
                  ],
                  [
                    "Workflow",
                    <span className="mono">
                      <Text of={run.id} />
                    </span>,
                  ],
                ]}
              />
            </Panel>
            <RunView run={run} />
          </div>
        </>
      )}
    </Loaded>
  );
}

function TemporalLink({ url }: { url?: string }) {
  if (!url) return null;
  return (
    <a className="button" href={url} target="_blank" rel="noreferrer">
      <ExternalLink size={14} aria-hidden /> Temporal
    </a>
  );
}

/** A run's graph with live step state, and the step that was chosen. */
export function RunView({ run, approvals = [] }: { run: Run; approvals?: Approval[] }) {
  const steps = run.steps ?? [];
  const [chosen, setChosen] = useState("");
  const shown = steps.find((s) => s.id === chosen) ?? interesting(steps);
  return (
    <div className="stack">
      {steps
        .filter((s) => s.status === "waiting")
        .map((s) => (
          <Waiting key={s.id} step={s} approval={approvals.find((a) => a.id === s.approval)} />
        ))}
      <StepGraph
        steps={steps}
        start={steps.find((s) => s.type === "start")?.id}
        chosen={shown?.id ?? ""}
        choose={setChosen}
        label={`Steps of ${run.title || run.playbook}`}
      />
      {shown ? <StepDetails s={shown} /> : null}
    </div>
  );
}

/** The step that a person wants to see without asking. */
function interesting(steps: RunStep[]): RunStep | undefined {
  for (const status of ["waiting", "failed", "denied", "running"]) {
    const hit = steps.find((s) => s.status === status);
    if (hit) return hit;
  }
  return undefined;
}

/** Says that the run stands still until a person answers. */
export function Waiting({
  step,
  approval,
}: {
  step: { approval?: string; name: string };
  approval?: Approval;
}) {
  const now = useNow();
  return (
    <div className="notice is-warn" role="status">
      <Hourglass size={18} aria-hidden />
      <div className="grow">
        <b>Waiting for a person:</b> <Text of={step.name} />
        {approval ? (
          <span className="dim">
            {" "}
            · <Text of={approval.target} /> · denied by itself in {until(approval.deadline, now)}
          </span>
        ) : null}
      </div>
      {step.approval ? (
        <To className="button primary" to={`/approvals/${encodeURIComponent(step.approval)}`}>
          Look and decide
        </To>
      ) : null}
    </div>
  );
}

function took(s: RunStep): string {
  if (["waiting", "running", "pending"].includes(s.status) || !isSet(s.started) || !isSet(s.ended)) return "";
  const ms = Date.parse(s.ended) - Date.parse(s.started);
  return ms < 2000 ? `${ms} ms` : span(ms / 1000);
}

function StepDetails({ s }: { s: RunStep }) {
  return (
    <Panel title={<Text of={s.name || words(s.type)} />} note={<State of={s.status} />}>
      {s.error ? <Failed error={new Error(s.error)} /> : null}
      <Facts
        of={[
          ["Action", s.action || words(s.type)],
          ["Started", isSet(s.started) ? `${when(s.started)} UTC` : "not yet"],
          ["Took", took(s)],
          ["Attempts", s.attempts],
          [
            "Approval",
            s.approval ? <To to={`/approvals/${encodeURIComponent(s.approval)}`}>open approval</To> : "",
          ],
        ]}
      />
      <div className="halves">
        <InOut name="Inputs" of={s.inputs} />
        <InOut name="Outputs" of={s.outputs} />
      </div>
    </Panel>
  );
}

function InOut({ name, of }: { name: string; of?: Record<string, string> }) {
  const rows = Object.entries(of ?? {});
  if (rows.length === 0) return null;
  return (
    <div>
      <h3>{name}</h3>
      <dl className="fields">
        {rows.map(([k, v]) => (
          <div key={k}>
            <dt>
              <Text of={k} />
            </dt>
            <dd>
              {/^\s*[[{]/.test(v) ? (
                <Code text={pretty(v)} language="json" label={k} />
              ) : (
                <Value field={k} of={v} />
              )}
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
