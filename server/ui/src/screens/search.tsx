import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { CircleStop, Radio } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { api } from "../api/client";
import type { SearchResult, SearchRow } from "../api/types";
import { Answer } from "../kit/answer";
import { Drawer } from "../kit/dialog";
import { Histogram } from "../kit/histogram";
import { Choice, Head } from "../kit/layout";
import { Empty, Failed } from "../kit/state";
import { bestShow } from "../lib/chart";
import { bytes, count } from "../lib/format";
import { filterIn, isSQL, isStatistic, rangeName, rangeOf, timesOf, withStages } from "../lib/query";
import { useRoute } from "../lib/router";
import { EventView } from "./event";
import { QueryBar } from "./search-bar";
import { Facets } from "./search-facets";
import { SearchMenu } from "./search-menu";
import { ColumnPicker, defaultColumns, ResultTable } from "./search-table";
import { LiveTail } from "./search-tail";

const pageSize = 200;

/** The query as the URL says it. A run number makes the same query read again. */
interface Asked {
  query: string;
  range: string;
  columns: string[];
}

function useAsked(): Asked {
  const { params } = useRoute();
  return {
    query: params.get("q") ?? "",
    range: params.get("t") ?? "24h",
    columns: params.get("cols")?.split(",").filter(Boolean) ?? defaultColumns,
  };
}

/** Runs the query: bars and facets with the first page, more rows with the next ones. */
function useSearch({ query, range }: Asked, run: number) {
  // The range ends "now": the moment the query was asked, the same for all its pages.
  const times = useMemo(() => timesOf(range, Date.now()), [range, query, run]);
  const id = useMemo(() => crypto.randomUUID(), [query, range, run]);
  const q = useInfiniteQuery({
    queryKey: ["search", query, range, run],
    queryFn: ({ pageParam, signal }) =>
      api.search(
        { id, query, ...times, limit: pageSize, cursor: pageParam || undefined, histogram: pageParam === "" },
        signal,
      ),
    initialPageParam: "",
    getNextPageParam: (last: SearchResult) => last.next || undefined,
    staleTime: Infinity,
    // Not kept: who comes back to a search means the events of now.
    gcTime: 0,
    retry: false,
    refetchOnWindowFocus: false,
  });
  return { q, id };
}

export default function Search() {
  const { params, set } = useRoute();
  const asked = useAsked();
  const [run, setRun] = useState(0);
  const live = params.get("live") === "1" && !isStatistic(asked.query);
  const drawn = params.get("d") ?? "";
  const ask = (change: Record<string, string>) => set({ ...change, e: "", d: "" }, true);
  const again = () => {
    set({ e: "", d: "" });
    setRun(run + 1);
  };
  return (
    <>
      <Head
        title="Search"
        actions={
          <>
            {isStatistic(asked.query) ? null : (
              <button aria-pressed={live} onClick={() => ask({ live: live ? "" : "1" })}>
                <Radio size={14} aria-hidden /> Live tail
              </button>
            )}
            <SearchMenu query={asked.query} range={asked.range} columns={asked.columns} />
          </>
        }
      />
      <QueryBar key={asked.query} query={asked.query} range={asked.range} ask={ask} again={again} />
      {live ? (
        <LiveTail key={asked.query} query={asked.query} columns={asked.columns} />
      ) : (
        <Found key={`${asked.query} ${asked.range}`} asked={asked} run={run} ask={ask} again={again} />
      )}
      {drawn ? (
        <Drawer title="Event" close={() => set({ d: "" })}>
          <EventView id={drawn} />
        </Drawer>
      ) : null}
    </>
  );
}

interface FoundProps {
  asked: Asked;
  run: number;
  ask: (change: Record<string, string>) => void;
  again: () => void;
}

/** What the query found: bars over time, and events with facets or the answer of a statistic. */
function Found({ asked, run, ask, again }: FoundProps) {
  const { q, id } = useSearch(asked, run);
  const first = q.data?.pages[0];
  const rows = useMemo(() => q.data?.pages.flatMap((p) => p.rows) ?? [], [q.data]);
  if (q.isPending) return <Running id={id} stop={() => void api.cancelSearch(id).catch(() => undefined)} />;
  if (!first) return <Failed error={q.error} retry={again} />;
  return (
    <>
      {isSQL(asked.query) ? null : (
        <Histogram
          buckets={first.histogram}
          step={first.step}
          from={first.from}
          to={first.to}
          total={first.total}
          brush={(from, to) => ask({ t: rangeOf(from, to) })}
          only={(set) => ask({ q: filterIn(asked.query, "event.dataset", set) })}
        />
      )}
      <div className="results-head">
        <Views query={asked.query} ask={ask} />
        <Cost of={first} />
      </div>
      {first.table ? (
        <Statistic first={first} />
      ) : rows.length === 0 ? (
        <NoEvents asked={asked} widen={() => ask({ t: "all" })} />
      ) : (
        <div className="search-body">
          <Facets of={first.facets} query={asked.query} ask={(query) => ask({ q: query })} />
          <Results asked={asked} rows={rows} total={first.total} q={q} />
        </div>
      )}
    </>
  );
}

