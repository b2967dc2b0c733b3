import type { PlaybookStep } from "../api/types";

/** The steps that may follow a step. */
export function nextOf(s: PlaybookStep): string[] {
  const all = [s.on_completion, s.on_success, s.on_failure, s.on_true, s.on_false, ...(s.next_steps ?? [])];
  return [...new Set(all.filter((x): x is string => !!x))];
}
