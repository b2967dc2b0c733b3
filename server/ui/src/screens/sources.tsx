import { useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import type { Source } from "../api/types";
import { State } from "../kit/badges";
import { Dialog } from "../kit/dialog";
import { useChange } from "../kit/hooks";
import { Head, Meter, Table, To } from "../kit/layout";
import { useMay } from "../kit/may";
import { Empty, Failed, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { useToast } from "../kit/toast";
import { ago, bytes, count, isSet, plural, short } from "../lib/format";
import { eta, goesOn, isRunning, progressOf, rateOf } from "../lib/progress";
import { SourcePage } from "./source";

export default function Sources({ id }: { id?: string }) {
  return id ? <SourcePage id={id} /> : <List />;
}

function List() {
  const q = useQuery({
    ...queries.sources(),
    refetchInterval: (q) => (q.state.data?.items.some(isRunning) ? 1500 : 15_000),
  });
  const may = useMay();
  const [adding, setAdding] = useState(false);
  const all = q.data?.items ?? [];
  const events = all.reduce((n, s) => n + s.events, 0);
  const failures = all.reduce((n, s) => n + s.failures, 0);
  return (
    <>
      <Head
        title="Sources"
        actions={
          may("attach:sources") ? (
            <button className="primary" onClick={() => setAdding(true)}>
              <Plus size={14} aria-hidden /> Ingest…
            </button>
          ) : null
        }
      >
        <span className="dim">
          {q.data
            ? `${plural(all.length, "source")}, ${count(events)} events, ${count(failures)} rejects`
            : ""}
        </span>
      </Head>
      <Loaded q={q}>
        {() =>
          all.length === 0 ? (
            <Empty title="Nothing is ingested yet" command="vigil ingest /var/log/auth.log">
              Files, folders and archives; the format is found by itself.
            </Empty>
          ) : (
            <Rows rows={all} />
          )
        }
      </Loaded>
      {adding ? <Ingest close={() => setAdding(false)} /> : null}
    </>
  );
}

function Rows({ rows }: { rows: Source[] }) {
  return (
    <Table
      label="Sources"
      rows={rows}
      id={(s) => s.id}
      columns={[
        {
          name: "Source",
          cell: (s) => (
            <To to={`/sources/${encodeURIComponent(s.id)}`}>
              <b>
                <Text of={s.id} max={60} />
              </b>
            </To>
          ),
        },
        { name: "Kind", cell: (s) => <Text of={s.kind || "–"} /> },
        { name: "Status", cell: (s) => <State of={s.status} /> },
        { name: "Progress", cell: (s) => <ProgressCell s={s} /> },
        {
          name: "Formats",
          cell: (s) =>
            (s.formats ?? []).map((f) => (
              <span key={f} className="tag">
                <Text of={f} />
              </span>
            )),
        },
        { name: "Events", num: true, cell: (s) => count(s.progress?.events ?? s.events) },
        { name: "Rate", num: true, cell: (s) => <Rate s={s} /> },
        {
          name: "Rejects",
          num: true,
          cell: (s) => (
            <span className={s.failures ? "tone-bad" : "dim"}>
              {count(s.progress?.failures ?? s.failures)}
            </span>
          ),
        },
        { name: "Waiting", num: true, cell: (s) => <Waiting s={s} /> },
        { name: "Detections", num: true, cell: (s) => count(s.progress?.detections ?? s.detections) },
        {
          name: "Read",
          num: true,
          cell: (s) => <span className="nowrap">{bytes(s.progress?.bytes ?? s.bytes)}</span>,
        },
        { name: "24 h", num: true, cell: (s) => <span className="nowrap">{bytes(s.bytes_day)}</span> },
        {
          name: "Proof",
          cell: (s) => (
            <span className={s.proof === "failed" ? "tone-bad" : "dim"}>
              {isSet(s.proved) ? `${s.proof}, ${ago(s.proved)}` : "never"}
            </span>
          ),
        },
        { name: "Last", cell: (s) => <span className="nowrap">{ago(s.last)}</span> },
      ]}
    />
  );
}

function ProgressCell({ s }: { s: Source }) {
  if (goesOn(s))
    return (
      <span className="dim nowrap">{s.progress?.waiting ? `${bytes(s.progress.waiting)} left` : ""}</span>
    );
  if (!isRunning(s)) return <span className="dim nowrap">{plural(s.objects, "file")}</span>;
  return (
    <span className="nowrap">
      <Meter label={`Progress of ${s.id}`} value={progressOf(s)} />{" "}
      <span className="dim">{eta(s, Date.now())}</span>
    </span>
  );
}

function Rate({ s }: { s: Source }) {
  const rate = rateOf(s, Date.now());
  return rate > 0 ? (
    <span className="nowrap" title={`usually ${short(s.usual)}/s`}>
      {short(rate)}/s
    </span>
  ) : (
    <span className="dim">–</span>
  );
}

/** What waits in the spool of a push source, and whether it lost or refused anything. */
function Waiting({ s }: { s: Source }) {
  const r = s.receive;
  if (!r) return <span className="dim">–</span>;
  const trouble = [
    r.refused ? `${count(r.refused)} told to wait` : "",
    r.dropped ? `${count(r.dropped)} dropped` : "",
  ].filter(Boolean);
  return (
    <span className={r.dropped ? "tone-bad nowrap" : "nowrap"} title={trouble.join(", ") || undefined}>
      {bytes(r.pending)}
      {trouble.length ? ` (${trouble.join(", ")})` : ""}
    </span>
  );
}

function Ingest({ close }: { close: () => void }) {
  const toast = useToast();
  const [source, setSource] = useState("");
  const [kind, setKind] = useState<"files" | "tail" | "pull">("files");
  const [paths, setPaths] = useState("");
  const list = paths
    .split("\n")
    .map((p) => p.trim())
    .filter(Boolean);
  const start = useChange(
    ["sources"],
    () =>
      kind === "files"
        ? api.ingest(source, list)
        : api.addSource(kind === "tail" ? { source, kind, paths: list } : { source, kind, settings: paths }),
    () => {
      toast({ text: kind === "files" ? `Ingesting ${source}` : `${source} is added` });
      close();
    },
  );
  return (
    <Dialog
      title="Add a source"
      close={close}
      submit={() => start.mutate(undefined)}
      footer={
        <>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button className="primary" disabled={!source || list.length === 0 || start.isPending}>
            Start
          </button>
        </>
      }
    >
      <label>
        Name of the source
        <input
          data-first
          value={source}
          pattern="[A-Za-z0-9][A-Za-z0-9._-]*"
          maxLength={100}
          placeholder="web01-auth"
          onChange={(e) => setSource(e.target.value)}
          required
        />
      </label>
      <label>
        Read
        <select value={kind} onChange={(e) => setKind(e.target.value as typeof kind)}>
          <option value="files">files, once</option>
          <option value="tail">files, as they grow</option>
          <option value="pull">an HTTP API</option>
        </select>
      </label>
      <label>
        {kind === "pull" ? "Its description, in YAML" : "Paths on the worker's host, one a line"}
        <textarea
          rows={kind === "pull" ? 14 : 4}
          className="mono"
          value={paths}
          placeholder={kind === "pull" ? "vigil sources examples okta-system-log" : "/var/log/auth.log"}
          onChange={(e) => setPaths(e.target.value)}
          required
        />
      </label>
      <p className="dim">
        {kind === "files"
          ? "Folders, gzip, zstd and zip are read too. Reading the same file again adds nothing twice."
          : kind === "tail"
            ? "Globs too. Rotation, truncation and compressed copies are followed; nothing is stored twice."
            : "Secrets are names of the worker's variables, env:VIGIL_SOURCE_…; docs/guides/pull.md tells all keys."}
      </p>
      <Failed error={start.error} />
    </Dialog>
  );
}
