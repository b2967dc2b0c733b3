// Builds queries of the server's language (internal/store/query.go).

/**
 * One term that fits exactly a field's value. Quotes cannot be escaped in the language,
 * so a value that holds one becomes a pattern in which ? stands for what cannot be written.
 */
export function term(field: string, value: string): string {
  if (!value.includes('"')) return `${field}:"${value}"`;
  return `${field}:${value.replace(/["\s()]/g, "?")}`;
}

/**
 * Cuts a query at its pipes (internal/store/pipe.go, splitPipe): those outside of quotes
 * and of CEL's ||.
 */
export function splitPipe(query: string): string[] {
  const cel = query.trimStart().startsWith("cel:");
  const parts: string[] = [];
  let [start, quote] = [0, ""];
  for (let i = 0; i < query.length; i++) {
    const c = query[i] ?? "";
    if (quote) {
      if (c === "\\" && cel) i++;
      else if (c === quote) quote = "";
    } else if (c === '"' || (cel && c === "'")) quote = c;
    else if (c === "|" && query[i + 1] === "|") i++;
    else if (c === "|") {
      parts.push(query.slice(start, i).trim());
      start = i + 1;
    }
  }
  return [...parts, query.slice(start).trim()];
}

export const isSQL = (query: string) => query.trimStart().startsWith("sql:");

/** Whether the answer of a query is a table and not events. */
export const isStatistic = (query: string) => isSQL(query) || splitPipe(query).length > 1;

/** Adds a term to what a query asks of events; a query with OR at its top is put in parentheses first. */
export function withTerm(query: string, added: string): string {
  const [events = "", ...stages] = isSQL(query) ? [] : splitPipe(query);
  return [joined(events, added), ...stages].join(" | ");
}

function joined(q: string, added: string): string {
  if (q === "" || q.startsWith("cel:")) return added;
  if (q.split(/\s+/).includes(added) || q.includes(added)) return q;
  return `${hasTopLevelOr(q) ? `(${q})` : q} ${added}`;
}

/** The query with its stages replaced: the same events, told another way. */
export function withStages(query: string, ...stages: string[]): string {
  const events = isSQL(query) ? "" : (splitPipe(query)[0] ?? "");
  return [events, ...stages].join(" | ").trim();
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

/** What the caret of a query bar is in the middle of. */
export interface Completing {
  /** Where the text to replace starts. */
  start: number;
  prefix: string;
  what: "field" | "value" | "stage";
  /** Of a value: its field. */
  field: string;
}

/** What can be completed at the caret, or nothing. */
export function completing(text: string, caret: number): Completing | null {
  const before = text.slice(0, caret);
  if (/^\s*(cel|sql):/.test(text) || (before.split('"').length % 2 === 0 && !/:"[^"]*$/.test(before)))
    return null;
  const stage = /\|\s*([a-z]*)$/.exec(before);
  if (stage)
    return { start: caret - (stage[1] ?? "").length, prefix: stage[1] ?? "", what: "stage", field: "" };
  const value = /(?:^|[\s(-])([a-z][\w.]*):(?:"([^"]*)|([^\s()"[<>*]*))$/i.exec(before);
  if (value) {
    const prefix = value[2] ?? value[3] ?? "";
    const start = caret - prefix.length - (value[2] === undefined ? 0 : 1);
    return { start, prefix, what: "value", field: value[1] ?? "" };
  }
  const field = /[a-z][\w.]*$/i.exec(before)?.[0] ?? "";
  return field === "" ? null : { start: caret - field.length, prefix: field, what: "field", field: "" };
}

/** The stages of the language and an example of each (internal/store/pipe.go). */
export const stages = [
  { name: "stats", example: "stats count(), dc(source.ip) by user.name" },
  { name: "timechart", example: "timechart span=1h count() by event.outcome" },
  { name: "top", example: "top 10 user.name" },
  { name: "rare", example: "rare 10 process.name" },
  { name: "patterns", example: "patterns" },
  { name: "where", example: "where count > 5" },
  { name: "sort", example: "sort -count" },
  { name: "head", example: "head 20" },
] as const;
