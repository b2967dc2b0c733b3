import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { ScreenProps } from "./app";
import { call, get } from "./api";
import { bytes, clip, count, visible, when } from "./format";
import { Loaded } from "./parts";
import type { SearchResult, StoredEvent } from "./types";

const spans: Record<string, number> = { "1h": 3600e3, "24h": 86400e3, "7d": 7 * 86400e3, all: 0 };

export function Search({ params, go }: ScreenProps) {
  const query = params.get("q") ?? "", span = params.get("t") ?? "all", open = params.get("e");
  const [text, setText] = useState(query);
  const to = (q: string, t = span, e = "") => go(`/search?${new URLSearchParams({ q, t, ...(e ? { e } : {}) })}`);
  const q = useQuery({
    queryKey: ["search", query, span],
    queryFn: ({ signal }) => call<SearchResult>("POST", "/searches", { query, histogram: true, limit: 200, ...(spans[span] ? { from: new Date(Date.now() - spans[span]).toISOString() } : {}) }, signal),
    staleTime: Infinity,
  });
  return (
    <>
      <h1>Search</h1>
      <form className="bar" onSubmit={(e) => { e.preventDefault(); to(text); }}>
        <input className="grow mono" type="search" aria-label="Query" placeholder='event.outcome:failure source.ip:10.0.0.0/8 "a phrase"  or  cel: …' value={text} onChange={(e) => setText(e.target.value)} />
        <select aria-label="Time range" value={span} onChange={(e) => to(text, e.target.value)}>{Object.keys(spans).map((s) => <option key={s} value={s}>{s === "all" ? "all time" : `last ${s}`}</option>)}</select>
        <button className="primary" type="submit">Search</button>
      </form>
      <Loaded q={q}>
        {q.data ? <>
          <p className="dim">{count(q.data.total)} events · read {count(q.data.stats.rows)} rows, {bytes(q.data.stats.bytes)} in {q.data.stats.ms} ms</p>
          <Bars data={q.data} />
          <div className="search">
            <div>{Object.entries(q.data.facets).filter(([, v]) => v.length > 0).map(([f, values]) => (
              <div key={f} className="facet panel"><b className="mono">{f}</b>{values.map((v) => <button key={v.value} title={`only ${v.value}`} onClick={() => { const next = `${query} ${f}:"${v.value}"`.trim(); setText(next); to(next); }}><span>{clip(v.value, 40)}</span><span className="dim">{count(v.count)}</span></button>)}</div>))}</div>
            <div className="wrap">
              <table><thead><tr><th>Time (UTC)</th><th>Data set</th><th>Host</th><th>User</th><th>Source</th><th>Destination</th><th>What</th></tr></thead>
                <tbody>{q.data.rows.map((r) => {
                  const f = r.fields, what = f["message"] ?? f["process.command_line"] ?? f["url.original"] ?? f["dns.question.name"] ?? f["event.action"] ?? "";
                  return [
                    <tr key={r.id} className="row"><td className="mono"><button className="link mono" aria-expanded={open === r.id} onClick={() => to(query, span, open === r.id ? "" : r.id)}>{when(r.time)}</button></td><td>{r.dataset}</td><td>{clip(f["host.name"] ?? "")}</td><td>{clip(f["user.name"] ?? "")}</td><td className="mono">{f["source.ip"] ?? ""}</td><td className="mono">{f["destination.ip"] ?? ""}</td><td>{clip(what)}</td></tr>,
                    open === r.id ? <tr key={`${r.id}x`}><td colSpan={7}><Event id={r.id} /></td></tr> : null,
                  ];
                })}</tbody></table>
              {q.data.rows.length === 0 ? <div className="empty">No event fits this query in this time range.</div> : null}
            </div>
          </div>
        </> : null}
      </Loaded>
    </>
  );
}

/** The histogram: bars from the same query as the rows. */
function Bars({ data }: { data: SearchResult }) {
  const top = Math.max(...data.histogram.map((b) => b.count), 1), n = data.histogram.length;
  if (n === 0) return null;
  return (
    <svg className="bars panel" width="100%" height="90" viewBox={`0 0 ${n * 10} 70`} preserveAspectRatio="none" role="img" aria-label={`${count(data.total)} events over time`}>
      {data.histogram.map((b, i) => <rect key={b.time} x={i * 10 + 1} width="8" y={68 - (b.count / top) * 66} height={(b.count / top) * 66 + 1}><title>{`${when(b.time)}: ${count(b.count)}`}</title></rect>)}
    </svg>
  );
}

/** One event whole: fields, what no field models, and the record as it arrived. */
export function Event({ id }: { id: string }) {
  const q = useQuery({ queryKey: ["event", id], queryFn: () => get<StoredEvent>(`/events/${id}`), staleTime: Infinity });
  return (
    <Loaded q={q}>{q.data ? <div>
      <dl className="kv mono">{[...Object.entries(q.data.fields), ...Object.entries(q.data.extras ?? {})].sort().map(([k, v]) => [<dt key={`${k}t`}>{k}</dt>, <dd key={`${k}d`}>{visible(v)}</dd>])}</dl>
      <h2>Record as it arrived</h2><pre tabIndex={0}>{visible(q.data.raw)}</pre>
      <p className="dim mono">{id} · source {q.data.source}</p>
    </div> : null}</Loaded>
  );
}
