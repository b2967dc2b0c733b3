import { Ban, Check, Circle, CornerDownRight, Hourglass, type LucideIcon, Play, X } from "lucide-react";
import { type KeyboardEvent, useEffect, useRef } from "react";
import { clip, visible, words } from "../lib/format";
import { draw, lines, node, type Placed } from "../lib/graph";

export interface ShownStep {
  id: string;
  name: string;
  type: string;
  action: string;
  /** done, running, waiting, failed, …; "" for a playbook that does not run. */
  status: string;
  next?: string[];
}

const icons: Record<string, LucideIcon> = {
  done: Check,
  running: Play,
  waiting: Hourglass,
  failed: X,
  denied: Ban,
  skipped: CornerDownRight,
  pending: Circle,
};

interface GraphProps {
  steps: ShownStep[];
  start?: string;
  chosen: string;
  choose: (id: string) => void;
  label: string;
}

/** Steps as a graph with their live state. A step is a button: it shows its details. */
export function StepGraph({ steps, start, chosen, choose, label }: GraphProps) {
  const d = draw(steps, start);
  const box = useRef<HTMLDivElement>(null);
  const at = d.nodes.find((n) => n.step.id === chosen)?.x;
  useEffect(() => {
    const width = box.current?.clientWidth ?? 0;
    if (at !== undefined) box.current?.scrollTo({ left: at + node.width / 2 - width / 2 });
  }, [at]);
  return (
    <div ref={box} className="graph" role="group" aria-label={label}>
      <svg width={d.width} height={d.height} viewBox={`0 0 ${d.width} ${d.height}`}>
        {d.edges.map(({ from, to }) => (
          <path
            key={`${from.step.id} ${to.step.id}`}
            className={edgeClass(from.step, to.step)}
            d={curve(from, to)}
          />
        ))}
        {d.nodes.map((n) => (
          <Step key={n.step.id} at={n} chosen={n.step.id === chosen} choose={choose} />
        ))}
      </svg>
    </div>
  );
}

function edgeClass(from: ShownStep, to: ShownStep): string {
  const taken =
    from.status === "done" && to.status !== "pending" && to.status !== "skipped" && to.status !== "";
  return `edge ${taken ? "is-taken" : ""} ${taken && to.status === "running" ? "is-moving" : ""}`;
}

function curve(from: Placed<ShownStep>, to: Placed<ShownStep>): string {
  const [x1, y1] = [from.x + node.width, from.y + node.height / 2];
  const [x2, y2] = [to.x, to.y + node.height / 2];
  const bend = Math.max(24, Math.abs(x2 - x1) / 2);
  return `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

interface StepProps {
  at: Placed<ShownStep>;
  chosen: boolean;
  choose: (id: string) => void;
}

function Step({ at, chosen, choose }: StepProps) {
  const s = at.step;
  const name = lines(visible(s.name || words(s.type)));
  const detail = clip(
    visible([s.status && words(s.status), s.action || words(s.type)].filter(Boolean).join(" · ")),
    23,
  );
  const Icon = icons[s.status];
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key !== "Enter" && e.key !== " ") return;
    e.preventDefault();
    e.stopPropagation();
    choose(s.id);
  };
  return (
    <g
      className={`step step-${s.status || "static"} ${chosen ? "is-chosen" : ""}`}
      transform={`translate(${at.x} ${at.y})`}
      role="button"
      tabIndex={0}
      aria-pressed={chosen}
      onClick={() => choose(s.id)}
      onKeyDown={onKeyDown}
    >
      <rect width={node.width} height={node.height} rx="8">
        {name.join(" ") === s.name ? null : <title>{visible(s.name)}</title>}
      </rect>
      {name.map((line, i) => (
        <text key={i} x="12" y={(name.length === 1 ? 26 : 20) + i * 15} className="step-name">
          {line}
        </text>
      ))}
      <text x="12" y={node.height - 10} className="step-detail">
        {detail}
      </text>
      {Icon ? <Icon className="step-icon" x={node.width - 24} y={9} size={14} aria-hidden /> : null}
    </g>
  );
}
