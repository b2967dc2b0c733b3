import { Pause, Play } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { api } from "../api/client";
import type { SearchRow } from "../api/types";
import { Failed } from "../kit/state";
import { count } from "../lib/format";
import { fresh } from "../lib/tail";
import { ResultTable } from "./search-table";

const every = 1500;
const kept = 500;

/** Events as they arrive, newest first. */
export function LiveTail({ query, columns }: { query: string; columns: string[] }) {
  const [rows, setRows] = useState<SearchRow[]>([]);
  const [seen, setSeen] = useState(0);
  const [paused, setPaused] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const since = useRef("");
  useEffect(() => {
    if (paused) return;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const read = async () => {
      try {
        if (!document.hidden) {
          const next = await page(query, since.current, stop.signal);
          since.current = next.at;
          setRows((old) => {
            const added = fresh(old, next.rows);
            setSeen((n) => n + added.length);
            return [...added, ...old].slice(0, kept);
          });
          setError(null);
        }
      } catch (e) {
        if (!stop.signal.aborted) setError(e);
      }
      if (!stop.signal.aborted) timer = setTimeout(() => void read(), every);
    };
    void read();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [query, paused]);
  return (
    <div className="results">
      <div className="results-head">
        <span role="status" className="dim">
          <span className={`live-dot ${paused ? "is-stale" : "is-live"}`} aria-hidden />
          {paused ? "paused" : "waiting for what arrives"}: {count(seen)} new events
          {seen > kept ? `, the newest ${count(kept)} shown` : ""}
        </span>
        <button onClick={() => setPaused(!paused)}>
          {paused ? <Play size={14} aria-hidden /> : <Pause size={14} aria-hidden />}
          {paused ? "Go on" : "Pause"}
        </button>
      </div>
      <Failed error={error} />
      <ResultTable rows={rows} columns={columns} hasMore={false} loading={false} more={() => undefined} />
    </div>
  );
}

/** How far each question looks back: an insert may become visible late. */
const again = 10_000;

async function page(query: string, last: string, signal: AbortSignal) {
  const since = new Date((last ? Date.parse(last) : Date.now()) - again).toISOString();
  const body = {
    id: crypto.randomUUID(),
    query,
    from: "1970-01-01T00:00:00Z",
    to: "2200-01-01T00:00:00Z",
    limit: 200,
    since,
  };
  return api.search(body, signal);
}
