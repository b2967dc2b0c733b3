import { describe, expect, it } from "vitest";
import type { Source } from "../api/types";
import { eta, isRunning, progressOf, rateOf } from "./progress";

const now = Date.parse("2026-01-01T00:01:40Z");
const source = (progress?: Partial<Source["progress"]>): Source =>
  ({
    id: "s",
    status: "running",
    objects: 1,
    objects_all: 4,
    rate: 5,
    progress: progress
      ? {
          status: "running",
          size: 0,
          size_all: 0,
          objects: 1,
          objects_all: 2,
          events: 0,
          started: "2026-01-01T00:00:00Z",
          ...progress,
        }
      : undefined,
  }) as Source;

describe("the progress of a source", () => {
  it("goes by bytes, else by objects", () => {
    expect(progressOf(source({ size: 25, size_all: 100 }))).toBe(25);
    expect(progressOf(source({}))).toBe(50);
    expect(progressOf(source())).toBe(25);
  });

  it("tells rate and rest", () => {
    const s = source({ size: 25, size_all: 100, events: 1000 });
    expect(rateOf(s, now)).toBe(10);
    expect(eta(s, now)).toBe("5 min left");
  });

  it("says nothing that it cannot know", () => {
    expect(eta(source({ size: 0, size_all: 100 }), now)).toBe("");
    expect(eta(source(), now)).toBe("");
    expect(eta(source({ size: 100, size_all: 100 }), now)).toBe("");
    const done = source({ status: "completed", events: 1000 });
    expect(isRunning(done)).toBe(false);
    expect(rateOf(done, now)).toBe(0);
  });
});
