import type { Alert } from "../api/types";
import { entityGraph, rowHeight } from "../lib/entitygraph";
import { plural } from "../lib/format";
import { Text } from "./text";
import { Value } from "./value";

/** Rules and the entities they name, tied by alerts. The labels are ordinary text and values. */
export function EntityGraph({ alerts }: { alerts: Alert[] }) {
  const g = entityGraph(alerts);
  if (g.entities.length === 0) return null;
  const y = new Map([...g.rules, ...g.entities].map((n) => [n.id, n.y]));
  return (
    <div
      className="entity-graph"
      role="group"
      aria-label={`${plural(g.rules.length, "rule")} and ${plural(g.entities.length, "entity", "entities")}`}
    >
      <ul className="plain" style={{ height: g.height }}>
        {g.rules.map((r) => (
          <li key={r.id} className={`edge-${r.severity}`} style={{ top: r.y - rowHeight / 2 }}>
            <span className="clamp">
              <Text of={r.name} max={80} />
            </span>
            <span className="dim">×{r.alerts}</span>
          </li>
        ))}
      </ul>
      <svg viewBox={`0 0 100 ${g.height}`} height={g.height} preserveAspectRatio="none" aria-hidden>
        {g.edges.map((e) => {
          const [a, b] = [y.get(e.from) ?? 0, y.get(e.to) ?? 0];
          return (
            <path
              key={`${e.from} ${e.to}`}
              d={`M0 ${a} C50 ${a} 50 ${b} 100 ${b}`}
              style={{ strokeWidth: Math.min(5, 1 + Math.log2(e.alerts)) }}
            />
          );
        })}
      </svg>
      <ul className="plain" style={{ height: g.height }}>
        {g.entities.map((n) => (
          <li key={n.id} style={{ top: n.y - rowHeight / 2 }}>
            <span className="dim">{n.kind}</span>
            <span className="clamp">
              <Value field={n.field} of={n.name} max={60} />
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
