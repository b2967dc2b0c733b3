// How a rule document is read for colouring and completion: YAML around expressions. The
// server judges what is right (POST /rules/check); this only looks at words.
import type { Word } from "../api/types";

/** The part of CodeMirror's StringStream that is needed here. */
export interface Stream {
  eatSpace(): boolean;
  match(pattern: RegExp): unknown;
  next(): unknown;
}

const operators = /^(?:&&|\|\||==|!=|<=|>=|[<>!+\-*/%?:])/;

/** The kind of the next token: a tag of CodeMirror's highlighter, or null. */
export function token(s: Stream): string | null {
  if (s.eatSpace()) return null;
  if (s.match(/^#.*/)) return "comment";
  if (s.match(/^- /)) return "punctuation";
  if (s.match(/^[A-Za-z_][\w.]*(?=:(?:\s|$))/)) return "propertyName";
  if (s.match(/^:(?=\s|$)/)) return "punctuation";
  if (s.match(/^(?:[|>][-+]?)$/)) return "punctuation";
  if (s.match(/^r?"(?:[^"\\]|\\.)*"?/) || s.match(/^r?'(?:[^'\\]|\\.)*'?/)) return "string";
  if (s.match(/^e(?:\.[a-z_]\w*(?![\w(]))+/)) return "variableName";
  if (s.match(/^(?:true|false|null)\b/)) return "bool";
  if (s.match(/^(?:in|has|all|exists|exists_one|filter|map)\b/)) return "keyword";
  if (s.match(/^\.?[a-zA-Z_]\w*(?=\()/)) return "function";
  if (s.match(/^T(?:A)?\d{4}(?:\.\d{3})?\b/)) return "atom";
  if (s.match(/^\d+(?:\.\d+)?(?:ms|s|m|h|d)?\b/)) return "number";
  if (s.match(operators)) return "operator";
  if (s.match(/^[\w-]+/)) return null;
  s.next();
  return null;
}

/** What can stand where the text before the caret ends. */
export function offered(before: string, words: Word[]): { from: number; words: Word[] } | null {
  const line = before.slice(before.lastIndexOf("\n") + 1);
  const part = /[A-Za-z_][\w.]*$/.exec(line)?.[0] ?? "";
  if (part === "") return null;
  const from = before.length - part.length;
  if (/^\s*[A-Za-z_][\w]*$/.test(line)) {
    const keys = words.filter((w) => w.kind === "key" && w.name.startsWith(part));
    const found = line.trimStart() === line ? keys : [];
    if (found.length > 0) return { from, words: found };
  }
  const method = part.lastIndexOf(".");
  const names = words.filter((w) => w.kind === "field" && w.name.startsWith(part));
  const called = words.filter(
    (w) => w.kind === "function" && w.name.startsWith(method >= 0 ? part.slice(method + 1) : part),
  );
  if (names.length === 0 && called.length > 0)
    return { from: method >= 0 ? from + method + 1 : from, words: called };
  return names.length + called.length > 0 ? { from, words: [...names, ...called] } : null;
}

/** A problem's place in a text: line and column count from 1, in characters. */
export function placeOf(text: string, line: number, column: number): { from: number; to: number } {
  const lines = text.split("\n");
  const at = Math.min(Math.max(1, line), lines.length) - 1;
  const start = lines.slice(0, at).reduce((n, l) => n + l.length + 1, 0);
  const chars = [...(lines[at] ?? "")];
  const from = start + chars.slice(0, Math.max(0, column - 1)).join("").length;
  const word = /^[\w.]+/.exec(text.slice(from))?.[0].length ?? 0;
  return { from, to: Math.min(from + Math.max(1, word), start + (lines[at] ?? "").length) };
}

/** A rule to start from: it matches what a search asked, when that was an expression. */
export function newRule(query: string): string {
  const cel = /^\s*cel:\s*([\s\S]*)$/.exec(query)?.[1]?.trim();
  const when = cel || 'e.event.outcome == "failure"';
  return `id: my-rule
title: What it finds, in one line
author: me
status: test
severity: medium
dataset: "*"
when: ${JSON.stringify(when)}
entities:
  host: host.name
  user: user.name
tests:
  - name: fires
    match: true
    event: {event.outcome: failure, host.name: web01, user.name: root}
  - name: stays quiet
    match: false
    event: {event.outcome: success, host.name: web01}
`;
}
