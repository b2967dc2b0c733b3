import type { Bucket } from "../api/types";

/** How many series have a colour of their own; the rest is "other". */
export const maxSeries = 6;

/** The series that are drawn: the largest by name, then "other" for what is left. */
export function seriesOf(buckets: Bucket[]): string[] {
  const sums = new Map<string, number>();
  for (const b of buckets) for (const [k, n] of Object.entries(b.by)) sums.set(k, (sums.get(k) ?? 0) + n);
  const names = [...sums].toSorted((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([k]) => k);
  return names.length <= maxSeries ? names : [...names.slice(0, maxSeries - 1), "other"];
}

export interface Axis {
  from: number;
  to: number;
  step: number;
}

/** The time axis, widened to whole buckets. */
export function axis(from: string, to: string, step: number): Axis {
  const ms = Math.max(1, step) * 1000;
  const a = Math.floor(Date.parse(from) / ms) * ms;
  const b = Math.ceil(Date.parse(to) / ms) * ms;
  return { from: a, to: Math.max(b, a + ms), step: ms };
}

export interface Bar {
  time: string;
  count: number;
  /** Where it stands on the axis, as shares of its width. */
  x: number;
  width: number;
  parts: { series: number; from: number; to: number }[];
}

/** Stacks each bucket by series. The parts of a bar add up to its count. */
export function bars(buckets: Bucket[], range: Axis, names: string[]): Bar[] {
  const span = range.to - range.from;
  const other = names.indexOf("other");
  return buckets.map((b) => {
    const sums = names.map(() => 0);
    for (const [k, n] of Object.entries(b.by)) {
      const own = names.indexOf(k);
      const i = own >= 0 ? own : other;
      sums[i] = (sums[i] ?? 0) + n;
    }
    let at = 0;
    const parts = sums.flatMap((n, series) => {
      const part = { series, from: at, to: at + n };
      at += n;
      return n > 0 ? [part] : [];
    });
    return {
      time: b.time,
      count: b.count,
      x: (Date.parse(b.time) - range.from) / span,
      width: range.step / span,
      parts,
    };
  });
}
