import { type Alert, severities, type Severity } from "../api/types";

/** Alerts of one rule about one entity: what a person decides on at once. */
export interface Group {
  key: string;
  alerts: Alert[];
  /** The alert that stands for the group: the worst, newest first. */
  head: Alert;
  severity: Severity;
  risk: number;
  events: number;
  first: string;
  last: string;
}

export function rank(s: Severity): number {
  return severities.indexOf(s);
}

const entityKinds = ["host", "user", "source.ip", "destination.ip", "domain"];

/** The entity that a group is about: the first of the kinds that people know things by. */
export function mainEntity(a: Alert): [string, string] | undefined {
  const all = Object.entries(a.entities ?? {});
  for (const kind of entityKinds) {
    const hit = all.find(([k]) => k === kind || k === `${kind}.name`);
    if (hit) return hit;
  }
  return all[0];
}

function worstFirst(a: Alert, b: Alert): number {
  return rank(a.severity) - rank(b.severity) || b.risk - a.risk || b.last_seen.localeCompare(a.last_seen);
}

/** Groups alerts by (rule, entity). The worst group comes first, then the newest. */
export function group(alerts: Alert[]): Group[] {
  const byKey = new Map<string, Alert[]>();
  for (const a of alerts) {
    const key = `${a.rule}|${a.dedup_key || (mainEntity(a)?.join("=") ?? "")}`;
    const have = byKey.get(key);
    if (have) have.push(a);
    else byKey.set(key, [a]);
  }
  const groups: Group[] = [];
  for (const [key, list] of byKey) {
    const sorted = list.toSorted(worstFirst);
    const head = sorted[0];
    if (!head) continue;
    groups.push({
      key,
      alerts: sorted,
      head,
      severity: head.severity,
      risk: Math.max(...sorted.map((a) => a.risk)),
      events: sorted.reduce((n, a) => n + a.count, 0),
      first: sorted.reduce((t, a) => (a.first_seen < t ? a.first_seen : t), head.first_seen),
      last: sorted.reduce((t, a) => (a.last_seen > t ? a.last_seen : t), head.last_seen),
    });
  }
  return groups.toSorted((a, b) => worstFirst(a.head, b.head));
}
