import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { CircleStop, Search as SearchIcon } from "lucide-react";
import { type FormEvent, type RefObject, useEffect, useMemo, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { api } from "../api/client";
import { queries } from "../api/queries";
import type { FacetValue, SearchResult, SearchRow } from "../api/types";
import { Dialog, Drawer } from "../kit/dialog";
import { Histogram } from "../kit/histogram";
import { useCommand } from "../kit/keyboard";
import { Head } from "../kit/layout";
import { Empty, Failed } from "../kit/state";
import { Value } from "../kit/value";
import { bytes, count, short } from "../lib/format";
import { completing, filterIn, filterOut, rangeName, rangeOf, ranges, timesOf } from "../lib/query";
import { useRoute } from "../lib/router";
import { EventView } from "./event";
import { ColumnPicker, defaultColumns, ResultTable } from "./search-table";

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
  const { q, id } = useSearch(asked, run);
  const first = q.data?.pages[0];
  const rows = useMemo(() => q.data?.pages.flatMap((p) => p.rows) ?? [], [q.data]);
  const drawn = params.get("d") ?? "";
  const ask = (change: Record<string, string>) => set({ ...change, e: "", d: "" }, true);
  const again = () => {
    set({ e: "", d: "" });
    setRun(run + 1);
  };
  return (
    <>
      <Head title="Search">{first ? <Cost of={first} /> : null}</Head>
      <QueryBar key={asked.query} asked={asked} ask={ask} again={again} />
      {q.isPending ? <Running id={id} stop={() => void api.cancelSearch(id).catch(() => undefined)} /> : null}
      {q.error && !first ? <Failed error={q.error} retry={again} /> : null}
      {first ? (
        <>
          <Histogram
            buckets={first.histogram}
            step={first.step}
            from={first.from}
            to={first.to}
            total={first.total}
            brush={(from, to) => ask({ t: rangeOf(from, to) })}
            only={(set) => ask({ q: filterIn(asked.query, "event.dataset", set) })}
          />
          {rows.length === 0 ? (
            <NoEvents asked={asked} widen={() => ask({ t: "all" })} />
          ) : (
            <div className="search-body">
              <Facets of={first.facets} query={asked.query} ask={(query) => ask({ q: query })} />
              <Results asked={asked} rows={rows} total={first.total} q={q} />
            </div>
          )}
        </>
      ) : null}
      {drawn ? (
        <Drawer title="Event" close={() => set({ d: "" })}>
          <EventView id={drawn} />
        </Drawer>
      ) : null}
    </>
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

interface QueryBarProps {
  asked: Asked;
  ask: (change: Record<string, string>) => void;
  again: () => void;
}

function QueryBar({ asked, ask, again }: QueryBarProps) {
  const [text, setText] = useState(asked.query);
  const box = useRef<HTMLInputElement>(null);
  const time = useRef<HTMLSelectElement>(null);
  const fields = useQuery(queries.fields());
  const [caret, setCaret] = useState(0);
  useCommand("query", () => box.current?.select());
  useCommand("time", () => time.current?.focus());
  const at = completing(text, caret);
  const offers = at
    ? (fields.data?.items ?? [])
        .filter((f) => f.name.startsWith(at.prefix) && f.name !== at.prefix)
        .slice(0, 8)
    : [];
  const [picked, setPicked] = useState(-1);
  const complete = (name: string) => {
    if (!at) return;
    const next = `${text.slice(0, at.start)}${name}:${text.slice(caret)}`;
    setText(next);
    setCaret(at.start + name.length + 1);
    setPicked(-1);
    box.current?.focus();
  };
  const submit = (e: FormEvent) => {
    e.preventDefault();
    setCaret(0);
    if (text.trim() === asked.query) again();
    else ask({ q: text.trim() });
  };
  const onKeyDown = (e: React.KeyboardEvent) => {
    const name = offers[Math.max(0, picked)]?.name;
    if (offers.length === 0) {
      if (e.key === "Escape") box.current?.blur();
      return;
    }
    if (e.key === "ArrowDown") setPicked((picked + 1) % offers.length);
    else if (e.key === "ArrowUp") setPicked((picked - 1 + offers.length) % offers.length);
    else if (e.key === "Escape") setCaret(0);
    else if (name && (e.key === "Tab" || (e.key === "Enter" && picked >= 0))) complete(name);
    else return;
    e.preventDefault();
  };
  return (
    <form className="query" onSubmit={submit}>
      <div className="query-box">
        <SearchIcon size={15} aria-hidden />
        <input
          ref={box}
          className="mono"
          type="search"
          role="combobox"
          aria-label="Query"
          aria-expanded={offers.length > 0}
          aria-controls="query-offers"
          autoComplete="off"
          spellCheck={false}
          placeholder='event.outcome:failure source.ip:10.0.0.0/8 "a phrase"   or   cel: e.user.name == "root"'
          value={text}
          onChange={(e) => {
            setText(e.target.value);
            setCaret(e.target.selectionStart ?? 0);
            setPicked(-1);
          }}
          onBlur={() => setTimeout(() => setCaret(0), 150)}
          onKeyDown={onKeyDown}
        />
        {offers.length > 0 ? (
          <div className="offers" role="listbox" id="query-offers" aria-label="Fields">
            {offers.map((f, i) => (
              <div
                key={f.name}
                role="option"
                aria-selected={i === picked}
                onMouseDown={() => complete(f.name)}
              >
                <span className="mono">{f.name}</span>
                <span className="dim">{f.type}</span>
                <span className="dim clamp">{f.doc}</span>
              </div>
            ))}
          </div>
        ) : null}
      </div>
      <RangePicker value={asked.range} choose={(t) => ask({ t })} box={time} />
      <button className="primary" type="submit">
        Search
      </button>
    </form>
  );
}

interface RangePickerProps {
  value: string;
  choose: (range: string) => void;
  box: RefObject<HTMLSelectElement | null>;
}

/** The named ranges, the range that was brushed, and one of two times. */
function RangePicker({ value, choose, box }: RangePickerProps) {
  const [asks, setAsks] = useState(false);
  const named = ranges.some((r) => r.id === value);
  return (
    <>
      <select
        ref={box}
        aria-label="Time range"
        value={value}
        onChange={(e) => (e.target.value === "custom" ? setAsks(true) : choose(e.target.value))}
      >
        {ranges.map((r) => (
          <option key={r.id} value={r.id}>
            {r.name}
          </option>
        ))}
        {named ? null : <option value={value}>{rangeName(value)}</option>}
        <option value="custom">From … to …</option>
      </select>
      {asks
        ? createPortal(
            <CustomRange value={value} choose={choose} close={() => setAsks(false)} />,
            document.body,
          )
        : null}
    </>
  );
}

/** Two times, in UTC like every time on screen. */
function CustomRange({ value, choose, close }: Omit<RangePickerProps, "box"> & { close: () => void }) {
  const now = timesOf(value, Date.now());
  const local = (iso: string | undefined, otherwise: number) =>
    (iso ?? new Date(otherwise).toISOString()).slice(0, 19);
  const [from, setFrom] = useState(local(now.from, Date.now() - 86_400_000));
  const [to, setTo] = useState(local(now.to, Date.now()));
  const [a, b] = [Date.parse(`${from}Z`), Date.parse(`${to}Z`)];
  const ready = b > a;
  return (
    <Dialog
      title="Time range"
      close={close}
      submit={() => {
        if (!ready) return;
        close();
        choose(rangeOf(a, b));
      }}
      footer={
        <>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button className="primary" disabled={!ready}>
            Use
          </button>
        </>
      }
    >
      <label>
        From (UTC)
        <input
          data-first
          type="datetime-local"
          step="1"
          value={from}
          onChange={(e) => setFrom(e.target.value)}
          required
        />
      </label>
      <label>
        To (UTC), not included
        <input type="datetime-local" step="1" value={to} onChange={(e) => setTo(e.target.value)} required />
      </label>
    </Dialog>
  );
}

interface FacetsProps {
  of: Record<string, FacetValue[]>;
  query: string;
  ask: (query: string) => void;
}

function Facets({ of, query, ask }: FacetsProps) {
  const shown = Object.entries(of)
    .filter(([, values]) => values.length > 0)
    .toSorted(([a], [b]) => order(a) - order(b) || a.localeCompare(b));
  return (
    <aside className="facets" aria-label="Facets">
      {shown.map(([field, values]) => (
        <details key={field} open>
          <summary className="mono">{field}</summary>
          <ul className="plain">
            {values.map((v) => (
              <FacetRow
                key={v.value}
                field={field}
                v={v}
                top={values[0]?.count ?? 1}
                query={query}
                ask={ask}
              />
            ))}
          </ul>
        </details>
      ))}
    </aside>
  );
}

const facetOrder = ["event.dataset", "host.name", "user.name", "source.ip", "destination.ip"];
const order = (field: string) => (facetOrder.indexOf(field) + 100) % 100;

interface FacetRowProps {
  field: string;
  v: FacetValue;
  top: number;
  query: string;
  ask: (query: string) => void;
}

function FacetRow({ field, v, top, query, ask }: FacetRowProps) {
  return (
    <li className="facet">
      <span className="facet-bar" aria-hidden style={{ width: `${(100 * v.count) / top}%` }} />
      <Value field={field} of={v.value} max={28} />
      <span className="facet-count dim">{short(v.count)}</span>
      <span className="facet-actions">
        <button
          className="ghost"
          aria-label={`Only ${field} ${v.value}`}
          onClick={() => ask(filterIn(query, field, v.value))}
        >
          +
        </button>
        <button
          className="ghost"
          aria-label={`Without ${field} ${v.value}`}
          onClick={() => ask(filterOut(query, field, v.value))}
        >
          −
        </button>
      </span>
    </li>
  );
}
