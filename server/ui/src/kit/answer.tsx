import { type PointerEvent, useState } from "react";
import type { Table, TableColumn } from "../api/types";
import { area, bestShow, line, seriesClass, timeSeries } from "../lib/chart";
import { count, figure, plural, short, when } from "../lib/format";
import { Text } from "./text";
import { Value } from "./value";

const height = 180;

interface AnswerProps {
  table: Table;
  /** table, bar, line, area, number; "" is what fits best. */
  show?: string;
  label: string;
}

/** The answer of a statistic: a picture or a table of it. What cannot be drawn is a table. */
export function Answer({ table, show, label }: AnswerProps) {
  const how = show || bestShow(table);
  if (table.rows.length === 0) return <p className="dim">The query ran to its end and found nothing.</p>;
  if (how === "number") return <Number table={table} />;
  if ((how === "area" || how === "line") && table.columns[0]?.kind === "time")
    return <TimeChart table={table} stacked={how === "area"} label={label} />;
  if (how === "bar" && table.columns.some((c) => c.kind === "number"))
    return <Bars table={table} label={label} />;
  return <AnswerTable table={table} label={label} />;
}

function Number({ table }: { table: Table }) {
  const i = table.columns.findIndex((c) => c.kind === "number");
  const cell = table.rows[0]?.[Math.max(0, i)];
  return (
    <p className="answer-number">
      <b>{typeof cell === "number" ? figure(cell) : <Text of={String(cell ?? "–")} max={40} />}</b>
      <span className="dim">
        <Text of={table.columns[Math.max(0, i)]?.name} max={40} />
      </span>
    </p>
  );
}

interface TimeChartProps {
  table: Table;
  stacked: boolean;
  label: string;
}

/** Series over time, with the values of the time under the pointer. */
function TimeChart({ table, stacked, label }: TimeChartProps) {
  const { times, series, top } = timeSeries(table, stacked);
  const [over, setOver] = useState(-1);
  const below = times.map(() => 0);
  const move = (e: PointerEvent<SVGSVGElement>) => {
    const r = e.currentTarget.getBoundingClientRect();
    setOver(Math.round(((e.clientX - r.left) / r.width) * (times.length - 1)));
  };
  const at = times[over];
  return (
    <figure className="chart">
      <svg
        viewBox={`0 0 1000 ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${label}: ${plural(series.length, "series", "series")}, at most ${figure(top)}`}
        onPointerMove={move}
        onPointerLeave={() => setOver(-1)}
      >
        {[0.25, 0.5, 0.75].map((y) => (
          <line key={y} className="grid-line" x1="0" x2="1000" y1={y * height} y2={y * height} />
        ))}
        {series.map((s, i) => {
          if (!stacked)
            return (
              <path
                key={s.name}
                className={`chart-line stroke-${seriesClass(i)}`}
                d={line(s.values, top, 1000, height)}
              />
            );
          const d = area(s.values, below, top, 1000, height);
          s.values.forEach((v, row) => (below[row] = (below[row] ?? 0) + v));
          return <path key={s.name} className={`series-${seriesClass(i)}`} d={d} />;
        })}
        {at === undefined ? null : (
          <line
            className="chart-cursor"
            x1={(over / Math.max(1, times.length - 1)) * 1000}
            x2={(over / Math.max(1, times.length - 1)) * 1000}
            y1="0"
            y2={height}
          />
        )}
      </svg>
      <div className="axis mono dim" aria-hidden>
        <span>{when(times[0])}</span>
        <span>{at === undefined ? `${short(top)} at most` : `${when(at)} UTC`}</span>
        <span>{when(times.at(-1))}</span>
      </div>
      <ul className="chart-legend plain">
        {series.map((s, i) => (
          <li key={s.name}>
            <span className={`swatch series-${seriesClass(i)}`} aria-hidden />
            <Text of={s.name || "none"} max={40} />
            <span className="mono dim">
              {at === undefined ? short(s.values.reduce((n, v) => n + v, 0)) : figure(s.values[over])}
            </span>
          </li>
        ))}
      </ul>
    </figure>
  );
}

const shownBars = 30;

/** A bar for each row, with its value written beside it. */
function Bars({ table, label }: { table: Table; label: string }) {
  const value = table.columns.findIndex((c) => c.kind === "number");
  const name = table.columns[0];
  const rows = table.rows.slice(0, shownBars);
  const top = Math.max(1, ...rows.map((r) => +(r[value] ?? 0)));
  return (
    <div className="bars">
      <table aria-label={label}>
        <tbody>
          {rows.map((r, i) => (
            <tr key={i}>
              <th scope="row" className="clamp">
                {name ? <Cell column={name} of={r[0]} max={60} /> : null}
              </th>
              <td className="bars-bar" aria-hidden>
                <span className="series-0" style={{ width: `${(100 * +(r[value] ?? 0)) / top}%` }} />
              </td>
              <td className="num mono">{figure(+(r[value] ?? 0))}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {table.rows.length > shownBars ? (
        <p className="dim">{count(table.rows.length - shownBars)} more in the table</p>
      ) : null}
    </div>
  );
}

const page = 200;

/** Rows as they are, a page at a time. */
function AnswerTable({ table, label }: { table: Table; label: string }) {
  const [shown, setShown] = useState(page);
  const more = table.rows.length - shown;
  return (
    <div className="scroll answer-table" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {table.columns.map((c, i) => (
              <th key={i} className={c.kind === "number" ? "num" : undefined}>
                <Text of={c.name} max={60} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.slice(0, shown).map((r, i) => (
            <tr key={i}>
              {table.columns.map((c, j) => (
                <td key={j} className={c.kind === "number" ? "num mono" : "mono"}>
                  <Cell column={c} of={r[j]} max={300} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {more > 0 ? (
        <p>
          <button onClick={() => setShown(shown + page)}>{count(Math.min(more, page))} more rows</button>
        </p>
      ) : null}
      {table.truncated ? (
        <p className="dim">These are the first {count(table.rows.length)} rows; the answer has more.</p>
      ) : null}
    </div>
  );
}

/** Columns that are fields have the menu of values. */
function Cell({ column, of, max }: { column: TableColumn; of: unknown; max: number }) {
  if (of === null || of === undefined) return <span className="dim">–</span>;
  if (column.kind === "number" && typeof of === "number") return <>{figure(of)}</>;
  if (column.kind === "time") return <span className="nowrap">{when(String(of))}</span>;
  if (column.name.includes(".") && !column.name.includes("("))
    return <Value field={column.name} of={String(of)} max={max} />;
  return <Text of={String(of)} max={max} />;
}
