import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Fragment, useState } from "react";
import type { ScreenProps } from "./app";
import { get, post } from "./api";
import { bytes, clip, count, until, visible, when } from "./format";
import { Entities, Failed, Graph, KV, Loaded, Sev, To } from "./parts";
import { Event } from "./search";
import type { Alert, Approval, AuditRecord, Home as HomeView, Incident, Page, Proof, Rule, Run, Source } from "./types";

/** Runs a change, shows what refused it, and reads everything again. */
function useChange(): [unknown, boolean, (fn: () => Promise<unknown>) => Promise<void>] {
  const client = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  return [error, busy, async (fn) => {
    setBusy(true);
    setError(null);
    try { await fn(); } catch (e) { setError(e); }
    setBusy(false);
    await client.invalidateQueries();
  }];
}

export function Home(_: ScreenProps) {
  const q = useQuery({ queryKey: ["home"], queryFn: () => get<HomeView>("/home") });
  const h = q.data;
  return <><h1>Home</h1><Loaded q={q}>{h ? <>
    <div className="grid">
      <To className="panel tile" to="/alerts?status=open"><b>{count(h.alerts_open)}</b><span>open alerts</span></To>
      <To className="panel tile" to="/incidents"><b>{count(h.incidents_open)}</b><span>open incidents</span></To>
      <To className="panel tile" to="/approvals"><b>{count(h.approvals_pending)}</b><span>approvals waiting</span></To>
      <To className="panel tile" to="/search"><b>{count(h.events_24h)}</b><span>events in 24 hours</span></To>
    </div>
    <h2>Open alerts by severity</h2>
    <div className="bar">{(["critical", "high", "medium", "low", "informational"] as const).map((s) => <To key={s} className="tag" to={`/alerts?severity=${s}`}><Sev s={s} /> {h.by_severity[s] ?? 0}</To>)}</div>
    <div className="cols">
      <div><h2>Sources</h2><SourceTable rows={h.sources ?? []} /></div>
      <div><h2>Rules that fire most</h2><div className="wrap"><table><tbody>{(h.top_rules ?? []).map((r) => <tr key={r.rule}><td><To to={`/alerts?rule=${encodeURIComponent(r.rule)}`}>{visible(r.title)}</To></td><td className="num">{r.count}</td></tr>)}</tbody></table></div></div>
    </div></> : null}</Loaded></>;
}

