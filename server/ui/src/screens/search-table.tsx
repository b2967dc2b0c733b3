import { useVirtualizer } from "@tanstack/react-virtual";
import { ChevronDown, ChevronRight, Columns3, PanelRight } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import type { SearchRow } from "../api/types";
import { useCommand } from "../kit/keyboard";
import { Text } from "../kit/text";
import { Value } from "../kit/value";
import { useRoute } from "../lib/router";
import { summaryOf } from "../lib/summary";
import { EventView } from "./event";

/** What rows carry (internal/store/search.go, shown) and how wide it is drawn. */
const widths: Record<string, number> = {
  "event.dataset": 110,
  "host.name": 116,
  "user.name": 100,
  "source.ip": 120,
  "source.port": 80,
  "destination.ip": 120,
  "destination.port": 90,
  "event.action": 140,
  "event.outcome": 90,
  "event.code": 80,
  "process.name": 140,
  "dns.question.name": 200,
  "url.domain": 160,
  "rule.name": 160,
  "file.path": 220,
  "registry.path": 220,
  "network.transport": 80,
  "network.protocol": 80,
};

/** The columns at first; "summary" is whichever text says most. */
export const defaultColumns = ["event.dataset", "host.name", "user.name", "source.ip", "summary"];

export function ColumnPicker({ chosen, choose }: { chosen: string[]; choose: (c: string[]) => void }) {
  const all = [...Object.keys(widths), "summary"];
  const toggle = (c: string) =>
    choose(chosen.includes(c) ? chosen.filter((x) => x !== c) : insert(c, chosen));
  return (
    <details className="picker">
      <summary className="button">
        <Columns3 size={14} aria-hidden /> Columns
      </summary>
      <fieldset>
        <legend className="sr">Columns</legend>
        {all.map((c) => (
          <label key={c}>
            <input type="checkbox" checked={chosen.includes(c)} onChange={() => toggle(c)} />
            <span className="mono">{c}</span>
          </label>
        ))}
      </fieldset>
    </details>
  );
}

/** A new column stands before the summary, which takes the rest of the width. */
function insert(c: string, chosen: string[]): string[] {
  const rest = chosen.filter((x) => x !== "summary");
  return chosen.includes("summary") || c === "summary"
    ? [...rest, ...(c === "summary" ? [] : [c]), "summary"]
    : [...rest, c];
}

const rowHeight = 30;
const gap = 12;

/** How narrow a column may become. */
function leastOf(c: string): number {
  return c === "summary" ? 200 : Math.round(0.7 * (widths[c] ?? 140));
}

/** The tracks of head and rows: columns share what room there is, the summary takes the rest. */
function tracks(columns: string[]): string {
  const track = (c: string) =>
    `minmax(${leastOf(c)}px, ${c === "summary" ? "1fr" : `${widths[c] ?? 140}px`})`;
  return `24px 166px ${columns.map(track).join(" ")} 30px`;
}

interface ResultTableProps {
  rows: SearchRow[];
  columns: string[];
  hasMore: boolean;
  loading: boolean;
  more: () => void;
}

/** Rows of which only those in sight exist. A row expands in place. */
export function ResultTable({ rows, columns, hasMore, loading, more }: ResultTableProps) {
  const { params, set } = useRoute();
  const box = useRef<HTMLDivElement>(null);
  const open = params.get("e") ?? "";
  const drawn = params.get("d") ?? "";
  const [active, setActive] = useState(() => rows.findIndex((r) => r.id === open));
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: (i) => (rows[i]?.id === open ? 420 : rowHeight),
    getItemKey: (i) => rows[i]?.id ?? i,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const end = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasMore && !loading && end >= rows.length - 20) more();
  }, [end, hasMore, loading, rows.length, more]);

  const move = (by: number) => {
    const to = Math.max(0, Math.min(rows.length - 1, active + by));
    setActive(to);
    virtual.scrollToIndex(to);
    const id = rows[to]?.id;
    if (drawn && id) set({ d: id });
    requestAnimationFrame(() =>
      box.current?.querySelector<HTMLElement>(`[data-index="${to}"] [data-row-button]`)?.focus(),
    );
  };
  const current = rows[active];
  const expand = (id: string) => set({ e: open === id ? "" : id });
  useCommand("next", () => move(1));
  useCommand("previous", () => move(-1));
  useCommand("expand", current && (() => expand(current.id)));
  useCommand("drawer", current && (() => set({ d: drawn === current.id ? "" : current.id })));

  const grid = tracks(columns);
  const least = 24 + 166 + 30 + columns.reduce((n, c) => n + leastOf(c) + gap, 2 * gap + 16);
  return (
    <div
      className="grid"
      ref={box}
      role="table"
      aria-label="Events"
      aria-rowcount={rows.length + 1}
      tabIndex={0}
    >
      <div className="grid-head" role="row" style={{ gridTemplateColumns: grid, minWidth: least }}>
        <span role="columnheader">
          <span className="sr">Expand</span>
        </span>
        <span role="columnheader">Time (UTC)</span>
        {columns.map((c) => (
          <span key={c} role="columnheader" className="clamp">
            {c}
          </span>
        ))}
        <span role="columnheader">
          <span className="sr">Drawer</span>
        </span>
      </div>
      <div className="grid-body" role="rowgroup" style={{ height: virtual.getTotalSize(), minWidth: least }}>
        {items.map((item) => {
          const r = rows[item.index];
          if (!r) return null;
          const isOpen = r.id === open;
          const Chevron = isOpen ? ChevronDown : ChevronRight;
          return (
            <div
              key={item.key}
              ref={virtual.measureElement}
              data-index={item.index}
              data-row={r.id}
              role="row"
              aria-rowindex={item.index + 2}
              className={`grid-item ${item.index === active ? "is-active" : ""}`}
              style={{ transform: `translateY(${item.start}px)` }}
              onFocus={() => setActive(item.index)}
            >
              <div
                className="grid-row"
                role="presentation"
                style={{ gridTemplateColumns: grid }}
                onClick={() => setActive(item.index)}
              >
                <span role="cell">
                  <button
                    className="ghost icon"
                    data-row-button
                    aria-expanded={isOpen}
                    aria-label="Expand the event"
                    onClick={() => expand(r.id)}
                  >
                    <Chevron size={14} aria-hidden />
                  </button>
                </span>
                <span role="cell" className="mono nowrap">
                  {r.time.slice(0, 23).replace("T", " ").replace("Z", "")}
                </span>
                {columns.map((c) => (
                  <span key={c} role="cell" className="clamp mono">
                    <Cell r={r} c={c} />
                  </span>
                ))}
                <span role="cell">
                  <button
                    className="ghost icon"
                    aria-label="Open in the drawer"
                    onClick={() => set({ d: r.id })}
                  >
                    <PanelRight size={14} aria-hidden />
                  </button>
                </span>
              </div>
              {isOpen ? (
                <div className="grid-open" role="cell">
                  <EventView id={r.id} />
                </div>
              ) : null}
            </div>
          );
        })}
      </div>
      {loading ? (
        <p className="dim grid-note" role="status">
          Reading more…
        </p>
      ) : null}
    </div>
  );
}

function Cell({ r, c }: { r: SearchRow; c: string }) {
  if (c === "summary") {
    return <Text of={summaryOf(r)} max={300} />;
  }
  if (c === "event.dataset") return <Value field={c} of={r.dataset} max={60} />;
  const value = r.fields[c];
  return value ? <Value field={c} of={value} max={120} /> : null;
}
