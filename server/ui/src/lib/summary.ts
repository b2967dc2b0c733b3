import type { SearchRow } from "../api/types";

const fields = [
  "message",
  "process.command_line",
  "url.original",
  "dns.question.name",
  "file.path",
  "event.action",
];

/** Whichever text of an event says most. */
export function summaryOf(r: SearchRow): string {
  const field = fields.find((f) => r.fields[f]);
  return field ? (r.fields[field] ?? "") : "";
}
