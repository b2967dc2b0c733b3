// Builds queries of the server's language (internal/store/query.go).

/**
 * One term that fits exactly a field's value. Quotes cannot be escaped in the language,
 * so a value that holds one becomes a pattern in which ? stands for what cannot be written.
 */
export function term(field: string, value: string): string {
  if (!value.includes('"')) return `${field}:"${value}"`;
  return `${field}:${value.replace(/["\s()]/g, "?")}`;
}

/** Adds a term to a query; a query with OR at its top is put in parentheses first. */
export function withTerm(query: string, added: string): string {
  const q = query.trim();
  if (q === "" || q.startsWith("cel:")) return added;
  if (q.split(/\s+/).includes(added) || q.includes(added)) return q;
  return `${hasTopLevelOr(q) ? `(${q})` : q} ${added}`;
}

export const filterIn = (query: string, field: string, value: string) => withTerm(query, term(field, value));
export const filterOut = (query: string, field: string, value: string) =>
  withTerm(query, `-${term(field, value)}`);

function hasTopLevelOr(q: string): boolean {
  let depth = 0;
  for (const token of q.match(/"[^"]*"|[()]|[^\s()"]+/g) ?? []) {
    if (token === "(") depth++;
    else if (token === ")") depth--;
    else if (token === "OR" && depth === 0) return true;
  }
  return false;
}

/** The time ranges a person picks; 0 is everything that is stored. */
export const ranges = [
  { id: "15m", name: "Last 15 minutes", seconds: 900 },
  { id: "1h", name: "Last hour", seconds: 3600 },
  { id: "24h", name: "Last 24 hours", seconds: 86_400 },
  { id: "7d", name: "Last 7 days", seconds: 7 * 86_400 },
  { id: "30d", name: "Last 30 days", seconds: 30 * 86_400 },
  { id: "all", name: "All time", seconds: 0 },
] as const;

export interface TimeRange {
  from?: string;
  to?: string;
}

/** The times of a range as the URL names it: "24h", "all", or two times with a slash between. */
export function timesOf(range: string, now: number): TimeRange {
  const known = ranges.find((r) => r.id === range);
  if (known) return known.seconds === 0 ? {} : { from: new Date(now - known.seconds * 1000).toISOString() };
  const [from, to] = range.split("/").map((t) => Date.parse(t));
  if (from === undefined || to === undefined || Number.isNaN(from) || Number.isNaN(to) || to <= from)
    return {};
  return { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
}

/** A range as the URL names it. */
export function rangeOf(from: number, to: number): string {
  return `${new Date(from).toISOString()}/${new Date(to).toISOString()}`;
}

/** A range in words. */
export function rangeName(range: string): string {
  const known = ranges.find((r) => r.id === range);
  if (known) return known.name;
  const t = timesOf(range, 0);
  if (!t.from || !t.to) return "All time";
  const [a, b] = [t.from.slice(0, 19).replace("T", " "), t.to.slice(0, 19).replace("T", " ")];
  return a.slice(0, 10) === b.slice(0, 10) ? `${a} – ${b.slice(11)}` : `${a} – ${b}`;
}

/** What the cursor of a query bar is in the middle of: a field to complete, or nothing. */
export function completing(text: string, caret: number): { start: number; prefix: string } | null {
  const start = text.slice(0, caret).search(/[^\s()"]*$/);
  const prefix = text.slice(start, caret).replace(/^-/, "");
  if (prefix === "" || prefix.includes(":") || text.startsWith("cel:")) return null;
  return { start: caret - prefix.length, prefix };
}
