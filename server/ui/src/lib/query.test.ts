import { describe, expect, it } from "vitest";
import { completing, filterIn, filterOut, rangeName, rangeOf, term, timesOf, withTerm } from "./query";

describe("terms", () => {
  it("quotes values", () => {
    expect(term("user.name", "j doe")).toBe('user.name:"j doe"');
    expect(term("file.path", "C:\\a*b")).toBe('file.path:"C:\\a*b"');
  });

  it("makes a pattern of what cannot be quoted", () => {
    expect(term("message", 'say "hi" (now)')).toBe("message:say??hi???now?");
  });

  it("adds to a query once", () => {
    expect(filterIn("", "host.name", "a")).toBe('host.name:"a"');
    expect(filterIn("x", "host.name", "a")).toBe('x host.name:"a"');
    expect(filterIn('x host.name:"a"', "host.name", "a")).toBe('x host.name:"a"');
    expect(filterOut("x", "host.name", "a")).toBe('x -host.name:"a"');
  });

  it("keeps the meaning of a query with OR", () => {
    expect(withTerm("a OR b", "c")).toBe("(a OR b) c");
    expect(withTerm("(a OR b) d", "c")).toBe("(a OR b) d c");
    expect(withTerm('"this OR that"', "c")).toBe('"this OR that" c');
  });

  it("replaces an expression, which a term cannot be added to", () => {
    expect(withTerm("cel: true", "c")).toBe("c");
  });
});

describe("time ranges", () => {
  const now = Date.parse("2026-11-26T12:00:00Z");

  it("reads what it writes", () => {
    const r = rangeOf(now - 1000, now);
    expect(timesOf(r, now)).toEqual({ from: "2026-11-26T11:59:59.000Z", to: "2026-11-26T12:00:00.000Z" });
    expect(rangeName(r)).toBe("2026-11-26 11:59:59 – 12:00:00");
  });

  it("knows names, and takes nonsense for everything", () => {
    expect(timesOf("1h", now)).toEqual({ from: "2026-11-26T11:00:00.000Z" });
    expect(timesOf("all", now)).toEqual({});
    expect(timesOf("x/y", now)).toEqual({});
    expect(timesOf("2026-01-02/2026-01-01", now)).toEqual({});
    expect(rangeName("nonsense")).toBe("All time");
  });
});

describe("completion", () => {
  it("finds the field, the value or the stage that is being written", () => {
    expect(completing("a sour", 6)).toMatchObject({ start: 2, prefix: "sour", what: "field" });
    expect(completing("-sour", 5)).toMatchObject({ start: 1, prefix: "sour", what: "field" });
    expect(completing("(host", 5)).toMatchObject({ start: 1, prefix: "host" });
    expect(completing("host.name:a", 11)).toEqual({
      start: 10,
      prefix: "a",
      what: "value",
      field: "host.name",
    });
    expect(completing('x host.name:"a b', 16)).toEqual({
      start: 12,
      prefix: "a b",
      what: "value",
      field: "host.name",
    });
    expect(completing("a | to", 6)).toMatchObject({ start: 4, prefix: "to", what: "stage" });
    expect(completing("a | stats count() by us", 23)).toMatchObject({ prefix: "us", what: "field" });
  });

  it("offers nothing in expressions, SQL, phrases and blanks", () => {
    expect(completing("cel: e.ho", 9)).toBeNull();
    expect(completing("sql: SEL", 8)).toBeNull();
    expect(completing('"a phr', 6)).toBeNull();
    expect(completing("a ", 2)).toBeNull();
  });
});
