// Lays out a timeline in lanes. Pauses are collapsed: what is near in time stays apart, and
// hours of nothing take no more room than a minute.
import type { TimelineEntry } from "../api/types";

/** A pause longer than this is collapsed, in seconds. */
const idle = 10 * 60;
/** Room that a collapsed pause takes, as a share of what would be drawn as seconds. */
const gapRoom = 60;

export interface Mark {
  entry: TimelineEntry;
  lane: number;
  /** From 0 to 1. */
  x: number;
}

export interface Gap {
  x: number;
  seconds: number;
}

export interface Lanes {
  names: string[];
  marks: Mark[];
  gaps: Gap[];
}

const order = ["alert", "step", "action", "approval", "decision", "comment", "status"];

export function lanes(entries: TimelineEntry[]): Lanes {
  const sorted = entries.toSorted((a, b) => a.time.localeCompare(b.time));
  const kinds = [...new Set(sorted.map((e) => e.kind))];
  const names = kinds.toSorted((a, b) => ((order.indexOf(a) + 99) % 99) - ((order.indexOf(b) + 99) % 99));
  let [at, before] = [0, NaN];
  const raw: { entry: TimelineEntry; at: number }[] = [];
  const pauses: { at: number; seconds: number }[] = [];
  for (const entry of sorted) {
    const time = Date.parse(entry.time) / 1000;
    const passed = Number.isNaN(before) ? 0 : Math.max(0, time - before);
    if (passed > idle) pauses.push({ at: at + gapRoom / 2, seconds: passed });
    at += passed > idle ? gapRoom : passed;
    before = time;
    raw.push({ entry, at });
  }
  const width = at || 1;
  return {
    names,
    marks: raw.map((r) => ({ entry: r.entry, lane: names.indexOf(r.entry.kind), x: r.at / width })),
    gaps: pauses.map((p) => ({ x: p.at / width, seconds: p.seconds })),
  };
}
