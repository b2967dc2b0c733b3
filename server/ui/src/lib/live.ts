import { type Frame, type Note, type Reply, subprotocol, type Topic } from "../api/schema.gen";

/** What the client knows of the stream: the last offset of each topic, and the notes it has seen. */
export interface Cursor {
  last: ReadonlyMap<string, string>;
  seen: ReadonlySet<string>;
}

export const start: Cursor = { last: new Map(), seen: new Set() };

const remember = 10_000;

/**
 * Takes one frame: the new cursor, the notes that are new, and whether more was missed
 * than the notes tell. Pure, so that resuming can be tested without a socket.
 */
export function take(c: Cursor, f: Reply): { cursor: Cursor; fresh: Note[]; gap: boolean } {
  if (!f.topic) return { cursor: c, fresh: [], gap: false };
  const last = new Map(c.last);
  if (f.offset && f.offset > (last.get(f.topic) ?? "")) last.set(f.topic, f.offset);
  if (f.op === "subd") return { cursor: { ...c, last }, fresh: [], gap: f.gap === true };
  const items = f.data ? [f.data] : (f.items ?? []);
  const fresh = items.filter((n) => !c.seen.has(n.offset));
  const seen = [...c.seen, ...fresh.map((n) => n.offset)];
  return { cursor: { last, seen: new Set(seen.slice(-remember)) }, fresh, gap: (f.dropped ?? 0) > 0 };
}

/** The wait before the nth attempt: doubling from 0.25 s to 10 s, half of it random. */
export function backOff(attempt: number, random = Math.random()): number {
  const top = Math.min(250 * 2 ** attempt, 10_000);
  return top / 2 + (top / 2) * random;
}

/** Why the server closed (server/live.go). */
const signIn = 4001;
const restart = 1012;

/** When a server restarts, all its clients come back at once: over how long they spread. */
const spread = 2_000;

/** The wait before the next attempt, or null when there is none. */
export function wait(code: number, attempt: number, random = Math.random()): number | null {
  if (code === signIn) return null;
  return code === restart ? random * spread : backOff(attempt, random);
}

export interface LiveOptions {
  url: string;
  topics: Topic[];
  /** The offset that came with the session: from there on nothing may be missed. */
  since: string;
  /** Something of the topic changed; gap: more than the notes tell. */
  changed: (topic: Topic, notes: Note[], gap: boolean) => void;
  state: (connected: boolean) => void;
  /** The session has ended. */
  ended: () => void;
  socket?: (url: string, protocol: string) => WebSocket;
}

/** A live connection that resumes where it was cut. */
export class Live {
  private ws?: WebSocket;
  private cursor = start;
  private attempt = 0;
  private closed = false;
  private timer?: ReturnType<typeof setTimeout>;

  constructor(private readonly o: LiveOptions) {
    this.open();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.ws?.close();
  }

  private open() {
    const make = this.o.socket ?? ((url, protocol) => new WebSocket(url, protocol));
    const ws = make(this.o.url, subprotocol);
    this.ws = ws;
    ws.onopen = () => {
      this.attempt = 0;
      this.o.state(true);
      for (const topic of this.o.topics) {
        const sub: Frame = { op: "sub", topic, since: this.cursor.last.get(topic) ?? this.o.since };
        ws.send(JSON.stringify(sub));
      }
    };
    ws.onmessage = (m) => this.frame(JSON.parse(String(m.data)) as Reply);
    ws.onclose = (e) => {
      if (this.closed) return;
      this.o.state(false);
      const ms = wait(e.code, this.attempt++);
      if (ms === null) this.o.ended();
      else this.timer = setTimeout(() => this.open(), ms);
    };
  }

  private frame(f: Reply) {
    const { cursor, fresh, gap } = take(this.cursor, f);
    this.cursor = cursor;
    if (f.topic && (gap || fresh.length > 0)) this.o.changed(f.topic as Topic, fresh, gap);
  }
}
