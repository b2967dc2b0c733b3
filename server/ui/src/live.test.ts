import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { clip, until, visible } from "./format";
import { backOff, Live } from "./live";
import type { Note } from "./types";

class Socket {
  static all: Socket[] = [];
  sent: string[] = [];
  onopen: () => void = () => {};
  onclose: () => void = () => {};
  onmessage: (m: { data: string }) => void = () => {};
  constructor() { Socket.all.push(this); }
  send(s: string) { this.sent.push(s); }
  close() { this.onclose(); }
  say(f: object) { this.onmessage({ data: JSON.stringify(f) }); }
}

const note = (offset: string): Note => ({ offset, topic: "alerts", kind: "created", id: offset, data: "{}", time: "" });

describe("live connection", () => {
  beforeEach(() => { vi.useFakeTimers(); Socket.all = []; });
  afterEach(() => { vi.useRealTimers(); });

  it("resumes behind the last offset and drops notes it knows", () => {
    const got: string[] = [], states: boolean[] = [];
    let gaps = 0;
    const live = new Live({ url: "x", topics: ["alerts"], changed: (_, n, gap) => { got.push(...n.map((x) => x.offset)); if (gap) gaps++; }, state: (s) => states.push(s), socket: () => new Socket() as unknown as WebSocket });
    const first = Socket.all[0]!;
    first.onopen();
    expect(JSON.parse(first.sent[0]!)).toEqual({ op: "sub", topic: "alerts", since: "" });
    first.say({ op: "subd", topic: "alerts", offset: "01" });
    first.say({ op: "batch", topic: "alerts", offset: "03", items: [note("02"), note("03")] });
    first.close();
    vi.advanceTimersByTime(10_000);
    const second = Socket.all[1]!;
    second.onopen();
    expect(JSON.parse(second.sent[0]!)).toEqual({ op: "sub", topic: "alerts", since: "03" });
    second.say({ op: "subd", topic: "alerts", offset: "05", gap: true });
    second.say({ op: "batch", topic: "alerts", offset: "05", items: [note("03"), note("05")] });
    expect(got).toEqual(["02", "03", "05"]);
    expect(gaps).toBe(1);
    expect(states).toEqual([true, false, true]);
    live.close();
    vi.advanceTimersByTime(60_000);
    expect(Socket.all.length).toBe(2);
  });

  it("waits longer each time, within bounds", () => {
    expect(backOff(0, 0)).toBe(125);
    expect(backOff(0, 1)).toBe(250);
    expect(backOff(30, 1)).toBe(10_000);
  });
});

describe("values of attackers", () => {
  it("shows what would hide or reorder text", () => {
    expect(visible("a\u202eb\u0000c\u200b")).toBe("a⟨202e⟩b⟨0000⟩c⟨200b⟩");
    expect(visible("tab\tand\nline stay")).toBe("tab\tand\nline stay");
  });
  it("shortens", () => { expect(clip("x".repeat(300), 10)).toBe(`${"x".repeat(10)}…`); });
  it("counts down", () => {
    expect(until("2026-01-01T00:00:30Z", Date.parse("2026-01-01T00:00:00Z"))).toBe("30 s");
    expect(until("2026-01-01T00:00:00Z", Date.parse("2026-01-01T00:00:01Z"))).toBe("expired");
  });
});
