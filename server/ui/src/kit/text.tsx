import { parts } from "../lib/format";

/**
 * The one way a value from outside gets on screen: as text, with the characters that
 * would hide or reorder it made visible.
 */
export function Text({ of, max }: { of: string | undefined; max?: number }) {
  const whole = of ?? "";
  const cut = max !== undefined && whole.length > max;
  const shown = parts(cut ? whole.slice(0, max) : whole);
  const body = shown.map((p, i) =>
    p.hidden ? (
      <span key={i} className="hidden-char" title={`hidden character U+${p.text.toUpperCase()}`}>
        {p.text}
      </span>
    ) : (
      p.text
    ),
  );
  return cut ? <span title={whole.slice(0, 2000)}>{body}…</span> : <>{body}</>;
}
