import type { TimelineEntry } from "../api/types";
import { clip, plural, span, visible, when, words } from "../lib/format";
import { lanes } from "../lib/lanes";

const laneHeight = 22;

/** A timeline as a picture: a lane for each kind, pauses collapsed and told. */
export function SwimLanes({ of }: { of: TimelineEntry[] }) {
  const l = lanes(of);
  if (l.marks.length < 2) return null;
  const height = l.names.length * laneHeight;
  const first = l.marks[0]?.entry.time;
  const last = l.marks.at(-1)?.entry.time;
  return (
    <figure className="lanes">
      <div className="lanes-names" aria-hidden>
        {l.names.map((n) => (
          <span key={n}>{words(n)}</span>
        ))}
      </div>
      <div className="lanes-box">
        <svg
          viewBox={`0 0 1000 ${height}`}
          preserveAspectRatio="none"
          height={height}
          role="img"
          aria-label={`${plural(l.marks.length, "entry", "entries")} in ${plural(l.names.length, "lane")}, ${plural(l.gaps.length, "pause")} collapsed`}
        >
          {l.names.map((n, i) => (
            <line
              key={n}
              className="grid-line"
              x1="0"
              x2="1000"
              y1={(i + 0.5) * laneHeight}
              y2={(i + 0.5) * laneHeight}
            />
          ))}
          {l.gaps.map((g, i) => (
            <line key={i} className="lanes-gap" x1={10 + g.x * 980} x2={10 + g.x * 980} y1="0" y2={height}>
              <title>{span(g.seconds)} of nothing</title>
            </line>
          ))}
        </svg>
        {l.marks.map((m, i) => (
          <span
            key={i}
            className={`lanes-mark kind-${m.entry.kind}`}
            style={{ left: `${1 + m.x * 98}%`, top: (m.lane + 0.5) * laneHeight }}
            title={`${when(m.entry.time)} ${words(m.entry.kind)}: ${clip(visible(m.entry.text), 200)}`}
          />
        ))}
      </div>
      <figcaption className="axis mono dim">
        <span>{when(first)}</span>
        {l.gaps.length > 0 ? <span>{plural(l.gaps.length, "pause")} collapsed</span> : null}
        <span>{when(last)}</span>
      </figcaption>
    </figure>
  );
}
