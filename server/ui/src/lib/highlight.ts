// Colours YAML and JSON by cutting them into tokens; the tokens become elements, never HTML.

export interface Token {
  text: string;
  kind: "key" | "string" | "number" | "comment" | "punctuation" | "plain";
}

const json = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)|([{}[\],])/g;

export function jsonTokens(text: string): Token[] {
  const out: Token[] = [];
  let from = 0;
  const plain = (to: number) => {
    if (to > from) out.push({ text: text.slice(from, to), kind: "plain" });
  };
  for (const m of text.matchAll(json)) {
    plain(m.index);
    const [whole, quoted, colon, number] = m;
    if (quoted !== undefined) {
      out.push({ text: quoted, kind: colon === undefined ? "string" : "key" });
      if (colon !== undefined) out.push({ text: colon, kind: "punctuation" });
    } else out.push({ text: whole, kind: number === undefined ? "punctuation" : "number" });
    from = m.index + whole.length;
  }
  plain(text.length);
  return out;
}

const line = /^(\s*(?:- )?)([A-Za-z_][\w.-]*)(:)(?=\s|$)(.*)$/;
const scalar = /("[^"]*"|'[^']*')|(#.*$)|\b(\d+(?:\.\d+)?|true|false|null)\b/g;

function scalars(text: string): Token[] {
  const out: Token[] = [];
  let from = 0;
  for (const m of text.matchAll(scalar)) {
    if (m[2] !== undefined && m.index > 0 && !/\s/.test(text[m.index - 1] ?? " ")) continue;
    if (m.index > from) out.push({ text: text.slice(from, m.index), kind: "plain" });
    const kind = m[1] !== undefined ? "string" : m[2] !== undefined ? "comment" : "number";
    out.push({ text: m[0], kind });
    from = m.index + m[0].length;
  }
  if (from < text.length) out.push({ text: text.slice(from), kind: "plain" });
  return out;
}

export function yamlTokens(text: string): Token[] {
  const out: Token[] = [];
  const lines = text.split("\n");
  lines.forEach((l, i) => {
    const m = line.exec(l);
    if (m) {
      const [, indent = "", key = "", colon = "", rest = ""] = m;
      out.push(
        { text: indent, kind: "plain" },
        { text: key, kind: "key" },
        { text: colon, kind: "punctuation" },
      );
      out.push(...scalars(rest));
    } else out.push(...scalars(l));
    if (i < lines.length - 1) out.push({ text: "\n", kind: "plain" });
  });
  return out.filter((t) => t.text !== "");
}
