import { describe, expect, it } from "vitest";
import { draw, layers, lines, node } from "./graph";
import { nextOf } from "./playbook";

const steps = [
  { id: "start", next: ["if"] },
  { id: "if", next: ["yes", "no"] },
  { id: "yes", next: ["end"] },
  { id: "no", next: ["more"] },
  { id: "more", next: ["end"] },
  { id: "end" },
];

describe("the drawing of a playbook", () => {
  it("puts a step behind everything that leads to it", () => {
    expect(Object.fromEntries(layers(steps, "start"))).toEqual({
      start: 0,
      if: 1,
      yes: 2,
      no: 2,
      more: 3,
      end: 4,
    });
  });

  it("draws every step once and never one on another", () => {
    const d = draw(steps, "start");
    expect(d.nodes.map((n) => n.step.id).toSorted()).toEqual(steps.map((s) => s.id).toSorted());
    expect(new Set(d.nodes.map((n) => `${n.x},${n.y}`)).size).toBe(steps.length);
    expect(d.edges.length).toBe(6);
    expect(Math.max(...d.nodes.map((n) => n.x + node.width))).toBeLessThanOrEqual(d.width);
    expect(Math.max(...d.nodes.map((n) => n.y + node.height))).toBeLessThanOrEqual(d.height);
  });

  it("ends on loops, unknown steps and nothing", () => {
    const loop = [
      { id: "a", next: ["b"] },
      { id: "b", next: ["a", "gone"] },
    ];
    expect(draw(loop, "a").edges.length).toBe(2);
    expect(draw([], "a").nodes).toEqual([]);
    expect(draw([{ id: "island" }]).nodes.length).toBe(1);
  });

  it("writes long names on two lines", () => {
    expect(lines("start")).toEqual(["start"]);
    expect(lines("Who else talked to the address?")).toEqual(["Who else talked to", "the address?"]);
    expect(lines("a".repeat(30))).toEqual([`${"a".repeat(19)}…`]);
    expect(lines(`${"word ".repeat(20)}`)).toHaveLength(2);
  });

  it("follows every way out of a step once", () => {
    expect(nextOf({ type: "if-condition", on_true: "a", on_false: "b", on_completion: "a" })).toEqual([
      "a",
      "b",
    ]);
    expect(nextOf({ type: "end" })).toEqual([]);
  });
});
