import type { Source } from "../api/types";
import { percent, span } from "./format";

/** Whether the source is being read now. */
export function isRunning(s: Source): boolean {
  return ["running", "planning", "waiting", "paused"].includes(s.progress?.status ?? s.status);
}

/** Whether the source has no end: it is followed, pulled or pushed. */
export function goesOn(s: Pick<Source, "kind">): boolean {
  return !!s.kind && s.kind !== "files";
}

/** How much of the source is read, in percent: by stored bytes, or by objects when sizes are unknown. */
export function progressOf(s: Source): number {
  const p = s.progress;
  if (p && p.size_all > 0) return percent(p.size, p.size_all);
  return p ? percent(p.objects, p.objects_all) : percent(s.objects, s.objects_all);
}

function secondsRunning(s: Pick<Source, "progress">, now: number): number {
  const started = Date.parse(s.progress?.started ?? "");
  return Number.isNaN(started) ? 0 : (now - started) / 1000;
}

/** Events a second: of the running ingestion since its start, or what was committed lately. */
export function rateOf(s: Source, now: number): number {
  if (goesOn(s)) return s.rate;
  const seconds = secondsRunning(s, now);
  if (isRunning(s) && s.progress && seconds >= 1) return s.progress.events / seconds;
  return isRunning(s) ? s.rate : 0;
}

/** How long the rest takes at the speed so far, in words; "" when it cannot be told. */
export function eta(s: Pick<Source, "progress">, now: number): string {
  const p = s.progress;
  const seconds = secondsRunning(s, now);
  if (!p || p.status !== "running" || p.size <= 0 || p.size_all <= p.size || seconds < 2) return "";
  return `${span(((p.size_all - p.size) / p.size) * seconds)} left`;
}
