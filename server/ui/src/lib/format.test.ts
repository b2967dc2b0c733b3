import { describe, expect, it } from "vitest";
import { ago, bytes, clip, isSet, parts, pretty, short, span, until, visible, when } from "./format";

describe("values of attackers", () => {
  it("shows what would hide or reorder text", () => {
    expect(visible("a\u202eb\u0000c\u200b")).toBe("a⟨202e⟩b⟨0000⟩c⟨200b⟩");
    expect(visible("soft\u00adhyphen \u2066iso\u2069")).toBe("soft⟨00ad⟩hyphen ⟨2066⟩iso⟨2069⟩");
    expect(visible("tab\tand\nline stay, Grüße und 日本 too")).toBe(
      "tab\tand\nline stay, Grüße und 日本 too",
    );
  });

  it("cuts text so that no character is lost", () => {
    expect(parts("x\u202ey")).toEqual([
      { text: "x", hidden: false },
      { text: "202e", hidden: true },
      { text: "y", hidden: false },
    ]);
    expect(parts("")).toEqual([]);
    expect(parts("<img src=x onerror=alert(1)>")).toEqual([
      { text: "<img src=x onerror=alert(1)>", hidden: false },
    ]);
  });

  it("shortens, and does not cut a character in two", () => {
    expect(clip("x".repeat(300), 10)).toBe(`${"x".repeat(10)}…`);
    expect(clip("short", 10)).toBe("short");
    expect(clip("😀😀😀", 3)).toBe("😀…");
  });
});

describe("numbers and times", () => {
  it("writes sizes and counts", () => {
    expect(bytes(0)).toBe("0 B");
    expect(bytes(1536)).toBe("1.5 KiB");
    expect(short(9_999)).toBe("9,999");
    expect(short(12_345)).toBe("12.3K");
  });

  it("knows times that were never set", () => {
    expect(isSet("0001-01-01T00:00:00Z")).toBe(false);
    expect(isSet(undefined)).toBe(false);
    expect(when("2026-11-26T10:20:30.5Z")).toBe("2026-11-26 10:20:30");
    expect(when("0001-01-01T00:00:00Z")).toBe("–");
    expect(ago("0001-01-01T00:00:00Z")).toBe("never");
  });

  it("counts down to the second, and says when it is over", () => {
    const now = Date.parse("2026-01-01T00:00:00Z");
    expect(until("2026-01-01T00:01:05Z", now)).toBe("1:05 min");
    expect(until("2026-01-01T02:03:00Z", now)).toBe("2 h 03 min");
    expect(until("2026-01-01T00:00:00Z", now)).toBe("expired");
    expect(span(90)).toBe("90 s");
    expect(span(7_199)).toBe("120 min");
    expect(span(86_400 * 3)).toBe("3 d");
  });

  it("lays out JSON and leaves the rest", () => {
    expect(pretty('{"a":1}')).toBe('{\n  "a": 1\n}');
    expect(pretty("no json")).toBe("no json");
  });
});
