// Lays out the answer of a statistic for drawing. Pure: numbers in, numbers out.
import type { Table } from "../api/types";

export interface Series {
  name: string;
  values: number[];
}

export interface TimeSeries {
  times: string[];
  series: Series[];
  /** The highest value: of all series, or of their sum when they are stacked. */
  top: number;
}

const numberOf = (cell: unknown): number => {
  const n = Number(cell ?? 0);
  return Number.isFinite(n) ? n : 0;
};

/** Series have six colours; what is beyond shares the last. */
export const seriesClass = (i: number) => Math.min(i, 5);

/** Reads a table whose first column is a time and whose numbers are series. */
export function timeSeries(t: Table, stacked: boolean): TimeSeries {
  const times = t.rows.map((r) => String(r[0] ?? ""));
  const series = t.columns
    .map((c, i) => ({ name: c.name, kind: c.kind, i }))
    .filter((c) => c.i > 0 && c.kind === "number")
    .map((c) => ({ name: c.name, values: t.rows.map((r) => numberOf(r[c.i])) }));
  const tops = times.map((_, row) =>
    series.reduce((n, s) => (stacked ? n + (s.values[row] ?? 0) : Math.max(n, s.values[row] ?? 0)), 0),
  );
  return { times, series, top: Math.max(1, ...tops) };
}

/** The outline of a series in a box of the size, standing on the sums of those below it. */
export function area(values: number[], below: number[], top: number, width: number, height: number): string {
  if (values.length === 0) return "";
  const x = (i: number) => (values.length === 1 ? width / 2 : (i / (values.length - 1)) * width);
  const y = (v: number) => height - (v / top) * height;
  const up = values.map((v, i) => `${x(i).toFixed(1)} ${y(v + (below[i] ?? 0)).toFixed(1)}`);
  const down = values.map((_, i) => `${x(i).toFixed(1)} ${y(below[i] ?? 0).toFixed(1)}`).toReversed();
  return `M${up.join(" L")} L${down.join(" L")} Z`;
}

/** The line of a series in a box of the size. */
export function line(values: number[], top: number, width: number, height: number): string {
  if (values.length === 1) {
    const y = height - ((values[0] ?? 0) / top) * height;
    return `M0 ${y.toFixed(1)} L${width} ${y.toFixed(1)}`;
  }
  return values
    .map((v, i) => {
      const x = (i / (values.length - 1)) * width;
      return `${i === 0 ? "M" : "L"}${x.toFixed(1)} ${(height - (v / top) * height).toFixed(1)}`;
    })
    .join(" ");
}

/** How an answer is drawn when nobody says so. */
export function bestShow(t: Table): string {
  if (t.chart === "time") return "area";
  if (t.chart === "bar") return "bar";
  return t.rows.length === 1 && t.columns.length === 1 && t.columns[0]?.kind === "number"
    ? "number"
    : "table";
}
