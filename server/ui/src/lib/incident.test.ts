import { describe, expect, it } from "vitest";
import type { Alert, TimelineEntry } from "../api/types";
import { entityGraph } from "./entitygraph";
import { lanes } from "./lanes";

const entry = (time: string, kind: string): TimelineEntry => ({
  time: `2026-01-01T${time}Z`,
  kind,
  by: "x",
  text: "",
});

describe("lanes", () => {
  it("collapse long pauses and keep the order of what is near", () => {
    const l = lanes([entry("20:00:00", "comment"), entry("00:00:00", "alert"), entry("00:01:00", "action")]);
    expect(l.names).toEqual(["alert", "action", "comment"]);
    expect(l.marks.map((m) => m.x)).toEqual([0, 0.5, 1]);
    expect(l.gaps).toEqual([{ x: 0.75, seconds: 19 * 3600 + 59 * 60 }]);
  });

  it("stand still on a single moment", () => {
    expect(lanes([entry("00:00:00", "alert")]).marks[0]?.x).toBe(0);
    expect(lanes([]).marks).toEqual([]);
  });
});

it("an entity graph ties rules to what their alerts name, and no more than it can show", () => {
  const alert = (rule: string, entities: Record<string, string>) =>
    ({ rule, title: rule, severity: "high", entities }) as unknown as Alert;
  const g = entityGraph([
    alert("a", { host: "h", user: "u" }),
    alert("b", { host: "h" }),
    alert("a", { host: "h" }),
  ]);
  expect(g.rules.map((r) => [r.name, r.alerts])).toEqual([
    ["a", 2],
    ["b", 1],
  ]);
  expect(g.entities.map((e) => [e.field, e.name, e.weight])).toEqual([
    ["host.name", "h", 3],
    ["user.name", "u", 1],
  ]);
  expect(g.edges).toHaveLength(3);
  const many = Array.from({ length: 300 }, (_, i) => alert("r", { user: `u${i}` }));
  expect(entityGraph(many).entities).toHaveLength(100);
});
