/** Makes characters visible that would reorder or hide text: values come from attackers. */
export function visible(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, (c) => `⟨${c.charCodeAt(0).toString(16).padStart(4, "0")}⟩`);
}

/** Shortens a long value; the whole of it stays in the title. */
export function clip(text: string, n = 160): string {
  const v = visible(text);
  return v.length > n ? `${v.slice(0, n)}…` : v;
}

export function count(n: number): string { return n.toLocaleString("en-US"); }

export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${i === 0 ? n : n.toFixed(1)} ${units[i]}`;
}

/** A time in UTC, to the second. */
export function when(iso: string): string {
  return iso && !iso.startsWith("0001") ? iso.slice(0, 19).replace("T", " ") : "–";
}

/** How long until a deadline, in words. */
export function until(iso: string, now = Date.now()): string {
  const s = Math.round((Date.parse(iso) - now) / 1000);
  if (s <= 0) return "expired";
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  return `${Math.round(s / 3600)} h`;
}
