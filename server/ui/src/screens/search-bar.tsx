import { useQuery } from "@tanstack/react-query";
import { Search as SearchIcon } from "lucide-react";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import { useCommand } from "../kit/keyboard";
import { RangePicker } from "../kit/range";
import { Text } from "../kit/text";
import { plural, short } from "../lib/format";
import { type Completing, completing, isSQL, stages, term, timesOf } from "../lib/query";

interface Offer {
  name: string;
  note: string;
  doc?: string;
  /** What replaces the text at the caret. */
  text: string;
}

interface QueryBarProps {
  query: string;
  range: string;
  ask: (change: Record<string, string>) => void;
  again: () => void;
}

/** The query with its completion, the time range, and what the query would cost. */
export function QueryBar({ query, range, ask, again }: QueryBarProps) {
  const [text, setText] = useState(query);
  const box = useRef<HTMLInputElement>(null);
  const time = useRef<HTMLSelectElement>(null);
  const [caret, setCaret] = useState(0);
  const [picked, setPicked] = useState(-1);
  useCommand("query", () => box.current?.select());
  useCommand("time", () => time.current?.focus());
  const at = caret > 0 ? completing(text, caret) : null;
  const offers = useOffers(at);
  const complete = (offer: Offer) => {
    if (!at) return;
    setText(text.slice(0, at.start) + offer.text + text.slice(caret));
    setCaret(at.start + offer.text.length);
    setPicked(-1);
    box.current?.focus();
  };
  const submit = (e: FormEvent) => {
    e.preventDefault();
    setCaret(0);
    if (text.trim() === query) again();
    else ask({ q: text.trim() });
  };
  const onKeyDown = (e: React.KeyboardEvent) => {
    const offer = offers[Math.max(0, picked)];
    if (offers.length === 0) {
      if (e.key === "Escape") box.current?.blur();
      return;
    }
    if (e.key === "ArrowDown") setPicked((picked + 1) % offers.length);
    else if (e.key === "ArrowUp") setPicked((picked - 1 + offers.length) % offers.length);
    else if (e.key === "Escape") setCaret(0);
    else if (offer && (e.key === "Tab" || (e.key === "Enter" && picked >= 0))) complete(offer);
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
          placeholder='event.outcome:failure source.ip:10.0.0.0/8 "a phrase" | top 10 user.name   or   cel: …   or   sql: …'
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
          <div className="offers" role="listbox" id="query-offers" aria-label={`Completion of a ${at?.what}`}>
            {offers.map((o, i) => (
              <div
                key={o.name}
                role="option"
                aria-selected={i === picked}
                onMouseDown={(e) => {
                  e.preventDefault();
                  complete(o);
                }}
              >
                <span className="mono clamp">
                  <Text of={o.name} max={80} />
                </span>
                <span className="dim">{o.note}</span>
                <span className="dim clamp">{o.doc}</span>
              </div>
            ))}
          </div>
        ) : null}
      </div>
      <RangePicker value={range} choose={(t) => ask({ t })} box={time} />
      <button className="primary" type="submit">
        Search
      </button>
      {text.trim() !== query ? <Cost query={text.trim()} range={range} /> : null}
    </form>
  );
}

/** What completes the text at the caret: fields, values that are stored, or stages. */
function useOffers(at: Completing | null): Offer[] {
  const fields = useQuery({ ...queries.fields(), enabled: at !== null });
  const prefix = useSettled(at?.what === "value" ? `${at.field}:${at.prefix}` : "", 200);
  const colon = prefix.indexOf(":");
  const field = prefix.slice(0, Math.max(0, colon));
  const values = useQuery({
    queryKey: ["values", field, prefix.slice(colon + 1)],
    queryFn: ({ signal }) => api.values(field, prefix.slice(colon + 1), signal),
    enabled: prefix !== "",
    // The offers stay while the next ones are on their way, so that a pick is not lost.
    placeholderData: (old, query) => (query?.queryKey[1] === field ? old : undefined),
    staleTime: 60_000,
    retry: false,
  });
  if (!at) return [];
  if (at.what === "stage")
    return stages
      .filter((s) => s.name.startsWith(at.prefix) && s.name !== at.prefix)
      .map((s) => ({ name: s.name, note: s.example, text: `${s.name} ` }));
  if (at.what === "value")
    return (
      (values.data?.items ?? [])
        .filter((v) => v.value !== at.prefix && prefix.startsWith(`${at.field}:`))
        // The answer is to what was typed a moment ago.
        .filter((v) => v.value.toLowerCase().startsWith(at.prefix.toLowerCase()))
        .map((v) => ({
          name: v.value,
          note: short(v.count),
          text: `${term(at.field, v.value).slice(at.field.length + 1)} `,
        }))
    );
  return (fields.data?.items ?? [])
    .filter((f) => f.name.startsWith(at.prefix) && f.name !== at.prefix)
    .slice(0, 8)
    .map((f) => ({ name: f.name, note: f.type, doc: f.doc, text: `${f.name}:` }));
}

/** A value once it has not changed for a while. */
function useSettled(value: string, ms: number): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const t = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(t);
  }, [value, ms]);
  return settled;
}

/** What the query that stands in the bar would read, before it is asked. */
function Cost({ query, range }: { query: string; range: string }) {
  const settled = useSettled(query, 500);
  const q = useQuery({
    queryKey: ["estimate", settled, range],
    queryFn: ({ signal }) => api.estimate({ query: settled, ...timesOf(range, Date.now()) }, signal),
    enabled: settled !== "" && settled === query && !isSQL(settled),
    retry: false,
    staleTime: 60_000,
  });
  return (
    <p className="query-cost dim" role="status">
      {q.data && settled === query
        ? q.data.problem || `would read up to ${short(q.data.rows)} rows of ${plural(q.data.parts, "part")}`
        : q.error && settled === query
          ? q.error.message
          : ""}
    </p>
  );
}
