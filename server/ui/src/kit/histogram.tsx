import { type PointerEvent, useRef, useState } from "react";
import type { Bucket } from "../api/types";
import { count, short, when } from "../lib/format";
import { axis, bars, seriesOf, type Bar } from "../lib/histogram";
import { Text } from "./text";

interface HistogramProps {
  buckets: Bucket[];
  /** Seconds of a bucket. */
  step: number;
  from: string;
  to: string;
  total: number;
  brush: (from: number, to: number) => void;
  /** Narrows to one series. */
  only?: (name: string) => void;
}

const height = 96;

/** Counts over time, stacked. Dragging over it zooms into that range. */
export function Histogram({ buckets, step, from, to, total, brush, only }: HistogramProps) {
  const box = useRef<SVGSVGElement>(null);
  const [drag, setDrag] = useState<{ a: number; b: number } | null>(null);
  const [over, setOver] = useState<Bar | null>(null);
  const names = seriesOf(buckets);
  const range = axis(from, to, step);
  const all = bars(buckets, range, names);
  const top = Math.max(1, ...buckets.map((b) => b.count));
  const share = (e: PointerEvent) => {
    const r = box.current?.getBoundingClientRect();
    return r ? Math.max(0, Math.min(1, (e.clientX - r.left) / r.width)) : 0;
  };
  const timeAt = (x: number) => range.from + x * (range.to - range.from);
  const down = (e: PointerEvent<SVGSVGElement>) => {
    e.currentTarget.setPointerCapture(e.pointerId);
    setDrag({ a: share(e), b: share(e) });
  };
  const move = (e: PointerEvent) => {
    const x = share(e);
    if (drag) setDrag({ ...drag, b: x });
    setOver(all.find((b) => x >= b.x && x < b.x + b.width) ?? null);
  };
  const up = () => {
    if (drag && Math.abs(drag.b - drag.a) > 0.005) {
      const [a, b] = [Math.min(drag.a, drag.b), Math.max(drag.a, drag.b)];
      // To the edges of buckets, so that no bar is cut in two.
      const snap = step * 1000;
      brush(Math.floor(timeAt(a) / snap) * snap, Math.ceil(timeAt(b) / snap) * snap);
    }
    setDrag(null);
  };
  return (
    <figure className="histogram">
      <figcaption>
        <b>{count(total)}</b> events
        <span className="dim">{over ? `${when(over.time)} UTC: ${count(over.count)}` : "drag to zoom"}</span>
        <span className="legend">
          {names.map((n, i) => (
            <button key={n} className="ghost" disabled={!only || n === "other"} onClick={() => only?.(n)}>
              <span className={`swatch series-${i}`} aria-hidden />
              <Text of={n || "none"} max={30} />
            </button>
          ))}
        </span>
      </figcaption>
      <svg
        ref={box}
        viewBox={`0 0 1000 ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${count(total)} events over time, at most ${count(top)} in one bar`}
        data-sum={buckets.reduce((n, b) => n + b.count, 0)}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerLeave={() => setOver(null)}
      >
        {[0.25, 0.5, 0.75].map((y) => (
          <line key={y} className="grid-line" x1="0" x2="1000" y1={y * height} y2={y * height} />
        ))}
        {all.map((b) => (
          <g key={b.time} className={b === over ? "is-over" : undefined}>
            {b.parts.map((p) => (
              <rect
                key={p.series}
                className={`series-${p.series}`}
                x={b.x * 1000 + 0.5}
                width={Math.max(1, b.width * 1000 - 1)}
                y={height - (p.to / top) * (height - 4)}
                height={Math.max(p.from === 0 ? 1.5 : 0, ((p.to - p.from) / top) * (height - 4))}
              />
            ))}
          </g>
        ))}
        {drag ? (
          <rect
            className="brush"
            x={Math.min(drag.a, drag.b) * 1000}
            width={Math.abs(drag.b - drag.a) * 1000}
            y="0"
            height={height}
          />
        ) : null}
      </svg>
      <div className="axis mono dim" aria-hidden>
        <span>{when(new Date(range.from).toISOString())}</span>
        <span>{short(top)} a bar at most</span>
        <span>{when(new Date(range.to).toISOString())}</span>
      </div>
    </figure>
  );
}
