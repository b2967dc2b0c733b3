import type { SearchRow } from "../api/types";

/** The rows that are not shown yet: questions of a live tail overlap. */
export function fresh(shown: SearchRow[], read: SearchRow[]): SearchRow[] {
  const known = new Set(shown.map((r) => r.id));
  return read.filter((r) => !known.has(r.id) && known.add(r.id));
}