export function Alerts({ params, go, may }: ScreenProps) {
  const f = { status: params.get("status") ?? "open", severity: params.get("severity") ?? "", rule: params.get("rule") ?? "", q: params.get("q") ?? "" };
  const query = new URLSearchParams({ ...f, limit: "500" }).toString();
  const q = useQuery({ queryKey: ["alerts", query], queryFn: () => get<Page<Alert>>(`/alerts?${query}`) });
  const [open, setOpen] = useState("");
  const [error, busy, change] = useChange();
  const set = (k: string, v: string) => go(`/alerts?${new URLSearchParams({ ...f, [k]: v })}`);
  const groups = new Map<string, Alert[]>();
  for (const a of q.data?.items ?? []) {
    const key = `${a.rule}|${a.dedup_key}`;
    groups.set(key, [...(groups.get(key) ?? []), a]);
  }
  const update = (list: Alert[], body: object) => void change(() => post("/alerts/update", { ids: list.map((a) => a.id), ...body }));
  return <>
    <h1>Alerts</h1>
    <div className="bar">
      <select aria-label="Status" value={f.status} onChange={(e) => set("status", e.target.value)}>{["open", "acknowledged", "closed", ""].map((s) => <option key={s} value={s}>{s || "any status"}</option>)}</select>
      <select aria-label="Severity" value={f.severity} onChange={(e) => set("severity", e.target.value)}>{["", "critical", "high", "medium", "low", "informational"].map((s) => <option key={s} value={s}>{s || "any severity"}</option>)}</select>
      <input className="grow" type="search" aria-label="Text" placeholder="title, rule or entity" defaultValue={f.q} onKeyDown={(e) => { if (e.key === "Enter") set("q", e.currentTarget.value); }} />
      {f.rule ? <button onClick={() => set("rule", "")}>rule {f.rule} ×</button> : null}
    </div>
    <Failed error={error} />
    <Loaded q={q} empty={groups.size === 0 ? "No alert fits. Ingest something: vigil ingest FILE" : undefined}>
      <div className="wrap"><table><thead><tr><th>Severity</th><th>Risk</th><th>Alert</th><th>Entities</th><th>Events</th><th>Last seen (UTC)</th><th>Incident</th></tr></thead><tbody>
        {[...groups].map(([key, list]) => {
          const a = list[0];
          if (!a) return null;
          return <Fragment key={key}>
            <tr className="row"><td><Sev s={a.severity} /></td><td className="num">{a.risk}</td><td><button className="link" aria-expanded={open === key} onClick={() => setOpen(open === key ? "" : key)}>{visible(a.title)}</button>{list.length > 1 ? <span className="dim"> ×{list.length}</span> : null}</td>
              <td><Entities of={a.entities} /></td><td className="num">{count(list.reduce((n, x) => n + x.count, 0))}</td><td className="mono">{when(a.last_seen)}</td><td>{a.incident ? <To to={`/incidents/${encodeURIComponent(a.incident)}`}>open</To> : <span className="dim">–</span>}</td></tr>
            {open === key ? <tr><td colSpan={7}>
              {may("write:alerts") ? <div className="bar"><button disabled={busy} onClick={() => update(list, { status: "acknowledged" })}>Acknowledge</button><button disabled={busy} onClick={() => update(list, { status: "closed", verdict: "true_positive" })}>Close: true positive</button><button disabled={busy} onClick={() => update(list, { status: "closed", verdict: "false_positive" })}>Close: false positive</button></div> : null}
              <AlertDetail a={a} /></td></tr> : null}
          </Fragment>;
        })}
      </tbody></table></div>
    </Loaded>
  </>;
}

function AlertDetail({ a }: { a: Alert }) {
  return <div className="cols">
    <div><h2>Why</h2>{(a.why ?? []).map((w) => <div key={w.part}><b>{w.part}</b><pre tabIndex={0}>{visible(w.expr)}{Object.entries(w.values ?? {}).map(([k, v]) => `\n  ${k} = ${visible(v)}`)}</pre></div>)}
      <h2>First event</h2>{a.sample_event && !/^0+$/.test(a.sample_event) ? <Event id={a.sample_event} /> : <span className="dim">derived from several events</span>}</div>
    <KV of={[["rule", <To to={`/detections/${encodeURIComponent(a.rule)}`}>{a.rule}</To>], ["author", `${visible(a.author ?? "")} ${a.license ? `(${a.license})` : ""}`], ["kind", a.kind], ["ATT&CK", (a.attack ?? []).join(", ")], ["data set", a.dataset], ["source", a.source], ["first seen", when(a.first_seen)], ["status", a.status], ["tags", (a.tags ?? []).join(", ")]]} />
  </div>;
}

interface IncidentDetail { incident: Incident; alerts: Alert[]; runs: Run[]; approvals: Approval[] }

export function Incidents(p: ScreenProps) {
  const q = useQuery({ queryKey: ["incidents"], queryFn: () => get<Page<Incident>>("/incidents?limit=500"), enabled: !p.id });
  if (p.id) return <OneIncident {...p} id={p.id} />;
  return <><h1>Incidents</h1><Loaded q={q} empty={q.data?.items.length === 0 ? "No incident. High alerts open them by themselves." : undefined}>
    <div className="wrap"><table><thead><tr><th>Severity</th><th>Risk</th><th>Incident</th><th>About</th><th>Status</th><th>Alerts</th><th>Opened (UTC)</th><th>Assignee</th></tr></thead><tbody>
      {q.data?.items.map((i) => <tr key={i.id} className="row"><td><Sev s={i.severity} /></td><td className="num">{i.risk}</td><td><To to={`/incidents/${i.id}`}>{visible(i.title)}</To></td><td className="mono">{visible(i.key)}</td><td>{i.status}</td><td className="num">{i.alerts.length}</td><td className="mono">{when(i.opened)}</td><td>{i.assignee}</td></tr>)}
    </tbody></table></div></Loaded></>;
}

