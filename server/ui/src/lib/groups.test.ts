import { describe, expect, it } from "vitest";
import type { Alert, Severity } from "../api/types";
import { group, mainEntity } from "./groups";

const alert = (
  id: string,
  rule: string,
  dedup: string,
  severity: Severity,
  more: Partial<Alert> = {},
): Alert =>
  ({
    id,
    rule,
    dedup_key: dedup,
    severity,
    risk: 10,
    count: 2,
    first_seen: "2026-01-01T00:00:00Z",
    last_seen: "2026-01-01T01:00:00Z",
    ...more,
  }) as Alert;

describe("the queue", () => {
  it("groups by rule and entity, and loses no alert", () => {
    const all = [
      alert("1", "r", "a", "low"),
      alert("2", "r", "b", "low"),
      alert("3", "q", "a", "low"),
      alert("4", "r", "a", "high", { risk: 70, last_seen: "2026-01-02T00:00:00Z" }),
    ];
    const groups = group(all);
    expect(groups.map((g) => g.key)).toEqual(["r|a", "r|b", "q|a"]);
    expect(groups.flatMap((g) => g.alerts).length).toBe(all.length);
    expect(groups[0]).toMatchObject({ severity: "high", risk: 70, events: 4, last: "2026-01-02T00:00:00Z" });
    expect(groups[0]!.head.id).toBe("4");
  });

  it("puts the worst first, then the riskier, then the newer", () => {
    const groups = group([
      alert("old", "a", "x", "high"),
      alert("new", "b", "x", "high", { last_seen: "2026-01-03T00:00:00Z" }),
      alert("risky", "c", "x", "high", { risk: 90 }),
      alert("critical", "d", "x", "critical"),
    ]);
    expect(groups.map((g) => g.head.id)).toEqual(["critical", "risky", "new", "old"]);
  });

  it("falls back to the entity when an alert has no key", () => {
    const a = alert("1", "r", "", "low", { entities: { "source.ip": "10.0.0.1", host: "web01" } });
    expect(mainEntity(a)).toEqual(["host", "web01"]);
    expect(group([a])[0]!.key).toBe("r|host=web01");
  });
});
