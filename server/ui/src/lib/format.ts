const hidden = new RegExp(
  [
    "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad]", // controls, soft hyphen
    "[\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f]", // marks, separators, bidi
    "[\\ufe00-\\ufe0f\\ufeff\\ufff9-\\ufffb]", // variation selectors, byte order mark, interlinear
  ].join("|"),
  "g",
);

/** Makes characters visible that would reorder or hide text: values come from attackers. */
export function visible(text: string): string {
  return text.replace(hidden, (c) => `⟨${c.charCodeAt(0).toString(16).padStart(4, "0")}⟩`);
}

/** Cuts text into plain parts and hidden characters, each to be shown its own way. */
export function parts(text: string): { text: string; hidden: boolean }[] {
  const out: { text: string; hidden: boolean }[] = [];
  let from = 0;
  for (const m of text.matchAll(hidden)) {
    if (m.index > from) out.push({ text: text.slice(from, m.index), hidden: false });
    out.push({ text: m[0].charCodeAt(0).toString(16).padStart(4, "0"), hidden: true });
    from = m.index + m[0].length;
  }
  if (from < text.length) out.push({ text: text.slice(from), hidden: false });
  return out;
}

/** The first n units of a text, without cutting a character in two. */
export function cut(text: string, n: number): string {
  return text.slice(0, n).replace(/[\ud800-\udbff]$/, "");
}

/** Shortens a long value. */
export function clip(text: string, n = 160): string {
  return text.length <= n ? text : `${cut(text, n)}…`;
}

export function count(n: number): string {
  return n.toLocaleString("en-US");
}

/** A count in few characters: 1,234 → 1.2k. */
export function short(n: number): string {
  return n < 10_000
    ? count(n)
    : new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 }).format(n);
}

export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${i === 0 ? n : n.toFixed(1)} ${units[i]}`;
}

export function percent(part: number, whole: number): number {
  return whole > 0 ? Math.min(100, (100 * part) / whole) : 0;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** Whether a time was ever set: Go's zero time is the year 1. */
export function isSet(iso: string | undefined): iso is string {
  return !!iso && !iso.startsWith("0001") && !iso.startsWith("1970-01-01T00:00:00Z");
}

/** A time in UTC, to the second. */
export function when(iso: string | undefined): string {
  return isSet(iso) ? iso.slice(0, 19).replace("T", " ") : "–";
}

/** A length of time in its largest fitting unit. */
export function span(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86_400)} d`;
}

/** How long ago, in words. */
export function ago(iso: string | undefined, now = Date.now()): string {
  return isSet(iso) ? `${span((now - Date.parse(iso)) / 1000)} ago` : "never";
}

/** A countdown to a deadline, to the second when it is near. */
export function until(iso: string, now = Date.now()): string {
  const s = Math.ceil((Date.parse(iso) - now) / 1000);
  if (s <= 0) return "expired";
  const [h, m, sec] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60), s % 60];
  if (h >= 48) return span(s);
  if (h > 0) return `${h} h ${String(m).padStart(2, "0")} min`;
  return `${m}:${String(sec).padStart(2, "0")} min`;
}

/** JSON laid out for reading; what is no JSON stays as it is. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** An identifier as words: event.outcome stays, true_positive reads "true positive". */
export function words(id: string): string {
  return id.replaceAll("_", " ").replaceAll("-", " ");
}

/** A number to at most four digits behind the point. */
export function figure(n: number | undefined): string {
  return n === undefined ? "–" : n.toLocaleString("en-US", { maximumFractionDigits: 4 });
}