function OneIncident({ id, may }: ScreenProps & { id: string }) {
  const q = useQuery({ queryKey: ["incident", id], queryFn: () => get<IncidentDetail>(`/incidents/${encodeURIComponent(id)}`) });
  const [error, busy, change] = useChange();
  const [text, setText] = useState("");
  const d = q.data;
  const say = (verb: string, body: object) => void change(() => post(`/incidents/${encodeURIComponent(id)}/${verb}`, body));
  return <Loaded q={q}>{d ? <>
    <h1><Sev s={d.incident.severity} />{visible(d.incident.title)}<span className="tag">{d.incident.status}</span></h1>
    {d.approvals.filter((a) => a.status === "pending").map((a) => <div key={a.id} className="banner">Waiting for a person: <b>{a.action}</b> on <b className="mono">{visible(a.target)}</b>, {until(a.deadline)} left. <To to={`/approvals/${a.id}`}>Look and decide</To></div>)}
    <Failed error={error} />
    <div className="cols"><div>
      {d.runs.map((r) => <div key={r.id}><h2>{visible(r.title || r.playbook)} · {r.status}</h2><Graph steps={r.steps ?? []} /></div>)}
      <h2>Timeline</h2><ol className="time">{d.incident.timeline.map((t, n) => <li key={n}><span className="mono dim">{when(t.time)}</span> <span className="tag">{t.kind}</span>{visible(t.text)} <span className="dim">{visible(t.by)}</span></li>)}</ol>
      {may("write:incidents") ? <form className="bar" onSubmit={(e) => { e.preventDefault(); say("comment", { text }); setText(""); }}><input className="grow" aria-label="Comment" placeholder="Comment" value={text} onChange={(e) => setText(e.target.value)} required /><button disabled={busy}>Comment</button></form> : null}
    </div><div className="panel">
      <KV of={[["about", visible(d.incident.key)], ["risk", d.incident.risk], ["ATT&CK", (d.incident.attack ?? []).join(", ")], ["assignee", d.incident.assignee ?? "nobody"], ["opened", when(d.incident.opened)]]} />
      <h2>Entities</h2><Entities of={d.incident.entities} />
      <h2>Alerts</h2>{d.alerts.map((a) => <div key={a.id}><Sev s={a.severity} /> {visible(a.title)} <span className="dim">×{a.count}</span></div>)}
      {may("write:incidents") && d.incident.status !== "closed" ? <div className="bar"><button disabled={busy} onClick={() => say("ack", {})}>Take it</button><button disabled={busy} onClick={() => say("close", { verdict: "true_positive", reason: "handled" })}>Close: true positive</button><button disabled={busy} onClick={() => say("close", { verdict: "false_positive", reason: "not an attack" })}>Close: false positive</button></div> : null}
    </div></div></> : null}</Loaded>;
}

export function Approvals({ id, params, may }: ScreenProps) {
  const status = params.get("status") ?? "pending";
  const q = useQuery({ queryKey: ["approvals", status], queryFn: () => get<Page<Approval>>(`/approvals?status=${status}&limit=500`) });
  if (id) return <OneApproval id={id} may={may} />;
  return <><h1>Approvals</h1>
    <div className="bar">{["pending", "approved", "denied", "expired"].map((s) => <To key={s} className="tag" to={`/approvals?status=${s}`} aria-current={s === status ? "true" : undefined}>{s}</To>)}</div>
    <Loaded q={q} empty={q.data?.items.length === 0 ? `Nothing is ${status}.` : undefined}>
      <div className="wrap"><table><thead><tr><th>Action</th><th>Target</th><th>Risk</th><th>Asked by</th><th>Playbook</th><th>Needs</th><th>{status === "pending" ? "Denied in" : "Status"}</th></tr></thead><tbody>
        {q.data?.items.map((a) => <tr key={a.id} className="row"><td><To to={`/approvals/${a.id}`}>{a.action}</To></td><td className="mono">{visible(a.target)}</td><td>{a.risk}</td><td>{visible(a.requester)}</td><td>{a.playbook}</td><td className="num">{(a.decisions ?? []).length} of {a.needed}</td><td>{status === "pending" ? until(a.deadline) : a.status}</td></tr>)}
      </tbody></table></div></Loaded></>;
}

