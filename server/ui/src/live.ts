import type { Note } from "./types";

/** What a frame of the server looks like (server/live.go). */
interface Frame { op: string; topic?: string; offset?: string; gap?: boolean; items?: Note[]; message?: string }

export interface LiveOptions {
  url: string;
  topics: string[];
  /** Something of the topic changed; gap: more than the notes tell. */
  changed: (topic: string, notes: Note[], gap: boolean) => void;
  state: (connected: boolean) => void;
  socket?: (url: string, protocol: string) => WebSocket;
}

/** The wait before the nth attempt: doubling from 0.25 s to 10 s, half of it random. */
export function backOff(attempt: number, random = Math.random()): number {
  const top = Math.min(250 * 2 ** attempt, 10_000);
  return top / 2 + (top / 2) * random;
}

/** A live connection that resumes where it was cut. */
export class Live {
  private ws?: WebSocket;
  private last = new Map<string, string>();
  private seen = new Set<string>();
  private attempt = 0;
  private closed = false;
  private timer?: ReturnType<typeof setTimeout>;

  constructor(private readonly o: LiveOptions) { this.open(); }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.ws?.close();
  }

  private open() {
    const make = this.o.socket ?? ((u, p) => new WebSocket(u, p));
    const ws = make(this.o.url, "vigil.v1");
    this.ws = ws;
    ws.onopen = () => {
      this.attempt = 0;
      this.o.state(true);
      for (const topic of this.o.topics) ws.send(JSON.stringify({ op: "sub", topic, since: this.last.get(topic) ?? "" }));
    };
    ws.onmessage = (m) => this.take(JSON.parse(String(m.data)) as Frame);
    ws.onclose = () => {
      this.o.state(false);
      if (!this.closed) this.timer = setTimeout(() => this.open(), backOff(this.attempt++));
    };
  }

  private take(f: Frame) {
    if (!f.topic) return;
    const before = this.last.get(f.topic) ?? "";
    if (f.offset && f.offset > before) this.last.set(f.topic, f.offset);
    if (f.op === "subd") {
      if (f.gap) this.o.changed(f.topic, [], true);
      return;
    }
    const fresh = (f.items ?? []).filter((n) => !this.seen.has(n.offset));
    for (const n of fresh) this.seen.add(n.offset);
    if (this.seen.size > 20_000) this.seen = new Set([...this.seen].slice(-10_000));
    if (fresh.length > 0) this.o.changed(f.topic, fresh, false);
  }
}
