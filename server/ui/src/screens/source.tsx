import { useQuery } from "@tanstack/react-query";
import { ShieldCheck } from "lucide-react";
import { useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import type { Chunk, FailureSample, Proof, Receive, SourceDetail, SourceWork } from "../api/types";
import { State } from "../kit/badges";
import { Code } from "../kit/code";
import { useChange } from "../kit/hooks";
import { Head, Meter, Panel, Table, To } from "../kit/layout";
import { useMay } from "../kit/may";
import { Failed, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { ago, bytes, count, isSet, plural, short, span, when } from "../lib/format";
import { eta, goesOn, isRunning, progressOf, rateOf } from "../lib/progress";
import { Controls } from "./source-controls";

export function SourcePage({ id }: { id: string }) {
  const q = useQuery({
    ...queries.source(id),
    refetchInterval: (q) => (q.state.data && isRunning(q.state.data) ? 1500 : false),
  });
  return <Loaded q={q}>{(s) => <View s={s} />}</Loaded>;
}

function View({ s }: { s: SourceDetail }) {
  const may = useMay();
  const [proof, setProof] = useState<Proof | null>(null);
  const change = useChange(
    ["sources"],
    () => api.changeSource(s.id, "prove"),
    (r) => r.proof && setProof(r.proof),
  );
  return (
    <>
      <Head
        title={<Text of={s.id} />}
        actions={
          may("write:sources") ? (
            <>
              <Controls s={s} />
              <button
                className="primary"
                disabled={change.isPending}
                onClick={() => change.mutate(undefined)}
              >
                <ShieldCheck size={14} aria-hidden /> {change.isPending ? "Counting…" : "Prove"}
              </button>
            </>
          ) : null
        }
      >
        <State of={s.status} />
        <To to={`/search?${new URLSearchParams({ q: `source:"${s.id}"`, t: "all" })}`}>its events</To>
      </Head>
      <div className="stack">
        {s.error || s.progress?.error ? <Failed error={new Error(s.error || s.progress?.error)} /> : null}
        {proof ? <ProofResult p={proof} /> : null}
        {isRunning(s) ? <Running s={s} /> : null}
        <Work of={s.work} />
        <Numbers s={s} />
        <Problems of={s.progress?.problems ?? []} />
        <Rejects of={s.samples} all={s.failures} />
        <Chunks of={s.chunks} />
      </div>
    </>
  );
}

function Running({ s }: { s: SourceDetail }) {
  const now = Date.now();
  return (
    <Panel title="Being read now">
      <div className="running">
        {goesOn(s) ? (
          <span className="dim">{bytes(s.progress?.waiting ?? 0)} not read yet</span>
        ) : (
          <Meter label="Progress" value={progressOf(s)} />
        )}
        <b>{short(Math.round(rateOf(s, now)))} events/s</b>
        <span className="dim">{eta(s, now)}</span>
        <span className="mono dim clamp">
          <Text of={s.progress?.object ?? ""} />
        </span>
      </div>
    </Panel>
  );
}

/** Back-fills that run beside the source. */
function Work({ of }: { of: SourceWork[] }) {
  if (of.length === 0) return null;
  return (
    <Panel title="Back-fills" note={plural(of.length, "running")} flush>
      <Table
        label="Back-fills"
        rows={of}
        id={(w) => w.workflow}
        columns={[
          { name: "Workflow", cell: (w) => <Text of={w.workflow} max={60} /> },
          { name: "Status", cell: (w) => <State of={w.progress.status} /> },
          { name: "Records", num: true, cell: (w) => count(w.progress.records) },
          { name: "Read", num: true, cell: (w) => bytes(w.progress.bytes) },
          { name: "Left", cell: (w) => eta(w, Date.now()) || "–" },
        ]}
      />
    </Panel>
  );
}

/** A recount of a source against what was read: nothing lost, nothing doubled. */
function ProofResult({ p }: { p: Proof }) {
  return (
    <div className={`notice ${p.ok ? "is-ok" : "is-bad"}`} role="status">
      <ShieldCheck size={18} aria-hidden />
      <div>
        <b>{p.ok ? "Proved: nothing lost, nothing doubled." : "The count differs."}</b>
        <div className="dim">
          {plural(p.records, "record")} = {plural(p.events, "event")} + {plural(p.failures, "reject")}, in{" "}
          {plural(p.chunks, "chunk")}; {plural(p.reread, "file")} read again.
        </div>
        {(p.gone ?? []).map((x) => (
          <div key={x} className="dim">
            <Text of={x} />
          </div>
        ))}
        {(p.problems ?? []).map((x) => (
          <div key={x}>
            <Text of={x} />
          </div>
        ))}
      </div>
    </div>
  );
}

function Numbers({ s }: { s: SourceDetail }) {
  return (
    <div className="tiles is-small">
      <Number name="events" value={count(s.progress?.events ?? s.events)} />
      <Number name="rejects" value={count(s.progress?.failures ?? s.failures)} bad={s.failures > 0} />
      <Number name="detections" value={count(s.detections)} />
      <Number name="read" value={bytes(s.bytes)} />
      <Number name="files" value={`${count(s.objects)} of ${count(s.objects_all)}`} />
      {s.kind ? <Number name="kind" value={s.kind} /> : null}
      <Number name="rate" value={`${short(s.rate)}/s, usually ${short(s.usual)}/s`} />
      <Number name="in 24 hours" value={bytes(s.bytes_day)} />
      <Number
        name="last proof"
        value={isSet(s.proved) ? `${s.proof}, ${ago(s.proved)}` : "never"}
        bad={s.proof === "failed"}
      />
      <Number name="last commit" value={isSet(s.last) ? when(s.last).slice(5) : "never"} />
      {s.lag > 0 ? <Number name="lag" value={span(s.lag)} /> : null}
      <Number name="formats" value={(s.formats ?? []).join(", ") || "–"} />
      {s.receive ? <Receiver r={s.receive} /> : null}
    </div>
  );
}

/** What came by network: taken, known again, told to wait, lost. */
function Receiver({ r }: { r: Receive }) {
  return (
    <>
      <Number name={`received (${r.kind})`} value={count(r.records)} />
      <Number
        name={r.limits.quota ? `waiting, of ${bytes(r.limits.quota)} at most` : "waiting in the spool"}
        value={bytes(r.pending)}
      />
      {r.limits.rate ? <Number name="may send a second" value={bytes(r.limits.rate)} /> : null}
      <Number name="re-sends known" value={count(r.duplicates)} />
      <Number name="re-sends suspected" value={count(r.suspected)} />
      <Number name="told to wait" value={count(r.refused)} bad={r.refused > 0} />
      <Number name="not valid" value={count(r.invalid)} bad={r.invalid > 0} />
      <Number name="dropped" value={count(r.dropped)} bad={r.dropped > 0} />
      {r.error ? <Number name="spool" value={r.error} bad /> : null}
    </>
  );
}

function Number({ name, value, bad }: { name: string; value: string; bad?: boolean }) {
  return (
    <div className="tile">
      <span className="tile-name">{name}</span>
      <b className={bad ? "tone-bad" : undefined}>
        <Text of={value} />
      </b>
    </div>
  );
}

function Problems({ of }: { of: string[] }) {
  if (of.length === 0) return null;
  return (
    <Panel title="Files that could not be read" note={plural(of.length, "file")}>
      <ul className="plain mono">
        {of.map((p) => (
          <li key={p}>
            <Text of={p} />
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** Records that no parser took. They are kept whole; nothing is dropped. */
function Rejects({ of, all }: { of: FailureSample[]; all: number }) {
  return (
    <Panel
      title="Records that no parser took"
      note={all > of.length ? `${of.length} of ${count(all)}` : count(all)}
    >
      {of.length === 0 ? <p className="dim">None: every record became an event.</p> : null}
      {of.map((f) => (
        <div key={`${f.object}:${f.offset}`} className="reject">
          <div>
            <span className="tone-bad">
              <Text of={f.reason} max={300} />
            </span>{" "}
            <span className="dim">
              <Text of={f.object} max={120} />, byte {count(f.offset)}, {bytes(f.size)}
              {f.format ? (
                <>
                  , read as <Text of={f.format} />
                </>
              ) : null}
            </span>
          </div>
          <Code text={f.raw.slice(0, 2000)} label="Record" />
        </div>
      ))}
    </Panel>
  );
}

function Chunks({ of }: { of: Chunk[] }) {
  if (of.length === 0) return null;
  return (
    <Panel title="Newest commits" note="each is written wholly or not at all" flush>
      <Table
        label="Newest commits"
        rows={of.toReversed().slice(0, 20)}
        id={(c) => c.id}
        columns={[
          { name: "Object", cell: (c) => <Text of={c.object} max={80} /> },
          { name: "Format", cell: (c) => <Text of={c.format || "mixed"} /> },
          {
            name: "Bytes",
            num: true,
            cell: (c) => (
              <span className="nowrap">
                {count(c.from)} – {count(c.to)}
              </span>
            ),
          },
          { name: "Records", num: true, cell: (c) => count(c.records) },
          { name: "Events", num: true, cell: (c) => count(c.events) },
          { name: "Rejects", num: true, cell: (c) => count(c.failures) },
          { name: "Detections", num: true, cell: (c) => count(c.detections) },
        ]}
      />
    </Panel>
  );
}
