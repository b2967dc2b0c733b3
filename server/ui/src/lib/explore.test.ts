import { describe, expect, it } from "vitest";
import type { Dashboard, Table, Word } from "../api/types";
import { area, bestShow, line, timeSeries } from "./chart";
import { addPanel, idOf, yamlOf } from "./dashboard";
import { entityKind, entityPath } from "./entity";
import { layer } from "./navigator";
import { isStatistic, splitPipe, withStages, withTerm } from "./query";
import { newRule, offered, placeOf, token } from "./rulewords";
import { fresh } from "./tail";

describe("pipes", () => {
  it("are cut outside of quotes and of CEL's or", () => {
    expect(splitPipe('a "b|c" | top 5 x | head')).toEqual(['a "b|c"', "top 5 x", "head"]);
    expect(splitPipe("cel: e.a == 'x|y' || e.b == \"|\" | stats count()")).toEqual([
      "cel: e.a == 'x|y' || e.b == \"|\"",
      "stats count()",
    ]);
    expect(splitPipe("it's | top")).toEqual(["it's", "top"]);
    expect(isStatistic("a || b")).toBe(false);
    expect(isStatistic("sql: SELECT 1")).toBe(true);
  });

  it("stay behind what is added", () => {
    expect(withTerm("a OR b | top 5 x", "c")).toBe("(a OR b) c | top 5 x");
    expect(withTerm("| top 5 x", "c")).toBe("c | top 5 x");
    expect(withTerm("sql: SELECT 1", "c")).toBe("c");
    expect(withStages("a | top 5 x", "patterns")).toBe("a | patterns");
    expect(withStages("a | top 5 x")).toBe("a");
  });
});

const chart: Table = {
  columns: [
    { name: "time", kind: "time" },
    { name: "a", kind: "number" },
    { name: "b", kind: "number" },
  ],
  rows: [
    ["2026-01-01T00:00:00Z", 1, 3],
    ["2026-01-01T01:00:00Z", 4, null],
  ],
  chart: "time",
};

describe("charts", () => {
  it("stack to the sum, and lines to the highest", () => {
    expect(timeSeries(chart, true).top).toBe(4);
    expect(timeSeries(chart, false).series.map((s) => s.values)).toEqual([
      [1, 4],
      [3, 0],
    ]);
    expect(bestShow(chart)).toBe("area");
    expect(line([0, 4], 4, 10, 8)).toBe("M0.0 8.0 L10.0 0.0");
    expect(area([4, 4], [0, 0], 4, 10, 8)).toBe("M0.0 0.0 L10.0 0.0 L10.0 8.0 L0.0 8.0 Z");
    expect(line([2], 4, 10, 8)).toBe("M0 4.0 L10 4.0");
  });
});

describe("dashboards", () => {
  const d: Dashboard = { id: "mine", title: 'My "best": #1', panels: [], origin: "saved", shared: false };

  it("are written so that YAML reads the same", () => {
    const text = addPanel(d, { title: "a: b", query: 'x:"y" | top 5 z', show: "bar", width: 2 }).yaml;
    expect(text).toContain('title: "My \\"best\\": #1"');
    expect(text).toContain('    query: "x:\\"y\\" | top 5 z"');
    expect(yamlOf({ ...d, title: "a\u2028b" })).toContain("\\u2028");
  });

  it("have ids of small letters", () => {
    expect(idOf("  Wer scheitert? Über alles! ")).toBe("wer-scheitert-uber-alles");
    expect(idOf("日本")).toBe("saved-one");
    expect(idOf("x".repeat(100)).length).toBeLessThanOrEqual(60);
  });
});

describe("rules being written", () => {
  const words: Word[] = [
    { name: "severity", kind: "key", detail: "", doc: "" },
    { name: "e.process.command_line", kind: "field", detail: "text", doc: "" },
    { name: "icontains", kind: "function", detail: "", doc: "" },
  ];
  const names = (before: string) => offered(before, words)?.words.map((w) => w.name);

  it("are completed by what fits the place", () => {
    expect(names("id: x\nsev")).toEqual(["severity"]);
    expect(names("when: e.proc")).toEqual(["e.process.command_line"]);
    expect(offered("when: e.message.icon", words)).toMatchObject({
      from: 16,
      words: [{ name: "icontains" }],
    });
    expect(names("when: zzz")).toBeUndefined();
    expect(names("when: ")).toBeUndefined();
  });

  it("have problems at their character, whatever the characters", () => {
    expect(placeOf("a: b\nsevrity: high", 2, 1)).toEqual({ from: 5, to: 12 });
    expect(placeOf("🙂🙂x", 1, 3)).toEqual({ from: 4, to: 5 });
    expect(placeOf("a", 99, 99)).toEqual({ from: 1, to: 1 });
  });

  it("are coloured without ever standing still", () => {
    const text = `when: e.a.icontains(['x', "y"]) && !has(e.b) # no\n  - {T1059.001: 5m} ☃ |`;
    for (const l of text.split("\n")) {
      let at = 0;
      const s = {
        eatSpace: () => {
          const from = at;
          while (l[at] === " ") at++;
          return at > from;
        },
        match: (p: RegExp) => {
          const m = p.exec(l.slice(at));
          if (m) at += m[0].length;
          return m;
        },
        next: () => l[at++],
      };
      while (at < l.length) {
        const from = at;
        token(s);
        expect(at).toBeGreaterThan(from);
      }
    }
  });

  it("start from a search that is an expression", () => {
    expect(newRule("cel: e.user.name == 'root'")).toContain("when: \"e.user.name == 'root'\"");
  });
});

it("a live tail shows each event once", () => {
  const row = (id: string) => ({ id, time: "", source: "", dataset: "", fields: {} });
  expect(fresh([row("a")], [row("b"), row("a"), row("b")]).map((r) => r.id)).toEqual(["b"]);
});

it("entities are reached from the fields that name them", () => {
  expect(entityKind("source.ip")).toBe("ip");
  expect(entityKind("file.path")).toBeUndefined();
  expect(entityPath("user.name", "a/b c")).toBe("/entities/user:a%2Fb%20c");
});

it("a Navigator layer holds every technique with its score", () => {
  const l = JSON.parse(
    layer([
      { id: "T1059.001", state: "covered", rules: ["x"] },
      { id: "T1003", state: "not-covered" },
    ]),
  );
  expect(l.techniques.map((t: { score: number }) => t.score)).toEqual([100, 0]);
  expect(l.versions.layer).toBe("4.5");
});
