import { useQuery } from "@tanstack/react-query";
import { ClipboardCheck, Download, FlaskConical } from "lucide-react";
import { api } from "../api/client";
import { Problem } from "../api/client";
import { queries } from "../api/queries";
import type {
  ObjectivePoint,
  ObjectiveResult,
  Posture as View,
  Presence,
  TechniqueCoverage,
} from "../api/types";
import { Sev, State } from "../kit/badges";
import { useChange } from "../kit/hooks";
import { Choice, Head, Panel, Table, To } from "../kit/layout";
import { useMay } from "../kit/may";
import { Empty, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { useToast } from "../kit/toast";
import { ago, count, plural, span, when, words } from "../lib/format";
import { measured } from "../lib/posture";
import { saveFile } from "../lib/download";
import { layer } from "../lib/navigator";
import { useRoute } from "../lib/router";

const tabs = [
  { id: "objectives", name: "Objectives" },
  { id: "coverage", name: "ATT&CK coverage" },
  { id: "data", name: "Data" },
];

export default function Posture() {
  const { params, set } = useRoute();
  const may = useMay();
  const q = useQuery(queries.posture());
  const tab = params.get("tab") ?? "objectives";
  const assess = useChange(["posture"], api.assess);
  const a = q.data?.assessment;
  const never = q.error instanceof Problem && q.error.status === 404 && !q.data;
  return (
    <>
      <Head
        title="Posture"
        actions={
          may("run:posture") ? (
            <button className="primary" disabled={assess.isPending} onClick={() => assess.mutate(undefined)}>
              <ClipboardCheck size={14} aria-hidden /> {assess.isPending ? "Measuring…" : "Measure now"}
            </button>
          ) : null
        }
      >
        {a ? <State of={a.status} /> : null}
        <span className="dim">{a ? `${a.title}, measured ${ago(a.time)}` : ""}</span>
      </Head>
      {never ? (
        <Empty title="Nothing is measured yet" command="vigil posture assess" />
      ) : (
        <Loaded q={q}>
          {(v) => (
            <div className="stack">
              <Numbers v={v} />
              <div>
                <Choice label="View" of={tabs} value={tab} choose={(t) => set({ tab: t }, true)} />
              </div>
              {tab === "objectives" ? <Objectives v={v} /> : null}
              {tab === "coverage" ? <CoverageTab /> : null}
              {tab === "data" ? <Data v={v} /> : null}
            </div>
          )}
        </Loaded>
      )}
    </>
  );
}

function Numbers({ v }: { v: View }) {
  const a = v.assessment;
  return (
    <div className="tiles is-small">
      <div className="tile">
        <span className="tile-name">objectives met</span>
        <b className="tone-ok">{a.met}</b>
      </div>
      <div className="tile">
        <span className="tile-name">missed</span>
        <b className={a.missed ? "tone-bad" : undefined}>{a.missed}</b>
      </div>
      <div className="tile">
        <span className="tile-name">not measurable</span>
        <b>{a.unknown}</b>
      </div>
      <div className="tile">
        <span className="tile-name">open findings</span>
        <b>{(v.findings ?? []).length}</b>
      </div>
      <div className="tile">
        <span className="tile-name">window</span>
        <b>{plural(a.window_days, "day")}</b>
      </div>
    </div>
  );
}

const order = ["missed", "unknown", "met"];

function Objectives({ v }: { v: View }) {
  const rows = (v.assessment.results ?? []).toSorted(
    (a, b) => order.indexOf(a.status) - order.indexOf(b.status),
  );
  return (
    <Table
      label="Objectives"
      rows={rows}
      id={(r) => r.id}
      columns={[
        { name: "Status", cell: (r) => <State of={r.status} /> },
        { name: "Severity", cell: (r) => <Sev s={r.severity} /> },
        { name: "Objective", cell: (r) => <Objective r={r} /> },
        {
          name: "Measured",
          num: true,
          cell: (r) => (r.status === "unknown" ? "–" : measured(r.measured, r.unit)),
        },
        {
          name: "Target",
          num: true,
          cell: (r) => `${r.comparator === "at_most" ? "≤" : "≥"} ${measured(r.target, r.unit)}`,
        },
        { name: "Lately", cell: (r) => <Sparkline of={v.history?.[r.id] ?? []} name={r.title} /> },
      ]}
    />
  );
}

function Objective({ r }: { r: ObjectiveResult }) {
  const evidence = r.evidence ?? [];
  return (
    <>
      <b>
        <Text of={r.title} />
      </b>
      <div className="dim">
        <Text of={r.text} />
      </div>
      {evidence.length > 0 ? (
        <details>
          <summary>{plural(evidence.length, "reason")}</summary>
          <ul className="plain mono">
            {evidence.map((e) => (
              <li key={e}>
                <Text of={e} max={200} />
              </li>
            ))}
          </ul>
        </details>
      ) : null}
    </>
  );
}

/** The course of a measurement: a line, and its last state. */
function Sparkline({ of, name }: { of: ObjectivePoint[]; name: string }) {
  if (of.length < 2) return <span className="dim">–</span>;
  const values = of.map((p) => p.measured);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const y = (v: number) => (high === low ? 12 : 22 - ((v - low) / (high - low)) * 20);
  const points = values.map((v, i) => `${(i / (values.length - 1)) * 100},${y(v)}`).join(" ");
  return (
    <svg
      className="sparkline"
      width="100"
      height="24"
      role="img"
      aria-label={`${name}: ${plural(of.length, "measurement")}`}
    >
      <polyline points={points} />
    </svg>
  );
}

const proofs = ["green", "stale", "red"] as const;

const proofWords = { green: "proved by test", stale: "test is old", red: "test fails" };

/** What the newest test by attack samples says, in words. */
function Proof({ state }: { state: (typeof proofs)[number] }) {
  return <span className={`proof is-${state}`}>{proofWords[state]}</span>;
}

const best = ["covered", "unproven", "silent", "not-covered"];

function CoverageTab() {
  const q = useQuery(queries.coverage());
  const may = useMay();
  const toast = useToast();
  const test = useChange(["posture"], api.testDetections, (r) =>
    toast({ text: `${r.passed} of ${r.samples} attack samples are found`, bad: r.passed < r.samples }),
  );
  return (
    <Loaded q={q}>
      {({ items }) => {
        const all = items ?? [];
        if (all.length === 0) return <Empty title="No technique is known to any rule" />;
        return (
          <div className="stack">
            <p className="legend-line">
              {best.map((s) => (
                <span key={s}>
                  <State of={s} /> {all.filter((t) => t.state === s).length}
                </span>
              ))}
              {proofs.map((s) => (
                <span key={s}>
                  <Proof state={s} /> {all.filter((t) => t.proof?.state === s).length}
                </span>
              ))}
              {may("run:posture") ? (
                <button disabled={test.isPending} onClick={() => test.mutate(undefined)}>
                  <FlaskConical size={14} aria-hidden /> {test.isPending ? "Testing…" : "Test with samples"}
                </button>
              ) : null}
              <button onClick={() => saveFile("vigil-coverage.json", layer(all), "application/json")}>
                <Download size={14} aria-hidden /> Navigator layer
              </button>
            </p>
            {[...byTactic(all)].map(([tactic, list]) => (
              <Panel
                key={tactic}
                title={words(tactic)}
                note={`${list.filter((t) => t.state === "covered").length} of ${list.length} covered`}
              >
                <div className="matrix">
                  {list.map((t) => (
                    <Technique key={t.id} t={t} />
                  ))}
                </div>
              </Panel>
            ))}
          </div>
        );
      }}
    </Loaded>
  );
}

function byTactic(all: TechniqueCoverage[]): Map<string, TechniqueCoverage[]> {
  const map = new Map<string, TechniqueCoverage[]>();
  for (const t of all) {
    for (const tactic of t.tactics?.length ? t.tactics : ["other techniques"]) {
      map.set(tactic, [...(map.get(tactic) ?? []), t]);
    }
  }
  return new Map([...map].toSorted(([a], [b]) => a.localeCompare(b)));
}

/** A technique is never told by colour alone: its state is written in it. */
function Technique({ t }: { t: TechniqueCoverage }) {
  const rules = t.rules ?? [];
  return (
    <div className={`matrix-cell is-${t.state}`}>
      <To className="mono" to={`/detections?q=${encodeURIComponent(t.id)}`}>
        {t.id}
      </To>
      <div>
        <Text of={t.name ?? ""} />
      </div>
      <div>
        <State of={t.state} />
      </div>
      <div className="dim">
        {plural(rules.length, "rule")}
        {t.fired ? `, fired ${count(t.fired)}×` : ""}
      </div>
      {t.proof ? (
        <div title={`sample ${t.proof.sample}, ${when(t.proof.time)}`}>
          <Proof state={t.proof.state} />
        </div>
      ) : null}
    </div>
  );
}

function Data({ v }: { v: View }) {
  const a = v.assessment;
  const blind = (a.rules ?? []).filter((r) => r.state !== "present");
  return (
    <div className="stack">
      <PresencePanel
        title="Sources"
        rows={a.sources ?? []}
        link={(id) => `/sources/${encodeURIComponent(id)}`}
      />
      <PresencePanel
        title="Data sets"
        rows={a.datasets ?? []}
        link={(id) => `/search?${new URLSearchParams({ q: `event.dataset:"${id}"`, t: "all" })}`}
      />
      <Panel title="Rules that see nothing now" note={`${blind.length} of ${(a.rules ?? []).length}`}>
        {blind.length === 0 ? <p className="dim">Every rule has data.</p> : null}
        <ul className="plain">
          {blind.slice(0, 100).map((r) => (
            <li key={r.id} className="side-row">
              <State of={r.state} />
              <To className="grow" to={`/detections/${encodeURIComponent(r.id)}`}>
                <Text of={r.title} />
              </To>
              <Sev s={r.severity} />
            </li>
          ))}
        </ul>
      </Panel>
    </div>
  );
}

function PresencePanel({
  title,
  rows,
  link,
}: {
  title: string;
  rows: Presence[];
  link: (id: string) => string;
}) {
  return (
    <Panel title={title} flush>
      <Table
        label={title}
        rows={rows}
        id={(p) => p.id}
        columns={[
          {
            name: "Name",
            cell: (p) => (
              <To to={link(p.id)}>
                <Text of={p.id} />
              </To>
            ),
          },
          { name: "State", cell: (p) => <State of={p.state} /> },
          { name: "Last event (UTC)", cell: (p) => <span className="nowrap">{when(p.last_event)}</span> },
          { name: "Silent for", cell: (p) => span(p.silence) },
          { name: "Stale after", cell: (p) => span(p.stale_after) },
          { name: "Events", num: true, cell: (p) => (p.events === undefined ? "–" : count(p.events)) },
        ]}
      />
    </Panel>
  );
}
