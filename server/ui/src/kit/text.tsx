import { cut, parts, visible } from "../lib/format";

/**
 * The one way a value from outside gets on screen: as text, with the characters that
 * would hide or reorder it made visible.
 */
export function Text({ of, max }: { of: string | undefined; max?: number }) {
  const whole = of ?? "";
  const short = max !== undefined && whole.length > max ? cut(whole, max) : undefined;
  const shown = parts(short ?? whole);
  const body = shown.map((p, i) =>
    p.hidden ? (
      <span key={i} className="hidden-char" title={`hidden character U+${p.text.toUpperCase()}`}>
        {p.text}
      </span>
    ) : (
      p.text
    ),
  );
  return short !== undefined ? <span title={visible(cut(whole, 2000))}>{body}…</span> : <>{body}</>;
}
