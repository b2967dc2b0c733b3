import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { api, params, problemOf, urlOf } from "./client";
import { staleBy } from "./queries";
import { changed } from "../lib/router";

describe("answers", () => {
  it("reads problems and what is no JSON", () => {
    expect(problemOf(409, "Conflict", '{"detail":"taken","hint":"choose another"}')).toMatchObject({
      status: 409,
      message: "taken",
      hint: "choose another",
    });
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

  it("fills in the parameters of a route", () => {
    const path = { id: "a/b c", hash: "h" };
    expect(urlOf("GET /incidents/{id}/files/{hash}", { path })).toBe("/api/v1/incidents/a%2Fb%20c/files/h");
    expect(urlOf("GET /runs", { query: { id: "x&y" } })).toBe("/api/v1/runs?id=x%26y");
  });

  it("changes parameters and keeps the others", () => {
    expect(changed("http://h/search?q=a&t=1h", { t: "", e: "5" })).toBe("/search?q=a&e=5");
  });
});

describe("calls", () => {
  const sent: [string, RequestInit][] = [];
  beforeEach(() => {
    sent.length = 0;
    vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
      sent.push([url, init]);
      return Promise.resolve(new Response('{"updated":1}'));
    });
  });
  afterEach(() => vi.unstubAllGlobals());

  it("send what a route takes, and nothing to one that takes nothing", async () => {
    await api.updateAlerts(["a"], { status: "closed" });
    await api.attach("i", new File(["x"], "a b.txt"));
    await api.logout();
    const [json, file, none] = sent;
    expect(json).toMatchObject([
      "/api/v1/alerts/update",
      {
        method: "POST",
        body: '{"ids":["a"],"status":"closed"}',
        headers: { "Content-Type": "application/json" },
      },
    ]);
    expect(file?.[0]).toBe("/api/v1/incidents/i/files?name=a+b.txt");
    expect(file?.[1].headers).toEqual({ "Content-Type": "application/octet-stream" });
    expect(file?.[1].body).toBeInstanceOf(File);
    expect(none).toMatchObject(["/api/v1/logout", { method: "POST", headers: {} }]);
    expect(none?.[1].body).toBeUndefined();
  });
});

/** What the API does not have must not compile: never run, checked by tsc. */
export function refused() {
  // @ts-expect-error There is no such route.
  urlOf("GET /alert", {});
  // @ts-expect-error The parameter of the path is missing.
  urlOf("GET /alerts/{id}", {});
  // @ts-expect-error There is no such parameter.
  urlOf("GET /alerts", { query: { state: "open" } });
  // @ts-expect-error It takes no query.
  urlOf("GET /alerts/{id}", { path: { id: "x" }, query: { limit: 1 } });
  // @ts-expect-error There is no such word.
  void api.updateAlerts([], { status: "done" });
  // @ts-expect-error There is no such field.
  void api.putUser({ name: "ana", role: "viewer", phone: "1" });
  // @ts-expect-error There is no such field in the answer.
  void api.me().then((me) => me.username);
}

describe("live topics", () => {
  it("refresh what shows them", () => {
    expect(staleBy.alerts).toContain("home");
    expect(staleBy.approvals).toContain("incidents");
  });
});