function OneApproval({ id, may }: { id: string; may: (p: string) => boolean }) {
  const q = useQuery({ queryKey: ["approval", id], queryFn: () => get<Approval>(`/approvals/${encodeURIComponent(id)}`) });
  const [error, busy, change] = useChange();
  const [reason, setReason] = useState("");
  const a = q.data;
  const decide = (verdict: string) => void change(() => post(`/approvals/${encodeURIComponent(id)}/decide`, { verdict, reason, binding: a?.binding ?? "" }));
  return <Loaded q={q}>{a ? <>
    <h1>{a.action} · <span className="mono">{visible(a.target)}</span><span className="tag">{a.status}</span></h1>
    <Failed error={error} />
    <div className="cols"><div>
      <div className="panel"><KV of={[["why", visible(a.reason)], ["risk", a.risk], ["how it is undone", a.undo ? visible(a.undo) : <b className="bad">it cannot be undone</b>], ["asked by", visible(a.requester)], ["playbook", a.playbook], ["if nobody answers", `denied in ${until(a.deadline)}`], ["incident", a.incident ? <To to={`/incidents/${a.incident}`}>open</To> : "none"]]} /></div>
      <h2>Exactly what is approved</h2><pre tabIndex={0}>{visible(a.payload)}</pre><p className="dim mono">SHA-256 {a.binding}</p>
    </div><div className="panel">
      <h2>Decisions ({(a.decisions ?? []).length} of {a.needed})</h2>
      {(a.decisions ?? []).map((d) => <div key={d.user + d.time}><b>{visible(d.user)}</b> {d.verdict} <span className="dim">{d.channel}, {when(d.time)}</span><div>{visible(d.reason)}</div></div>)}
      {a.status === "pending" && may("decide:approvals") ? <form onSubmit={(e) => e.preventDefault()}>
        <label>Reason<textarea rows={3} value={reason} onChange={(e) => setReason(e.target.value)} /></label>
        <div className="bar"><button type="button" className="primary" disabled={busy} onClick={() => decide("approve")}>Approve</button><button type="button" className="danger" disabled={busy || reason.trim() === ""} title={reason.trim() === "" ? "say why" : ""} onClick={() => decide("deny")}>Deny</button></div>
      </form> : null}
    </div></div></> : null}</Loaded>;
}

function SourceTable({ rows }: { rows: Source[] }) {
  return <div className="wrap"><table><thead><tr><th>Source</th><th>Status</th><th>Formats</th><th>Events</th><th>Rejects</th><th>Detections</th><th>Size</th></tr></thead><tbody>
    {rows.map((s) => <tr key={s.id} className="row"><td><To to={`/sources/${encodeURIComponent(s.id)}`}>{visible(s.id)}</To></td><td>{s.status} {s.progress && s.progress.size_all > 0 && s.progress.status !== "completed" ? <progress aria-label="progress" max={s.progress.size_all} value={s.progress.size} /> : null}</td><td>{s.formats.join(", ")}</td><td className="num">{count(s.events)}</td><td className={`num ${s.failures ? "bad" : ""}`}>{count(s.failures)}</td><td className="num">{count(s.detections)}</td><td className="num">{bytes(s.bytes)}</td></tr>)}
  </tbody></table></div>;
}

interface SourceDetail extends Source { samples: { object: string; offset: number; format: string; reason: string; raw: string }[] }

export function Sources({ id, may }: ScreenProps) {
  const q = useQuery({ queryKey: ["sources"], queryFn: () => get<Page<Source>>("/sources"), refetchInterval: 3_000, enabled: !id });
  if (id) return <OneSource id={id} may={may} />;
  return <><h1>Sources</h1><Loaded q={q} empty={q.data?.items.length === 0 ? "Nothing is ingested yet: vigil ingest FILE…" : undefined}><SourceTable rows={q.data?.items ?? []} /></Loaded></>;
}

