import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Note } from "../api/types";
import { backOff, Live, start, take, wait } from "./live";

const note = (offset: string): Note => ({
  offset,
  org: "main",
  topic: "alerts",
  kind: "created",
  id: offset,
  data: "{}",
  time: "",
});

describe("the cursor of the stream", () => {
  it("keeps the newest offset and passes each note once", () => {
    const a = take(start, { op: "batch", topic: "alerts", offset: "03", items: [note("02"), note("03")] });
    expect(a.fresh.map((n) => n.offset)).toEqual(["02", "03"]);
    const b = take(a.cursor, { op: "batch", topic: "alerts", offset: "02", items: [note("02"), note("04")] });
    expect(b.fresh.map((n) => n.offset)).toEqual(["04"]);
    expect(b.cursor.last.get("alerts")).toBe("03");
  });

  it("tells a gap only when the server does", () => {
    expect(take(start, { op: "subd", topic: "alerts", offset: "09", gap: true }).gap).toBe(true);
    expect(take(start, { op: "subd", topic: "alerts", offset: "09" }).gap).toBe(false);
    expect(take(start, { op: "err", message: "no topic" })).toEqual({ cursor: start, fresh: [], gap: false });
  });

  it("reads the one note of a pub, and tells what a batch leaves out", () => {
    const a = take(start, { op: "pub", topic: "alerts", offset: "02", data: note("02") });
    expect(a.fresh.map((n) => n.offset)).toEqual(["02"]);
    expect(a.gap).toBe(false);
    expect(
      take(a.cursor, { op: "batch", topic: "alerts", offset: "09", items: [note("09")], dropped: 6 }).gap,
    ).toBe(true);
  });

  it("does not grow without bound", () => {
    const items = Array.from({ length: 12_000 }, (_, i) => note(String(i).padStart(6, "0")));
    expect(take(start, { op: "batch", topic: "alerts", items }).cursor.seen.size).toBe(10_000);
  });
});

class Socket {
  static all: Socket[] = [];
  sent: string[] = [];
  onopen: () => void = () => {};
  onclose: (e: { code: number }) => void = () => {};
  onmessage: (m: { data: string }) => void = () => {};
  constructor() {
    Socket.all.push(this);
  }
  send(s: string) {
    this.sent.push(s);
  }
  close(code = 1006) {
    this.onclose({ code });
  }
  say(f: object) {
    this.onmessage({ data: JSON.stringify(f) });
  }
}

describe("the live connection", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    Socket.all = [];
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("resumes behind the last offset after a cut, and stays closed when closed", () => {
    const got: string[] = [];
    const states: boolean[] = [];
    let gaps = 0;
    const live = new Live({
      url: "x",
      topics: ["alerts"],
      since: "00",
      ended: () => {},
      changed: (_, notes, gap) => {
        got.push(...notes.map((n) => n.offset));
        if (gap) gaps++;
      },
      state: (s) => states.push(s),
      socket: () => new Socket() as unknown as WebSocket,
    });
    const first = Socket.all[0]!;
    first.onopen();
    expect(JSON.parse(first.sent[0]!)).toEqual({ op: "sub", topic: "alerts", since: "00" });
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
    expect(states).toEqual([true, false, true]);
  });

  it("stays away when the session has ended", () => {
    let ended = 0;
    new Live({
      url: "x",
      topics: ["alerts"],
      since: "",
      changed: () => {},
      state: () => {},
      ended: () => ended++,
      socket: () => new Socket() as unknown as WebSocket,
    });
    Socket.all[0]!.close(4001);
    vi.advanceTimersByTime(60_000);
    expect(ended).toBe(1);
    expect(Socket.all.length).toBe(1);
  });

  it("spreads over two seconds when a server restarts", () => {
    expect(wait(1012, 0, 0)).toBe(0);
    expect(wait(1012, 0, 1)).toBe(2_000);
    expect(wait(4008, 0, 1)).toBe(250);
    expect(wait(4001, 0, 1)).toBeNull();
  });

  it("waits longer each time, within bounds", () => {
    expect(backOff(0, 0)).toBe(125);
    expect(backOff(0, 1)).toBe(250);
    expect(backOff(30, 1)).toBe(10_000);
  });
});
