import { describe, expect, it } from "vitest";
import { params, problemOf } from "./client";
import { staleBy } from "./queries";
import { changed } from "../lib/router";

describe("answers", () => {
  it("reads problems, validation errors and what is no JSON", () => {
    expect(problemOf(409, "Conflict", '{"detail":"taken","hint":"choose another"}')).toMatchObject({
      status: 409,
      message: "taken",
      hint: "choose another",
    });
    expect(problemOf(422, "", '{"detail":"invalid","errors":[{"message":"a"},{"message":"b"}]}').hint).toBe(
      "a; b",
    );
    expect(problemOf(502, "Bad Gateway", "<html>").message).toBe("<html>");
    expect(problemOf(502, "Bad Gateway", "").message).toBe("Bad Gateway");
    expect(problemOf(500, "Error", "null").message).toBe("null");
  });
});

describe("addresses", () => {
  it("leaves out what is empty and escapes the rest", () => {
    expect(params({})).toBe("");
    expect(params({ a: "", b: undefined, c: 0, d: "x&y" })).toBe("?c=0&d=x%26y");
  });

  it("changes parameters and keeps the others", () => {
    expect(changed("http://h/search?q=a&t=1h", { t: "", e: "5" })).toBe("/search?q=a&e=5");
  });
});

describe("live topics", () => {
  it("refresh what shows them", () => {
    expect(staleBy.alerts).toContain("home");
    expect(staleBy.approvals).toContain("incidents");
  });
});
