import { describe, expect, it } from "vitest";
import { screens } from "../screens";
import { commands, fuzzy, keyOf, match } from "./commands";

const chords = new Map([
  ["a", "/alerts"],
  ["s", "/search"],
]);
const key = (k: string, mods: Partial<{ ctrlKey: boolean; metaKey: boolean; altKey: boolean }> = {}) =>
  keyOf({ key: k, ctrlKey: false, metaKey: false, altKey: false, ...mods });

describe("the key registry", () => {
  it("gives each key one meaning", () => {
    const keys = commands.flatMap((c) => c.keys as readonly string[]);
    expect(keys.length).toBe(new Set(keys).size);
    expect(keys).not.toContain("g");
  });

  it("gives each screen a letter of its own", () => {
    const letters = screens.map((s) => s.key);
    expect(letters.length).toBe(new Set(letters).size);
    expect(letters.every((l) => /^[a-z]$/.test(l))).toBe(true);
  });

  it("decides nothing by a key: approvals only open a dialog", () => {
    for (const c of commands.filter((c) => c.group === "Approvals"))
      expect(c.name).toMatch(/^Open the .* dialog/);
  });
});

describe("matching", () => {
  it("goes to a screen by g and its letter", () => {
    expect(match("g", false, false, chords)).toEqual({ pending: true });
    expect(match("a", true, false, chords)).toEqual({ screen: "/alerts", pending: false });
    expect(match("a", false, false, chords).screen).toBeUndefined();
  });

  it("lets an unknown letter behind g mean what it means alone", () => {
    expect(match("j", true, false, chords)).toEqual({ command: "next", pending: false });
  });

  it("stays out of the way while a person types", () => {
    expect(match("j", false, true, chords)).toEqual({ pending: false });
    expect(match("Escape", false, true, chords).command).toBe("escape");
    expect(match(key("k", { metaKey: true }), false, true, chords).command).toBe("palette");
  });

  it("tells case and modifiers apart", () => {
    expect(match(key("o"), false, false, chords).command).toBe("drawer");
    expect(match(key("O"), false, false, chords).command).toBe("page");
    expect(match(key("j", { ctrlKey: true }), false, false, chords).command).toBeUndefined();
    expect(key("j", { altKey: true })).toBe("");
  });
});

describe("the palette's ranking", () => {
  it("finds letters in order and prefers starts of words", () => {
    expect(fuzzy("zz", "Alerts")).toBeUndefined();
    expect(fuzzy("al", "Alerts")).toBeGreaterThan(fuzzy("al", "Detail of x")!);
    expect(fuzzy("", "Anything")).toBeDefined();
  });
});
