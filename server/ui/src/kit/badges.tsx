import {
  AlertOctagon,
  AlertTriangle,
  Ban,
  Check,
  ChevronUp,
  CircleDashed,
  CircleDot,
  Hourglass,
  Info,
  LoaderCircle,
  Pause,
  X,
} from "lucide-react";
import type { Severity } from "../api/types";
import { words } from "../lib/format";

const severityIcons = {
  critical: AlertOctagon,
  high: AlertTriangle,
  medium: ChevronUp,
  low: CircleDot,
  informational: Info,
};

/** A severity by word, icon and colour. */
export function Sev({ s }: { s: Severity }) {
  const Icon = severityIcons[s] ?? Info;
  return (
    <span className={`sev sev-${s}`}>
      <Icon size={14} aria-hidden />
      {s === "informational" ? "info" : s}
    </span>
  );
}

type Tone = "ok" | "bad" | "warn" | "info" | "dim";

const states: Record<string, [Tone, typeof Check]> = {
  open: ["info", CircleDot],
  responding: ["info", LoaderCircle],
  running: ["info", LoaderCircle],
  planning: ["info", LoaderCircle],
  checking: ["info", LoaderCircle],
  trying: ["info", LoaderCircle],
  pending: ["warn", Hourglass],
  waiting: ["warn", Hourglass],
  "awaiting-approval": ["warn", Hourglass],
  paused: ["warn", Pause],
  silent: ["warn", CircleDashed],
  challenger: ["warn", CircleDashed],
  acknowledged: ["ok", Check],
  contained: ["ok", Check],
  completed: ["ok", Check],
  approved: ["ok", Check],
  approve: ["ok", Check],
  deployed: ["ok", Check],
  done: ["ok", Check],
  ok: ["ok", Check],
  met: ["ok", Check],
  active: ["ok", Check],
  enabled: ["ok", Check],
  stable: ["ok", Check],
  champion: ["ok", Check],
  synced: ["ok", Check],
  covered: ["ok", Check],
  present: ["ok", Check],
  unproven: ["warn", CircleDashed],
  stale: ["warn", Hourglass],
  "rolled-back": ["bad", Ban],
  missed: ["bad", X],
  "not-covered": ["bad", X],
  failed: ["bad", X],
  refused: ["bad", Ban],
  denied: ["bad", Ban],
  deny: ["bad", Ban],
  expired: ["bad", Hourglass],
};

/** Where something stands, by word, icon and colour. */
export function State({ of }: { of: string }) {
  const [tone, Icon] = states[of] ?? (["dim", CircleDashed] as const);
  const spins = Icon === LoaderCircle ? "spin" : undefined;
  return (
    <span className={`state tone-${tone}`}>
      <Icon size={13} aria-hidden className={spins} />
      {words(of)}
    </span>
  );
}

/** How much a change risks. */
export function Risk({ of }: { of: string }) {
  const tone: Tone = of === "high" ? "bad" : of === "medium" ? "warn" : "ok";
  return (
    <span className={`state tone-${tone}`}>
      {of === "low" ? <Check size={13} aria-hidden /> : <AlertTriangle size={13} aria-hidden />}
      {of} risk
    </span>
  );
}

/** A score from 0 to 100 as a number and a bar. */
export function Score({ of }: { of: number }) {
  const tone = of >= 80 ? "bad" : of >= 50 ? "warn" : "info";
  return (
    <span className="score">
      <b>{of}</b>
      <span className="score-bar" aria-hidden>
        <span className={`bg-${tone}`} style={{ width: `${Math.min(100, of)}%` }} />
      </span>
    </span>
  );
}

export function Attack({ of }: { of?: string[] | null }) {
  return (
    <>
      {(of ?? []).map((t) => (
        <span key={t} className="tag mono">
          {t}
        </span>
      ))}
    </>
  );
}
