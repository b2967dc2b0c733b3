import { useQuery } from "@tanstack/react-query";
import { Paperclip, Plus } from "lucide-react";
import { type FormEvent, useRef, useState } from "react";
import { api, type IncidentChange, type IncidentVerb } from "../api/client";
import { queries } from "../api/queries";
import type { Alert, Clock, Incident, Task } from "../api/types";
import { Score, State } from "../kit/badges";
import { Dialog } from "../kit/dialog";
import { useChange, useNow } from "../kit/hooks";
import { Facts, Panel, To } from "../kit/layout";
import { useMay } from "../kit/may";
import { Failed } from "../kit/state";
import { Text } from "../kit/text";
import { useToast } from "../kit/toast";
import { ago, isSet, plural, span, until, when, words } from "../lib/format";

const incidentTo = (id: string) => `/incidents/${encodeURIComponent(id)}`;

interface Change {
  verb: IncidentVerb;
  body: IncidentChange;
  say: string;
}

function useIncident(id: string, done?: () => void) {
  const toast = useToast();
  return useChange(
    ["incidents", "alerts"],
    (c: Change) => api.changeIncident(id, c.verb, c.body),
    (_, c) => {
      toast({ text: c.say });
      done?.();
    },
  );
}

/** The deadlines of an incident: what is left, or by how much they were missed. */
export function Clocks({ of }: { of: Clock[] }) {
  const now = useNow(10_000);
  if (of.length === 0) return null;
  return (
    <Panel title="Deadlines" note="by severity, from the opening on">
      <ul className="plain">
        {of.map((c) => (
          <li key={c.name} className="side-row">
            <State of={isSet(c.breached) ? "breached" : isSet(c.met) ? "kept" : "open"} />
            <span className="grow">{words(c.name)}</span>
            <span className="dim nowrap" title={`due ${when(c.due)} UTC`}>
              {isSet(c.met)
                ? `${isSet(c.breached) ? "made good" : "kept"} ${ago(c.met ?? "", now)}`
                : isSet(c.breached)
                  ? `missed ${ago(c.breached ?? "", now)}`
                  : until(c.due, now)}
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** Tasks of an incident; steps of playbooks that people do are among them. */
export function Tasks({ i }: { i: Incident }) {
  const live = useMay()("write:incidents") && i.status !== "closed";
  const [title, setTitle] = useState("");
  const [owner, setOwner] = useState("");
  const [hours, setHours] = useState("");
  const change = useIncident(i.id, () => setTitle(""));
  const tasks = i.tasks ?? [];
  if (tasks.length === 0 && !live) return null;
  const add = (e: FormEvent) => {
    e.preventDefault();
    if (!title.trim()) return;
    const due = hours ? new Date(Date.now() + Number(hours) * 3_600_000).toISOString() : undefined;
    change.mutate({ verb: "task", body: { title: title.trim(), owner, due }, say: "The task is added" });
  };
  return (
    <Panel title="Tasks" note={`${tasks.filter((t) => t.state === "open").length} open`}>
      <ul className="plain">
        {tasks.map((t) => (
          <TaskRow
            key={t.id}
            t={t}
            set={
              live && !t.approval
                ? (state) =>
                    change.mutate({ verb: "task", body: { task: t.id, state }, say: "The task is changed" })
                : undefined
            }
          />
        ))}
      </ul>
      {live ? (
        <form className="task-form" onSubmit={add}>
          <input
            className="grow"
            aria-label="New task"
            placeholder="New task"
            maxLength={500}
            value={title}
            onChange={(e) => setTitle(e.target.value)}
          />
          <input
            aria-label="Owner"
            placeholder="owner"
            size={8}
            maxLength={63}
            value={owner}
            onChange={(e) => setOwner(e.target.value)}
          />
          <input
            aria-label="Due in hours"
            placeholder="hours"
            type="number"
            min={1}
            max={8760}
            value={hours}
            onChange={(e) => setHours(e.target.value)}
          />
          <button disabled={change.isPending || title.trim() === ""}>
            <Plus size={14} aria-hidden /> Add
          </button>
        </form>
      ) : null}
      {change.error ? <Failed error={change.error} /> : null}
    </Panel>
  );
}

function TaskRow({ t, set }: { t: Task; set?: (state: Task["state"]) => void }) {
  const now = useNow(10_000);
  return (
    <li className="side-row">
      <input
        type="checkbox"
        aria-label={`Done: ${t.title}`}
        checked={t.state === "done"}
        disabled={!set}
        onChange={(e) => set?.(e.target.checked ? "done" : "open")}
      />
      <span className="grow">
        {t.approval ? (
          <To to={`/approvals/${encodeURIComponent(t.approval)}`}>
            <Text of={t.title} max={300} />
          </To>
        ) : (
          <Text of={t.title} max={500} />
        )}{" "}
        <span className="dim">
          {t.owner ? <Text of={t.owner} /> : "nobody"}
          {t.approval ? ", a step of a playbook" : ""}
        </span>
      </span>
      {t.state === "open" && isSet(t.due) ? (
        <span className="dim nowrap">{until(t.due ?? "", now)}</span>
      ) : (
        <State of={t.state} />
      )}
    </li>
  );
}

/** Files that people attached. They are only ever downloaded. */
export function Files({ i }: { i: Incident }) {
  const live = useMay()("write:incidents") && i.status !== "closed";
  const pick = useRef<HTMLInputElement>(null);
  const toast = useToast();
  const add = useChange(
    ["incidents"],
    (f: File) => api.attach(i.id, f),
    (a) => toast({ text: `${a.name} is attached` }),
  );
  const files = i.attachments ?? [];
  if (files.length === 0 && !live) return null;
  return (
    <Panel title="Files" note={plural(files.length, "file")}>
      <ul className="plain">
        {files.map((f) => (
          <li key={f.hash + f.name} className="side-row">
            <a className="grow" href={api.fileURL(i.id, f.hash)} download title={`SHA-256 ${f.hash}`}>
              <Text of={f.name} max={80} />
            </a>
            <span className="mono dim">{f.hash.slice(0, 12)}</span>
            <span className="dim nowrap">{f.size} B</span>
          </li>
        ))}
      </ul>
      {live ? (
        <>
          <input
            ref={pick}
            type="file"
            hidden
            aria-label="File to attach"
            onChange={(e) => {
              const f = e.target.files?.[0];
              if (f) add.mutate(f);
              e.target.value = "";
            }}
          />
          <button disabled={add.isPending} onClick={() => pick.current?.click()}>
            <Paperclip size={14} aria-hidden /> Attach a file…
          </button>
        </>
      ) : null}
      {add.error ? <Failed error={add.error} /> : null}
    </Panel>
  );
}

/** What other incidents have in common with this one. */
export function Similar({ id }: { id: string }) {
  const q = useQuery(queries.similar(id));
  const rows = q.data?.items ?? [];
  if (rows.length === 0) return null;
  return (
    <Panel title="Similar incidents" note="by rules, entities and techniques">
      <ul className="plain">
        {rows.map((l) => (
          <li key={l.incident}>
            <div className="side-row">
              <Score of={l.score} />
              <To className="grow" to={incidentTo(l.incident)}>
                <Text of={l.title} max={80} />
              </To>
              <State of={l.verdict || l.status} />
            </div>
            <p className="dim">
              <Text of={l.why.join("; ")} max={300} />
            </p>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** Incidents that this one was merged with or split from. */
export function Links({ i }: { i: Incident }) {
  const links = i.links ?? [];
  if (links.length === 0) return null;
  return (
    <Panel title="Linked incidents">
      <ul className="plain">
        {links.map((l) => (
          <li key={l.kind + l.id} className="side-row">
            <span className="grow">{words(l.kind)}</span>
            <To to={incidentTo(l.id)}>
              <span className="mono">{l.id}</span>
            </To>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

type Asked = "assign" | "merge" | "split" | "then";

/** What people do with an incident besides taking and closing it. */
export function CaseActions({ i, alerts }: { i: Incident; alerts: Alert[] }) {
  const may = useMay();
  const [asks, setAsks] = useState<Asked | null>(null);
  const close = () => setAsks(null);
  const change = useIncident(i.id, close);
  const live = may("write:incidents") && i.status !== "closed";
  const rows: [Asked, string, boolean][] = [
    ["assign", "Assign…", live],
    ["merge", "Merge into another…", live],
    ["split", "Split…", live && alerts.length > 1],
    ["then", "As of a time…", true],
  ];
  return (
    <>
      <details className="picker">
        <summary className="button">Case</summary>
        <div className="picker-list">
          {rows
            .filter(([, , shown]) => shown)
            .map(([ask, name]) => (
              <button
                key={ask}
                className="ghost"
                onClick={(e) => {
                  e.currentTarget.closest("details")?.removeAttribute("open");
                  setAsks(ask);
                }}
              >
                {name}
              </button>
            ))}
        </div>
      </details>
      {asks === "assign" ? (
        <Ask
          title="Assign the incident"
          fields={[{ id: "to", name: "User (empty: nobody)", optional: true }]}
          close={close}
          busy={change.isPending}
          error={change.error}
          give={(v) => change.mutate({ verb: "assign", body: { to: v.to }, say: "The incident is assigned" })}
        />
      ) : null}
      {asks === "merge" ? (
        <Ask
          title="Merge into another incident"
          note="Its alerts move, and this incident is closed. What was done and asked here stays here; each names the other."
          fields={[
            { id: "into", name: "Id of the incident that takes the alerts" },
            { id: "reason", name: "Why they are one case" },
          ]}
          close={close}
          busy={change.isPending}
          error={change.error}
          give={(v) => change.mutate({ verb: "merge", body: v, say: "The incident is merged" })}
        />
      ) : null}
      {asks === "split" ? (
        <Split
          alerts={alerts}
          close={close}
          busy={change.isPending}
          error={change.error}
          give={(body) => change.mutate({ verb: "split", body, say: "A new incident has the alerts" })}
        />
      ) : null}
      {asks === "then" ? <ThenDialog i={i} close={close} /> : null}
    </>
  );
}

interface AskProps {
  title: string;
  note?: string;
  fields: { id: string; name: string; optional?: boolean }[];
  close: () => void;
  busy: boolean;
  error: Error | null;
  give: (values: Record<string, string>) => void;
}

function Ask({ title, note, fields, close, busy, error, give }: AskProps) {
  const [values, setValues] = useState<Record<string, string>>({});
  const ready = fields.every((f) => f.optional || (values[f.id] ?? "").trim() !== "");
  return (
    <Dialog
      title={title}
      close={close}
      submit={() => ready && give(Object.fromEntries(fields.map((f) => [f.id, (values[f.id] ?? "").trim()])))}
      footer={<Buttons close={close} ready={ready && !busy} />}
    >
      {note ? <p className="dim">{note}</p> : null}
      {fields.map((f, n) => (
        <label key={f.id}>
          {f.name}
          <input
            data-first={n === 0 || undefined}
            value={values[f.id] ?? ""}
            maxLength={2000}
            onChange={(e) => setValues({ ...values, [f.id]: e.target.value })}
          />
        </label>
      ))}
      {error ? <Failed error={error} /> : null}
    </Dialog>
  );
}

function Buttons({ close, ready }: { close: () => void; ready: boolean }) {
  return (
    <>
      <button type="button" onClick={close}>
        Cancel
      </button>
      <button className="primary" disabled={!ready}>
        Do it
      </button>
    </>
  );
}

interface SplitProps {
  alerts: Alert[];
  close: () => void;
  busy: boolean;
  error: Error | null;
  give: (body: { alerts: string[]; reason: string }) => void;
}

function Split({ alerts, close, busy, error, give }: SplitProps) {
  const [leave, setLeave] = useState<string[]>([]);
  const [reason, setReason] = useState("");
  const ready = leave.length > 0 && leave.length < alerts.length && reason.trim() !== "" && !busy;
  const flip = (id: string) => setLeave(leave.includes(id) ? leave.filter((x) => x !== id) : [...leave, id]);
  return (
    <Dialog
      wide
      title="Split the incident"
      close={close}
      submit={() => ready && give({ alerts: leave, reason: reason.trim() })}
      footer={<Buttons close={close} ready={ready} />}
    >
      <p className="dim">The alerts that you choose go to a new incident; some must stay.</p>
      <ul className="plain scroll">
        {alerts.map((a) => (
          <li key={a.id}>
            <label className="side-row">
              <input type="checkbox" checked={leave.includes(a.id)} onChange={() => flip(a.id)} />
              <span className="grow">
                <Text of={a.title} max={120} />
              </span>
              <span className="dim nowrap">{when(a.first_seen)}</span>
            </label>
          </li>
        ))}
      </ul>
      <label>
        Why they are another case
        <input value={reason} maxLength={2000} onChange={(e) => setReason(e.target.value)} />
      </label>
      {error ? <Failed error={error} /> : null}
    </Dialog>
  );
}

/** The incident as of a time, with what held then. */
function ThenDialog({ i, close }: { i: Incident; close: () => void }) {
  const [typed, setTyped] = useState(i.opened.slice(0, 19));
  const [time, setTime] = useState(i.opened);
  const q = useQuery(queries.then(i.id, time));
  const t = q.data;
  return (
    <Dialog
      wide
      title="As of a time"
      close={close}
      submit={() => typed && setTime(new Date(`${typed}Z`).toISOString())}
      footer={<button className="primary">Show</button>}
    >
      <label>
        Time (UTC)
        <input
          data-first
          type="datetime-local"
          step={1}
          value={typed}
          onChange={(e) => setTyped(e.target.value)}
        />
      </label>
      {q.error ? <Failed error={q.error} /> : null}
      {t ? (
        <Facts
          wide
          of={[
            ["Status", words(t.incident.status)],
            ["Alerts", plural((t.alerts ?? []).length, "alert")],
            ["Timeline", plural((t.incident.timeline ?? []).length, "entry", "entries")],
            ["Rule set", <Pin of={t.pins.rule_set} />],
            ["Indicator set", <Pin of={t.pins.intel} />],
            ["Tables", <Pin of={t.pins.tables} />],
            [
              "Rules",
              <Lines
                of={t.rules.map(
                  (r) =>
                    `${r.rule} ${r.version.slice(0, 12)} (${r.now === r.version ? "as today" : "changed since"})`,
                )}
              />,
            ],
            ["Exceptions", <Lines of={t.exceptions.map((e) => `${e.rule}: ${e.reason}`)} />],
            ["Switched off", <Lines of={t.off} />],
            ["Indicators", <Lines of={t.indicators.map((x) => `${x.value} (${x.feed}) ${x.name}`)} />],
            ["Models", <Lines of={t.models.map((m) => `${m.detector} ${m.id.slice(0, 12)}`)} />],
            [
              "Assets and identities",
              <Lines
                of={t.assets.map(
                  (a) =>
                    `${a.name}: criticality ${a.criticality || "unknown"}, owner ${a.owner || "unknown"}`,
                )}
              />,
            ],
            ["Cannot be told", t.missing ? <Lines of={t.missing} /> : ""],
          ]}
        />
      ) : null}
    </Dialog>
  );
}

function Pin({ of }: { of: string }) {
  return of ? (
    <span className="mono">
      <Text of={of} max={80} />
    </span>
  ) : (
    <span className="dim">none</span>
  );
}

function Lines({ of }: { of: string[] }) {
  if (of.length === 0) return <span className="dim">none</span>;
  return (
    <ul className="plain">
      {of.map((l) => (
        <li key={l}>
          <Text of={l} max={200} />
        </li>
      ))}
    </ul>
  );
}

/** How fast incidents are dealt with. */
export function KPIs() {
  const days = 90;
  const q = useQuery(queries.kpis(days));
  const rows = (q.data?.items ?? []).filter((k) => k.count > 0);
  if (rows.length === 0) return null;
  return (
    <Panel
      className="kpi-panel"
      title="Response times"
      note={`incidents of the last ${days} days: median, 9 of 10 within, how many`}
    >
      <div className="kpis">
        {rows.map((k) => (
          <div key={k.name}>
            <b>{span(k.median)}</b>{" "}
            <span className="dim">
              {span(k.p90)} · {k.count}
            </span>
            <p className="dim">
              <abbr title={`Time ${k.text}`}>{k.name}</abbr> {k.text.split(":")[0]}
            </p>
          </div>
        ))}
      </div>
    </Panel>
  );
}
