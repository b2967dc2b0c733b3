import { describe, expect, it } from "vitest";
import type { Bucket } from "../api/types";
import { axis, bars, maxSeries, seriesOf } from "./histogram";

const many: Bucket[] = [
  { time: "2026-01-01T00:00:00Z", count: 36, by: { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8 } },
  { time: "2026-01-01T00:05:00Z", count: 3, by: { a: 3 } },
];

describe("the histogram", () => {
  it("draws exactly what was counted, also when series are put together", () => {
    const names = seriesOf(many);
    expect(names.length).toBe(maxSeries);
    expect(names.at(-1)).toBe("other");
    const range = axis("2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z", 300);
    for (const [i, bar] of bars(many, range, names).entries()) {
      expect(bar.parts.at(-1)!.to).toBe(many[i]!.count);
      expect(bar.parts.reduce((n, p) => n + p.to - p.from, 0)).toBe(many[i]!.count);
    }
  });

  it("places bars on the axis", () => {
    const range = axis("2026-01-01T00:01:00Z", "2026-01-01T00:09:00Z", 300);
    expect(range.to - range.from).toBe(600_000);
    const [first, second] = bars(many, range, seriesOf(many));
    expect([first!.x, first!.width, second!.x]).toEqual([0, 0.5, 0.5]);
  });

  it("stands an empty range", () => {
    const range = axis("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", 1);
    expect(range.to).toBeGreaterThan(range.from);
    expect(bars([], range, [])).toEqual([]);
  });
});
