import { useQuery } from "@tanstack/react-query";
import {
  AlarmClock,
  Bell,
  CircleCheck,
  Download,
  Fingerprint,
  Gavel,
  Link2,
  ListChecks,
  type LucideIcon,
  MessageSquare,
  Paperclip,
  Play,
  Siren,
  Workflow,
  Zap,
} from "lucide-react";
import { type FormEvent, useRef, useState } from "react";
import { api, type IncidentChange } from "../api/client";
import { queries } from "../api/queries";
import type { Alert, Approval, IncidentDetail, Run, TimelineEntry } from "../api/types";
import { Attack, Risk, Score, Sev, State } from "../kit/badges";
import { useChange, useNow } from "../kit/hooks";
import { Dialog } from "../kit/dialog";
import { EntityGraph } from "../kit/entity-graph";
import { useCommand } from "../kit/keyboard";
import { SwimLanes } from "../kit/lanes";
import { Facts, Head, Panel, To } from "../kit/layout";
import { useMay } from "../kit/may";
import { Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { useToast } from "../kit/toast";
import { Entities } from "../kit/value";
import { ago, isSet, plural, span, until, when, words } from "../lib/format";
import { CaseActions, Clocks, Files, Links, Similar, Tasks } from "./incident-case";
import { Done } from "./incident-undo";
import { RunView, Waiting } from "./run";
import { Verdict } from "./verdict";

export function IncidentPage({ id }: { id: string }) {
  const q = useQuery(queries.incident(id));
  return <Loaded q={q}>{(d) => <View d={d} />}</Loaded>;
}

function View({ d }: { d: IncidentDetail }) {
  const i = d.incident;
  const runs = d.runs ?? [];
  // A run shows its own banner; an approval without a run on screen is still told.
  const onSteps = new Set(runs.flatMap((r) => (r.steps ?? []).map((s) => s.approval)));
  const loose = d.approvals.filter((a) => a.status === "pending" && !onSteps.has(a.id));
  return (
    <>
      <Head
        title={<Text of={i.title} />}
        actions={
          <>
            <Report id={i.id} />
            <CaseActions i={i} alerts={d.alerts ?? []} />
            <Actions d={d} />
          </>
        }
      >
        <Sev s={i.severity} />
        <State of={i.status} />
      </Head>
      <div className="with-side">
        <div className="stack">
          {loose.map((a) => (
            <Waiting key={a.id} step={{ approval: a.id, name: `${a.action} ${a.target}` }} approval={a} />
          ))}
          {runs.map((r) => (
            <RunPanel key={r.id} run={r} approvals={d.approvals} />
          ))}
          {(d.alerts ?? []).length > 0 ? (
            <Panel title="Who is part of it" note="rules and the entities that their alerts name">
              <EntityGraph alerts={d.alerts ?? []} />
            </Panel>
          ) : null}
          <Done id={i.id} />
          <Tasks i={i} />
          <Panel title="Timeline" note={plural((i.timeline ?? []).length, "entry", "entries")}>
            <SwimLanes of={i.timeline ?? []} />
            <Timeline of={i.timeline ?? []} />
            {i.status === "closed" ? null : <Comment id={i.id} />}
          </Panel>
        </div>
        <aside className="stack" aria-label="About the incident">
          <Clocks of={i.clocks ?? []} />
          <About d={d} />
          <Links i={i} />
          <Alerts of={d.alerts ?? []} />
          <ApprovalList of={d.approvals} />
          <Files i={i} />
          <Similar id={i.id} />
        </aside>
      </div>
    </>
  );
}

const reports: { id: "markdown" | "json" | "stix"; name: string }[] = [
  { id: "markdown", name: "Markdown" },
  { id: "json", name: "JSON" },
  { id: "stix", name: "STIX 2.1" },
];

/** The incident as a file for those who have no Vigil. */
function Report({ id }: { id: string }) {
  return (
    <details className="picker">
      <summary className="button">
        <Download size={14} aria-hidden /> Report
      </summary>
      <div className="picker-list">
        {reports.map((r) => (
          <a key={r.id} href={api.reportURL(id, r.id)} download>
            {r.name}
          </a>
        ))}
      </div>
    </details>
  );
}

function RunPanel({ run, approvals }: { run: Run; approvals: Approval[] }) {
  return (
    <Panel
      title={<To to={`/runs/${encodeURIComponent(run.id)}`}>Run of {run.playbook}</To>}
      note={
        <>
          <State of={run.status} /> started {ago(run.started)} by <Text of={run.requester} />
        </>
      }
    >
      <RunView run={run} approvals={approvals} />
    </Panel>
  );
}

function Actions({ d }: { d: IncidentDetail }) {
  const i = d.incident;
  const may = useMay();
  const toast = useToast();
  const [asks, setAsks] = useState<"close" | "run" | "qualify" | null>(null);
  const change = useChange(
    ["incidents", "runs", "alerts"],
    (c: { verb: "ack" | "close" | "run" | "qualify"; body?: IncidentChange; say: string }) =>
      api.changeIncident(i.id, c.verb, c.body),
    (_, c) => {
      toast({ text: c.say });
      setAsks(null);
    },
  );
  const live = may("write:incidents") && i.status !== "closed";
  useCommand("close", live ? () => setAsks("close") : undefined);
  useCommand("mine", live ? () => change.mutate({ verb: "ack", say: "The incident is yours" }) : undefined);
  if (!live) return null;
  return (
    <>
      <button
        disabled={change.isPending}
        onClick={() => change.mutate({ verb: "ack", say: "The incident is yours" })}
      >
        Assign to me
      </button>
      <button onClick={() => setAsks("run")}>
        <Play size={14} aria-hidden /> Run playbook…
      </button>
      <button onClick={() => setAsks("qualify")}>Qualify…</button>
      <button className="primary" onClick={() => setAsks("close")}>
        Close…
      </button>
      {asks === "qualify" ? (
        <Verdict
          title="What the incident is"
          does="Qualify"
          busy={change.isPending}
          close={() => setAsks(null)}
          give={(v) => change.mutate({ verb: "qualify", body: v, say: "The verdict is kept" })}
        >
          <p className="dim">The incident stays open. Its alerts, and so their rules, get the verdict.</p>
        </Verdict>
      ) : null}
      {asks === "close" ? (
        <Verdict
          title="Close the incident"
          busy={change.isPending}
          close={() => setAsks(null)}
          give={(v) => change.mutate({ verb: "close", body: v, say: "The incident is closed" })}
        >
          <p className="dim">
            Its {plural((d.alerts ?? []).length, "alert")} close with it. What still waits for approval is
            withdrawn.
          </p>
        </Verdict>
      ) : null}
      {asks === "run" ? (
        <RunPlaybook
          busy={change.isPending}
          close={() => setAsks(null)}
          run={(playbook) =>
            change.mutate({ verb: "run", body: { playbook }, say: `${playbook} is started` })
          }
        />
      ) : null}
    </>
  );
}

function RunPlaybook({ run, close, busy }: { run: (id: string) => void; close: () => void; busy: boolean }) {
  const q = useQuery(queries.playbooks());
  const [id, setId] = useState("");
  const all = q.data?.items ?? [];
  return (
    <Dialog
      title="Run a playbook"
      close={close}
      submit={() => id && run(id)}
      footer={
        <>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button className="primary" disabled={!id || busy}>
            Run
          </button>
        </>
      }
    >
      <p className="dim">You become its requester: what it asks for, somebody else approves.</p>
      <label>
        Playbook
        <select data-first value={id} onChange={(e) => setId(e.target.value)}>
          <option value="">choose one</option>
          {all.map((p) => (
            <option key={p.id} value={p.id}>
              {p.id}
            </option>
          ))}
        </select>
      </label>
      <p>{all.find((p) => p.id === id)?.description}</p>
    </Dialog>
  );
}

const icons: Record<string, LucideIcon> = {
  alert: Bell,
  step: Workflow,
  approval: Fingerprint,
  decision: Gavel,
  action: Zap,
  comment: MessageSquare,
  status: CircleCheck,
  task: ListChecks,
  file: Paperclip,
  clock: AlarmClock,
  link: Link2,
};

/** A gap this long is told in words instead of drawn. */
const idle = 30 * 60;

function Timeline({ of }: { of: TimelineEntry[] }) {
  const sorted = of.toSorted((a, b) => a.time.localeCompare(b.time));
  return (
    <ol className="timeline">
      {sorted.map((t, n) => {
        const before = sorted[n - 1];
        const gap = before ? (Date.parse(t.time) - Date.parse(before.time)) / 1000 : 0;
        return <Entry key={n} t={t} gap={gap} />;
      })}
    </ol>
  );
}

function linkOf(t: TimelineEntry): string | undefined {
  if (!t.ref) return undefined;
  if (t.kind === "alert") return `/alerts/${encodeURIComponent(t.ref)}`;
  if (t.kind === "approval" || t.kind === "decision") return `/approvals/${encodeURIComponent(t.ref)}`;
  return undefined;
}

function Entry({ t, gap }: { t: TimelineEntry; gap: number }) {
  const Icon = icons[t.kind] ?? Siren;
  const link = linkOf(t);
  return (
    <>
      {gap > idle ? <li className="gap">{span(gap)} of nothing</li> : null}
      <li className={`kind-${t.kind}`}>
        <span className="timeline-icon">
          <Icon size={13} aria-hidden />
        </span>
        <time className="mono dim" dateTime={t.time} title={`${t.time}`}>
          {when(t.time).slice(5)}
        </time>
        <span className="timeline-text">
          <span className="sr">{words(t.kind)}: </span>
          {link ? (
            <To to={link}>
              <Text of={t.text} max={400} />
            </To>
          ) : (
            <Text of={t.text} max={2000} />
          )}{" "}
          <span className="dim">
            {t.by === "system" ? (
              ""
            ) : (
              <>
                by <Text of={t.by} />
              </>
            )}
          </span>
        </span>
      </li>
    </>
  );
}

function Comment({ id }: { id: string }) {
  const may = useMay();
  const box = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState("");
  const change = useChange(
    ["incidents"],
    (said: string) => api.changeIncident(id, "comment", { text: said }),
    () => setText(""),
  );
  useCommand("comment", () => box.current?.focus());
  if (!may("write:incidents")) return null;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (text.trim()) change.mutate(text.trim());
  };
  return (
    <form className="comment" onSubmit={submit}>
      <textarea
        ref={box}
        rows={2}
        aria-label="Comment"
        placeholder="Comment   n"
        maxLength={10_000}
        value={text}
        onChange={(e) => setText(e.target.value)}
      />
      <button disabled={change.isPending || text.trim() === ""}>Comment</button>
    </form>
  );
}

