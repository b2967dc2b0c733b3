import { useQuery } from "@tanstack/react-query";
import { lazy, useMemo, useRef } from "react";
import { queries } from "../api/queries";
import { type Rule, type RuleHealth, severities } from "../api/types";
import { Attack, Score, Sev, State } from "../kit/badges";
import { Code } from "../kit/code";
import { useCommand } from "../kit/keyboard";
import { Choice, Facts, Head, Panel, Table, To } from "../kit/layout";
import { Empty, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { Entities } from "../kit/value";
import { ago, count, plural, words } from "../lib/format";
import { rank } from "../lib/groups";
import { useRoute } from "../lib/router";
import { Exceptions } from "./exceptions";
import { Ledger } from "./ledger";

// The editor weighs more than the screen: it comes when it is asked for.
const RuleEditor = lazy(() => import("./rule-editor"));

export default function Detections({ id }: { id?: string }) {
  const { params } = useRoute();
  if (id && (id === "new" || params.get("edit"))) return <RuleEditor key={id} id={id} />;
  return id ? <RulePage id={id} /> : <List />;
}

const at = (id: string) => `/detections/${encodeURIComponent(id)}`;

const views = [
  { id: "", name: "Rules" },
  { id: "exceptions", name: "Exceptions" },
  { id: "ledger", name: "Ledger" },
];

function List() {
  const { params, set } = useRoute();
  const view = params.get("view") ?? "";
  return (
    <>
      <Head
        title="Detections"
        actions={
          <To className="button" to="/detections/new">
            New rule
          </To>
        }
      >
        <Choice label="View" of={views} value={view} choose={(v) => set({ view: v, rule: "", when: "" })} />
      </Head>
      {view === "exceptions" ? <Exceptions /> : view === "ledger" ? <Ledger /> : <Rules />}
    </>
  );
}

function Rules() {
  const { params, set } = useRoute();
  const box = useRef<HTMLInputElement>(null);
  const q = useQuery(queries.rules());
  const text = params.get("q") ?? "";
  const severity = params.get("severity") ?? "";
  const kind = params.get("kind") ?? "";
  const all = q.data?.items ?? [];
  const kinds = [...new Set(all.map((r) => r.kind))].toSorted();
  const health = useHealth();
  const rows = useMemo(() => filtered(all, text, severity, kind), [all, text, severity, kind]);
  useCommand("query", () => box.current?.focus());
  return (
    <>
      <div className="bar">
        <input
          ref={box}
          className="grow"
          type="search"
          aria-label="Title, id, technique or data set"
          placeholder="Title, id, technique or data set   /"
          value={text}
          onChange={(e) => set({ q: e.target.value })}
        />
        <select aria-label="Severity" value={severity} onChange={(e) => set({ severity: e.target.value })}>
          <option value="">any severity</option>
          {severities.map((s) => (
            <option key={s}>{s}</option>
          ))}
        </select>
        <select aria-label="Kind" value={kind} onChange={(e) => set({ kind: e.target.value })}>
          <option value="">any kind</option>
          {kinds.map((k) => (
            <option key={k} value={k}>
              {words(k)}
            </option>
          ))}
        </select>
        <span className="dim nowrap">{q.data ? `${rows.length} of ${plural(all.length, "rule")}` : ""}</span>
      </div>
      <Loaded q={q}>
        {() =>
          rows.length === 0 ? (
            <Empty title="No rule fits" command="vigil rules test" />
          ) : (
            <Rows rows={rows} health={health} />
          )
        }
      </Loaded>
    </>
  );
}

function filtered(all: Rule[], text: string, severity: string, kind: string): Rule[] {
  const t = text.toLowerCase();
  return all
    .filter((r) => (!severity || r.severity === severity) && (!kind || r.kind === kind))
    .filter((r) =>
      [r.id, r.title, ...(r.attack ?? []), ...(r.dataset ?? [])].some((x) => x.toLowerCase().includes(t)),
    )
    .toSorted((a, b) => rank(a.severity) - rank(b.severity) || a.title.localeCompare(b.title));
}

/** How every rule does, by id. */
function useHealth(): Map<string, RuleHealth> {
  const q = useQuery(queries.ruleHealth());
  return useMemo(() => new Map((q.data?.items ?? []).map((h) => [h.rule, h])), [q.data]);
}

function Precision({ of }: { of?: RuleHealth }) {
  if (!of || of.precision < 0) return <span className="dim">–</span>;
  return <>{Math.round(100 * of.precision)} %</>;
}

function Rows({ rows, health }: { rows: Rule[]; health: Map<string, RuleHealth> }) {
  return (
    <Table
      label="Rules"
      rows={rows}
      id={(r) => r.id}
      columns={[
        { name: "Severity", cell: (r) => <Sev s={r.severity} /> },
        {
          name: "Rule",
          className: "cell-lead",
          cell: (r) => (
            <>
              <To to={at(r.id)}>
                <b>
                  <Text of={r.title} />
                </b>
              </To>
              <div className="mono dim">
                <Text of={r.id} max={80} /> <span className="nowrap">· {words(r.kind)}</span>
              </div>
            </>
          ),
        },
        {
          name: "Status",
          cell: (r) => <State of={health.get(r.id)?.off ? "disabled" : r.status || "enabled"} />,
        },
        {
          name: "Alerts a day",
          num: true,
          cell: (r) => {
            const n = health.get(r.id)?.per_day ?? 0;
            return n === 0 ? <span className="dim">0</span> : n < 0.1 ? "< 0.1" : n.toFixed(1);
          },
        },
        { name: "Precision", num: true, cell: (r) => <Precision of={health.get(r.id)} /> },
        {
          name: "Last fired",
          cell: (r) => {
            const at = health.get(r.id)?.silent_since;
            return at ? <span className="nowrap">{ago(at)}</span> : <span className="dim">never</span>;
          },
        },
        {
          name: "Data sets",
          className: "cell-tags",
          cell: (r) =>
            (r.dataset ?? []).map((d) => (
              <span key={d} className="tag">
                <Text of={d} />
              </span>
            )),
        },
        { name: "ATT&CK", className: "cell-tags", cell: (r) => <Attack of={r.attack} /> },
        {
          name: "Playbook",
          cell: (r) =>
            r.playbook ? <To to={`/playbooks/${encodeURIComponent(r.playbook)}`}>{r.playbook}</To> : null,
        },
        { name: "Risk", cell: (r) => <Score of={r.risk} /> },
      ]}
    />
  );
}

function RulePage({ id }: { id: string }) {
  const q = useQuery(queries.rule(id));
  return (
    <Loaded q={q}>
      {(r) => (
        <>
          <Head
            title={<Text of={r.title} />}
            actions={
              <To className="button" to={`${at(r.id)}?edit=1`}>
                Edit
              </To>
            }
          >
            <Sev s={r.severity} />
            <State of={r.status || "enabled"} />
          </Head>
          <div className="with-side">
            <Panel
              title="As written"
              note={
                <>
                  version <span className="mono">{r.version.slice(0, 12)}</span>
                </>
              }
            >
              <Code text={r.yaml ?? ""} language="yaml" label="Rule in YAML" copy tall />
            </Panel>
            <aside className="stack" aria-label="About the rule">
              <Panel title="About">
                <Facts
                  of={[
                    [
                      "Id",
                      <span className="mono">
                        <Text of={r.id} />
                      </span>,
                    ],
                    ["Kind", words(r.kind)],
                    ["Risk", <Score of={r.risk} />],
                    ["ATT&CK", (r.attack ?? []).length > 0 ? <Attack of={r.attack} /> : ""],
                    [
                      "Data sets",
                      (r.dataset ?? []).map((d) => (
                        <span key={d} className="tag">
                          <Text of={d} />
                        </span>
                      )),
                    ],
                    ["Author", <Text of={r.author} />],
                    [
                      "Playbook",
                      r.playbook ? (
                        <To to={`/playbooks/${encodeURIComponent(r.playbook)}`}>{r.playbook}</To>
                      ) : (
                        ""
                      ),
                    ],
                  ]}
                />
              </Panel>
              <HealthPanel id={r.id} />
              <TuningPanel id={r.id} />
              <RuleAlerts id={r.id} />
            </aside>
          </div>
        </>
      )}
    </Loaded>
  );
}

/** How the rule does: what it found, what people said of it, what it costs. */
function HealthPanel({ id }: { id: string }) {
  const h = useHealth().get(id);
  if (!h) return null;
  return (
    <Panel title="Health" note="alerts of 30 days">
      {h.off ? (
        <p className="tone-bad">
          Switched off: <Text of={h.off} />
        </p>
      ) : null}
      <Facts
        of={[
          ["Alerts", `${count(h.alerts)}, ${h.per_day.toFixed(1)} a day`],
          ["Detections", count(h.detections)],
          ["Hidden by exceptions", h.hidden > 0 ? count(h.hidden) : ""],
          ["Precision", <Precision of={h} />],
          [
            "Verdicts",
            Object.entries(h.verdicts ?? {})
              .map(([v, n]) => `${words(v)} ${n}`)
              .join(", "),
          ],
          ["Last fired", h.silent_since ? ago(h.silent_since) : "never"],
          ["Estimated cost", `${count(h.cost)} units`],
        ]}
      />
    </Panel>
  );
}

/** Exceptions that its false alerts suggest, and what each would have removed. */
function TuningPanel({ id }: { id: string }) {
  const q = useQuery(queries.tuning(id));
  const list = q.data?.proposals ?? [];
  if (!q.data || list.length === 0) return null;
  return (
    <Panel title="Tuning" note={`${plural(q.data.false_positives, "false alert")} of 90 days`}>
      <ul className="plain">
        {list.slice(0, 3).map((p) => (
          <li key={p.when} className="side-row">
            <span className="grow">
              <span className="mono">
                <Text of={p.when} max={120} />
              </span>
              <div className={p.true_positives > 0 ? "tone-bad" : "dim"}>
                removes {plural(p.removed, "alert")}: {Math.round(100 * p.share)} % of the false ones,{" "}
                {p.true_positives > 0 ? `loses ${plural(p.true_positives, "true one")}` : "no true one"}
              </div>
            </span>
            <To
              className="nowrap"
              to={`/detections?${new URLSearchParams({ view: "exceptions", rule: id, when: p.when })}`}
            >
              Exception…
            </To>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** What the rule raised last: what a change of it would be judged by. */
function RuleAlerts({ id }: { id: string }) {
  const q = useQuery(queries.ruleAlerts(id));
  return (
    <Panel
      title="Its newest alerts"
      note={<To to={`/alerts?${new URLSearchParams({ rule: id, status: "any" })}`}>all</To>}
    >
      <Loaded q={q} rows={3}>
        {(page) =>
          page.items.length === 0 ? (
            <p className="dim">It has not fired yet.</p>
          ) : (
            <ul className="plain">
              {page.items.slice(0, 8).map((a) => (
                <li key={a.id} className="side-row">
                  <State of={a.verdict ? words(a.verdict) : a.status} />
                  <span className="grow">
                    <Entities of={a.entities} />
                  </span>
                  <To className="nowrap" to={`/alerts/${encodeURIComponent(a.id)}`}>
                    {ago(a.last_seen)}
                  </To>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Panel>
  );
}