const views = [
  { id: "events", name: "Events", stages: [] as string[] },
  { id: "patterns", name: "Patterns", stages: ["patterns"] },
  { id: "timechart", name: "Over time", stages: ["timechart count() by event.dataset"] },
  { id: "top", name: "Top values", stages: ["top 20 user.name"] },
];

/** The same events, told another way: each view is a query that can be changed. */
function Views({ query, ask }: { query: string; ask: (change: Record<string, string>) => void }) {
  if (isSQL(query)) return <span />;
  const now = views.findLast((v) => v.stages.every((s) => query.includes(`| ${s.split(" ")[0]}`)));
  return (
    <Choice
      label="What is shown of the events"
      of={views.map((v) => ({ id: v.id, name: v.name }))}
      value={now?.id ?? "events"}
      choose={(id) => {
        const view = views.find((v) => v.id === id);
        if (view) ask({ q: withStages(query, ...view.stages) });
      }}
    />
  );
}

const shows = ["table", "bar", "line", "area", "number"];

/** The answer of a statistic, drawn as the address says or as fits best. */
function Statistic({ first }: { first: SearchResult }) {
  const { params, set } = useRoute();
  if (!first.table) return null;
  const show = params.get("as") || bestShow(first.table);
  return (
    <section className="panel statistic">
      <Choice
        label="How the answer is drawn"
        of={shows.map((s) => ({ id: s, name: s }))}
        value={show}
        choose={(as) => set({ as })}
      />
      <Answer table={first.table} show={show} label="Answer" />
    </section>
  );
}

interface Pages {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
  error: unknown;
}

function Results({ asked, rows, total, q }: { asked: Asked; rows: SearchRow[]; total: number; q: Pages }) {
  const { set } = useRoute();
  return (
    <div className="results">
      <div className="results-head">
        <span className="dim">
          {count(rows.length)} of {count(total)} shown, newest first
        </span>
        <ColumnPicker chosen={asked.columns} choose={(c) => set({ cols: c.join(",") })} />
      </div>
      <ResultTable
        rows={rows}
        columns={asked.columns}
        hasMore={q.hasNextPage}
        loading={q.isFetchingNextPage}
        more={() => void q.fetchNextPage()}
      />
      <Failed error={q.error} />
    </div>
  );
}

function Cost({ of }: { of: SearchResult }) {
  return (
    <span className="dim">
      read {count(of.stats.rows)} rows, {bytes(of.stats.bytes)} in {count(of.stats.ms)} ms
    </span>
  );
}

/** A query that runs: what it has read, and a way to stop it. */
function Running({ id, stop }: { id: string; stop: () => void }) {
  const q = useQuery({
    queryKey: ["search-progress", id],
    queryFn: () => api.searchProgress(id),
    refetchInterval: 300,
    initialData: { rows: 0, bytes: 0, ms: 0, running: false },
    initialDataUpdatedAt: 0,
    retry: false,
    // The first reading may come before the query is known; the next one tells.
    staleTime: 0,
    enabled: useAfter(400),
  });
  return (
    <div className="notice" role="status">
      <span className="spinner" aria-hidden />
      <span className="grow">
        Searching: {count(q.data.rows)} rows, {bytes(q.data.bytes)} read
      </span>
      <button onClick={stop}>
        <CircleStop size={14} aria-hidden /> Cancel
      </button>
    </div>
  );
}

/** True once some time has passed: quick queries need no progress. */
function useAfter(ms: number): boolean {
  const [is, setIs] = useState(false);
  useEffect(() => {
    const t = setTimeout(() => setIs(true), ms);
    return () => clearTimeout(t);
  }, [ms]);
  return is;
}

function NoEvents({ asked, widen }: { asked: Asked; widen: () => void }) {
  return (
    <>
      <Empty title="No event fits" command={asked.query ? undefined : "vigil ingest /var/log/auth.log"}>
        {asked.query ? "The query ran to its end and found nothing in " : "Nothing is stored in "}
        {rangeName(asked.range).toLowerCase()}.
      </Empty>
      {asked.range === "all" ? null : (
        <p className="center-line">
          <button onClick={widen}>Search all time</button>
        </p>
      )}
    </>
  );
}