function About({ d }: { d: IncidentDetail }) {
  const i = d.incident;
  return (
    <Panel title="About">
      <Facts
        of={[
          ["Risk", <Score of={i.risk} />],
          ["Correlation", i.score ? `${Math.round(i.score)} points of unusual alerts` : ""],
          ["Over a day because", i.long ? <Text of={i.long} max={400} /> : ""],
          [
            "Grouped by",
            <span className="mono">
              <Text of={i.key} />
            </span>,
          ],
          ["Entities", <Entities of={i.entities} />],
          ["ATT&CK", (i.attack ?? []).length > 0 ? <Attack of={i.attack} /> : ""],
          ["Assignee", i.assignee ? <Text of={i.assignee} /> : "nobody"],
          ["Opened", `${when(i.opened)} UTC`],
          ["First seen", isSet(i.first_seen) ? `${when(i.first_seen)} UTC` : ""],
          ["Last seen", isSet(i.last_seen) ? `${when(i.last_seen)} UTC` : ""],
          ["Closed", isSet(i.closed) ? `${when(i.closed)} UTC` : ""],
          ["Verdict", i.verdict ? words(i.verdict) : ""],
        ]}
      />
    </Panel>
  );
}

function Alerts({ of }: { of: Alert[] }) {
  return (
    <Panel title="Alerts" note={plural(of.length, "alert")}>
      <ul className="plain">
        {of.slice(0, 50).map((a) => (
          <li key={a.id} className="side-row">
            <Sev s={a.severity} />
            <To className="grow" to={`/alerts/${encodeURIComponent(a.id)}`}>
              <Text of={a.title} max={90} />
            </To>
            <span className="dim">×{a.count}</span>
            {a.incident_why ? (
              <details className="why">
                <summary className="dim">{a.incident_role ? words(a.incident_role) : "why here"}</summary>
                <Text of={a.incident_why} max={600} />
              </details>
            ) : null}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function ApprovalList({ of }: { of: Approval[] }) {
  const now = useNow();
  if (of.length === 0) return null;
  return (
    <Panel title="Approvals" note={plural(of.length, "approval")}>
      <ul className="plain">
        {of.map((a) => (
          <li key={a.id} className="side-row">
            <State of={a.status} />
            <To className="grow" to={`/approvals/${encodeURIComponent(a.id)}`}>
              {a.action}{" "}
              <span className="mono">
                <Text of={a.target} max={60} />
              </span>
            </To>
            {a.status === "pending" ? (
              <span className="dim nowrap">{until(a.deadline, now)}</span>
            ) : (
              <Risk of={a.risk} />
            )}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