function OneSource({ id, may }: { id: string; may: (p: string) => boolean }) {
  const q = useQuery({ queryKey: ["source", id], queryFn: () => get<SourceDetail>(`/sources/${encodeURIComponent(id)}`) });
  const [error, busy, change] = useChange();
  const [proof, setProof] = useState<Proof | null>(null);
  const s = q.data;
  const verb = (v: string) => change(async () => { const r = await post<{ proof?: Proof }>(`/sources/${encodeURIComponent(id)}/${v}`); if (r.proof) setProof(r.proof); });
  return <Loaded q={q}>{s ? <><h1>{visible(s.id)}<span className="tag">{s.status}</span></h1>
    <Failed error={error} />
    {may("write:sources") ? <div className="bar"><button className="primary" disabled={busy} onClick={() => void verb("prove")}>{busy ? "Counting…" : "Prove"}</button>{s.status === "running" ? <button disabled={busy} onClick={() => void verb("pause")}>Pause</button> : null}{s.status === "paused" ? <button disabled={busy} onClick={() => void verb("resume")}>Resume</button> : null}</div> : null}
    {proof ? <div className={proof.ok ? "banner" : "error"} role="status"><b className={proof.ok ? "ok" : "bad"}>{proof.ok ? "Proved: nothing lost, nothing doubled." : "It differs."}</b> {count(proof.records)} records, {count(proof.events)} events, {count(proof.failures)} rejects in {proof.chunks} chunks; {proof.reread} files read again.{proof.problems.map((p) => <div key={p}>{visible(p)}</div>)}</div> : null}
    <div className="panel"><KV of={[["formats", s.formats.join(", ")], ["objects", `${s.objects} of ${s.objects_all}`], ["events", count(s.events)], ["rejects", count(s.failures)], ["detections", count(s.detections)], ["bytes", bytes(s.bytes)], ["last commit", when(s.last)]]} /></div>
    {s.receive ? <div className="panel"><h2>Receiver ({s.receive.kind})</h2><KV of={[["received", count(s.receive.records)], ["known re-sends", count(s.receive.duplicates)], ["suspected re-sends", count(s.receive.suspected)], ["told to wait", count(s.receive.refused)], ["dropped", count(s.receive.dropped)], ["waiting in the spool", bytes(s.receive.pending)]]} />{s.receive.error ? <p className="error">{visible(s.receive.error)}</p> : null}</div> : null}
    <h2>Records no parser took</h2>{s.samples.length === 0 ? <p className="dim">None.</p> : <div className="wrap"><table><thead><tr><th>Object</th><th>Offset</th><th>Reason</th><th>Record</th></tr></thead><tbody>{s.samples.map((f) => <tr key={f.object + f.offset}><td>{visible(f.object)}</td><td className="num">{f.offset}</td><td>{visible(f.reason)}</td><td className="mono">{clip(f.raw, 200)}</td></tr>)}</tbody></table></div>}
  </> : null}</Loaded>;
}

export function Rules({ id }: ScreenProps) {
  const q = useQuery({ queryKey: ["rules"], queryFn: () => get<Page<Rule>>("/rules"), enabled: !id });
  const one = useQuery({ queryKey: ["rule", id], queryFn: () => get<Rule>(`/rules/${encodeURIComponent(id ?? "")}`), enabled: !!id });
  if (id) return <Loaded q={one}>{one.data ? <><h1><Sev s={one.data.severity} />{visible(one.data.title)}</h1><p className="dim">{one.data.kind} · by {visible(one.data.author)} · {one.data.attack.join(", ")} · <To to={`/alerts?status=&rule=${encodeURIComponent(one.data.id)}`}>its alerts</To></p><pre tabIndex={0}>{one.data.yaml}</pre></> : null}</Loaded>;
  return <><h1>Detections</h1><Loaded q={q}><div className="wrap"><table><thead><tr><th>Severity</th><th>Rule</th><th>Kind</th><th>Data sets</th><th>ATT&amp;CK</th><th>Playbook</th></tr></thead><tbody>
    {q.data?.items.map((r) => <tr key={r.id} className="row"><td><Sev s={r.severity} /></td><td><To to={`/detections/${encodeURIComponent(r.id)}`}>{visible(r.title)}</To></td><td>{r.kind}</td><td>{r.dataset.join(", ")}</td><td>{r.attack.join(", ")}</td><td>{r.playbook}</td></tr>)}
  </tbody></table></div></Loaded></>;
}

