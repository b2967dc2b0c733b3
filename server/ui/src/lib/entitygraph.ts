// Who is part of an incident and which rules tie them together: rules on the left, the
// entities they name on the right.
import type { Alert } from "../api/types";

export interface GraphNode {
  id: string;
  kind: string;
  name: string;
  y: number;
}

export interface EntityGraph {
  rules: (GraphNode & { severity: Alert["severity"]; alerts: number })[];
  entities: (GraphNode & { field: string; weight: number })[];
  edges: { from: string; to: string; alerts: number }[];
  height: number;
}

/** More would be unreadable; the list below has all. */
const most = 100;
export const rowHeight = 30;

const fields: Record<string, string> = { host: "host.name", user: "user.name", domain: "dns.question.name" };

export function entityGraph(alerts: Alert[]): EntityGraph {
  const rules = new Map<string, EntityGraph["rules"][number]>();
  const entities = new Map<string, EntityGraph["entities"][number]>();
  const edges = new Map<string, EntityGraph["edges"][number]>();
  for (const a of alerts) {
    const rule = rules.get(a.rule) ?? {
      id: `rule ${a.rule}`,
      kind: "rule",
      name: a.title,
      y: 0,
      severity: a.severity,
      alerts: 0,
    };
    rule.alerts++;
    rules.set(a.rule, rule);
    for (const [kind, value] of Object.entries(a.entities ?? {})) {
      if (!value) continue;
      const id = `${fields[kind] ?? kind} ${value}`;
      const entity = entities.get(id) ?? {
        id,
        kind,
        name: value,
        field: fields[kind] ?? kind,
        y: 0,
        weight: 0,
      };
      entity.weight++;
      entities.set(id, entity);
      const key = `${rule.id} ${id}`;
      const edge = edges.get(key) ?? { from: rule.id, to: id, alerts: 0 };
      edge.alerts++;
      edges.set(key, edge);
    }
  }
  const left = [...rules.values()].slice(0, most);
  const right = [...entities.values()]
    .toSorted((a, b) => b.weight - a.weight || a.id.localeCompare(b.id))
    .slice(0, most);
  const height = Math.max(left.length, right.length) * rowHeight;
  const place = (list: GraphNode[]) => list.forEach((n, i) => (n.y = (height / list.length) * (i + 0.5)));
  place(left);
  place(right);
  const known = new Set([...left, ...right].map((n) => n.id));
  return {
    rules: left,
    entities: right,
    edges: [...edges.values()].filter((e) => known.has(e.from) && known.has(e.to)),
    height,
  };
}
