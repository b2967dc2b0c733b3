import { AlertOctagon, AlertTriangle, ChevronUp, CircleDot, Info } from "lucide-react";
import { type ReactNode, useCallback, useEffect, useState } from "react";
import { Problem } from "./api";
import { visible } from "./format";
import type { RunStep, Severity } from "./types";

const icons = { critical: AlertOctagon, high: AlertTriangle, medium: ChevronUp, low: CircleDot, informational: Info };

/** A severity by word, icon and colour. */
export function Sev({ s }: { s: Severity }) {
  const Icon = icons[s] ?? Info;
  return <span className={`sev ${s}`}><Icon size={14} aria-hidden />{s}</span>;
}

/** Entities as small labels. */
export function Entities({ of }: { of?: Record<string, string> }) {
  return <>{Object.entries(of ?? {}).map(([k, v]) => <span key={k} className="tag"><span className="dim">{k}</span> {visible(v)}</span>)}</>;
}

export function Failed({ error }: { error: unknown }) {
  if (!error) return null;
  const e = error as Problem;
  return <div className="error" role="alert"><b>{visible(e.message)}</b>{e.hint ? <div className="dim">{visible(e.hint)}</div> : null}</div>;
}

/** A list's body: loading, failed, empty or there. Nothing is called empty before it was asked. */
export function Loaded({ q, empty, children }: { q: { isPending: boolean; error: unknown; data?: unknown }; empty?: ReactNode; children: ReactNode }) {
  if (q.isPending) return <div className="panel empty" role="status">Loading…</div>;
  if (q.error) return <Failed error={q.error} />;
  if (empty) return <div className="panel empty">{empty}</div>;
  return <>{children}</>;
}

export function KV({ of }: { of: [string, ReactNode][] }) {
  return <dl className="kv">{of.map(([k, v]) => [<dt key={`${k}t`}>{k}</dt>, <dd key={`${k}d`}>{v}</dd>])}</dl>;
}

/** The path and query of the page; the URL holds the whole state. */
export function useRoute(): [string[], URLSearchParams, (to: string) => void] {
  const [href, set] = useState(location.pathname + location.search);
  useEffect(() => {
    const on = () => set(location.pathname + location.search);
    addEventListener("popstate", on);
    return () => removeEventListener("popstate", on);
  }, []);
  const go = useCallback((to: string) => { history.pushState(null, "", to); dispatchEvent(new PopStateEvent("popstate")); }, []);
  const url = new URL(href, location.origin);
  return [url.pathname.split("/").filter(Boolean), url.searchParams, go];
}

/** A link within the app. */
export function To({ to, children, ...rest }: { to: string; children: ReactNode } & Record<string, unknown>) {
  return <a {...rest} href={to} onClick={(e) => { if (!e.metaKey && !e.ctrlKey) { e.preventDefault(); history.pushState(null, "", to); dispatchEvent(new PopStateEvent("popstate")); } }}>{children}</a>;
}

/** A run as a graph: steps in layers, with their live state. */
export function Graph({ steps }: { steps: RunStep[] }) {
  const byId = new Map(steps.map((s) => [s.id, s]));
  const layer = new Map<string, number>();
  const visit = (id: string, n: number) => {
    if (n > 40 || (layer.get(id) ?? -1) >= n) return;
    layer.set(id, n);
    for (const next of byId.get(id)?.next ?? []) visit(next, n + 1);
  };
  if (steps[0]) visit(steps.find((s) => s.type === "start")?.id ?? steps[0].id, 0);
  const rows = new Map<number, number>();
  const at = new Map<string, { x: number; y: number }>();
  for (const s of steps) {
    const l = layer.get(s.id);
    if (l === undefined) continue;
    const r = rows.get(l) ?? 0;
    rows.set(l, r + 1);
    at.set(s.id, { x: 8 + l * 178, y: 8 + r * 62 });
  }
  const w = Math.max(...[...at.values()].map((p) => p.x), 0) + 168, h = Math.max(...[...at.values()].map((p) => p.y), 0) + 56;
  return (
    <div className="wrap" tabIndex={0} role="group" aria-label="Steps of the run">
      <svg width={w} height={h} role="img" aria-label={steps.map((s) => `${s.name || s.id}: ${s.status}`).join(", ")}>
        {steps.flatMap((s) => (s.next ?? []).map((n) => {
          const a = at.get(s.id), b = at.get(n);
          return a && b ? <path key={`${s.id}-${n}`} d={`M${a.x + 150} ${a.y + 22} C${a.x + 164} ${a.y + 22} ${b.x - 14} ${b.y + 22} ${b.x} ${b.y + 22}`} fill="none" stroke="var(--line)" strokeWidth="2" /> : null;
        }))}
        {steps.map((s) => {
          const p = at.get(s.id);
          return p ? <g key={s.id} className={`node ${s.status}`} transform={`translate(${p.x} ${p.y})`}><rect width="150" height="44" rx="6" /><text x="8" y="18">{(s.name || s.type).slice(0, 24)}</text><text x="8" y="34" opacity="0.800">{s.status}{s.action ? ` · ${s.action}`.slice(0, 18) : ""}</text></g> : null;
        })}
      </svg>
    </div>
  );
}