export function Playbooks() {
  const q = useQuery({ queryKey: ["playbooks"], queryFn: () => get<Page<{ id: string; description: string; version: string; steps: Record<string, { type: string; name?: string }> }>>("/playbooks") });
  return <><h1>Playbooks</h1><Loaded q={q}>{q.data?.items.map((p) => <div key={p.id} className="panel"><h2>{p.id}</h2><p>{p.description}</p><p className="dim mono">{Object.keys(p.steps).length} steps · version {p.version.slice(0, 12)}</p></div>)}</Loaded></>;
}

export function Audit() {
  const q = useQuery({ queryKey: ["audit"], queryFn: () => get<Page<AuditRecord>>("/audit?limit=200") });
  const [report, setReport] = useState<Record<string, unknown> | null>(null);
  const [error, busy, change] = useChange();
  return <><h1>Audit</h1>
    <div className="bar"><button className="primary" disabled={busy} onClick={() => void change(async () => setReport(await get("/audit/verify")))}>Verify the chain</button>{report ? <span role="status" className={report.ok ? "ok" : "bad"}>{report.ok ? "Every link holds." : "The trail was changed:"} <span className="mono">{JSON.stringify(report).slice(0, 300)}</span></span> : null}</div>
    <Failed error={error} />
    <Loaded q={q} empty={q.data?.items.length === 0 ? "Nothing recorded yet." : undefined}><div className="wrap"><table><thead><tr><th>Time (UTC)</th><th>Who</th><th>What</th><th>Object</th><th>Outcome</th><th>Details</th></tr></thead><tbody>
      {q.data?.items.map((r) => <tr key={r.writer + r.seq} className="row"><td className="mono">{when(r.time)}</td><td>{visible(r.actor)}</td><td>{r.verb}</td><td className="mono">{clip(r.object, 60)}</td><td className={r.outcome === "ok" ? "ok" : "bad"}>{r.outcome}</td><td>{clip(Object.entries(r.details ?? {}).map(([k, v]) => `${k}=${v}`).join(" "), 200)}</td></tr>)}
    </tbody></table></div></Loaded></>;
}

export function Users() {
  const q = useQuery({ queryKey: ["users"], queryFn: () => get<Page<{ name: string; role: string; full_name?: string; disabled: boolean }>>("/users") });
  const [error, busy, change] = useChange();
  const [form, setForm] = useState({ name: "", role: "approver", password: "" });
  return <><h1>Users</h1><Failed error={error} />
    <form className="bar" onSubmit={(e) => { e.preventDefault(); void change(() => post("/users", form)); }}>
      <input aria-label="Name" placeholder="name" value={form.name} onChange={(e) => setForm({ ...form, name: e.target.value })} required />
      <select aria-label="Role" value={form.role} onChange={(e) => setForm({ ...form, role: e.target.value })}>{["viewer", "analyst", "approver", "admin"].map((r) => <option key={r}>{r}</option>)}</select>
      <input aria-label="Password" type="password" placeholder="password" autoComplete="new-password" value={form.password} minLength={12} onChange={(e) => setForm({ ...form, password: e.target.value })} required />
      <button className="primary" disabled={busy}>Add user</button>
    </form>
    <Loaded q={q}><div className="wrap"><table><thead><tr><th>Name</th><th>Role</th><th>Full name</th><th>State</th></tr></thead><tbody>{q.data?.items.map((u) => <tr key={u.name}><td>{visible(u.name)}</td><td>{u.role}</td><td>{visible(u.full_name ?? "")}</td><td>{u.disabled ? "disabled" : "active"}</td></tr>)}</tbody></table></div></Loaded></>;
}
