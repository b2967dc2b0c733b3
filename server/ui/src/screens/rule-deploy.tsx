import { useQuery } from "@tanstack/react-query";
import { Rocket } from "lucide-react";
import { useState } from "react";
import { api, Problem } from "../api/client";
import { queries } from "../api/queries";
import type { Deployment } from "../api/types";
import { State } from "../kit/badges";
import { useChange } from "../kit/hooks";
import { Facts, Panel, To } from "../kit/layout";
import { useMay } from "../kit/may";
import { Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { count, figure } from "../lib/format";

/** Puts the rule in force, in the set of now and for every process at once. */
export function RuleDeploy({ yaml, ready }: { yaml: string; ready: boolean }) {
  const may = useMay();
  const [reason, setReason] = useState("");
  const [back, setBack] = useState("0");
  const [asked, setAsked] = useState<{ n: number; yaml: string }>();
  const deploy = useChange<void, unknown>(
    [],
    () => api.deployRule(yaml, reason.trim(), Number(back)),
    () => setAsked({ n: (asked?.n ?? 0) + 1, yaml }),
  );
  if (!may("admin:rules")) return null;
  const can = ready && reason.trim().length > 2 && !deploy.isPending;
  return (
    <Panel title="Put it in force" note="people are asked where policy says so">
      <form
        className="bar deploy"
        onSubmit={(e) => {
          e.preventDefault();
          if (can) deploy.mutate();
        }}
      >
        <input
          className="grow"
          aria-label="Reason of the deployment"
          placeholder="Why, for the audit trail"
          value={reason}
          onChange={(e) => setReason(e.target.value)}
        />
        <label>
          Hunt{" "}
          <select
            aria-label="Stored events that the rule is then asked of"
            value={back}
            onChange={(e) => setBack(e.target.value)}
          >
            <option value="0">nothing</option>
            <option value="1">the last day</option>
            <option value="7">the last 7 days</option>
            <option value="30">the last 30 days</option>
          </select>
        </label>
        <button className="primary" disabled={!can}>
          <Rocket size={14} aria-hidden /> Deploy
        </button>
      </form>
      {asked ? <Deploying n={asked.n} stale={asked.yaml !== yaml} /> : null}
    </Panel>
  );
}

const moving = ["checking", "trying", "awaiting-approval"];

/** Where the deployment stands, asked until it has ended. */
function Deploying({ n, stale }: { n: number; stale: boolean }) {
  const q = useQuery({
    ...queries.deployment(n),
    refetchInterval: ({ state: { data, error } }) =>
      error instanceof Problem || (data && !moving.includes(data.status)) ? false : 700,
  });
  return (
    <Loaded q={q} rows={2}>
      {(d: Deployment) => (
        <div className="deployment" role="status">
          {stale ? <p className="dim">The rule was changed since.</p> : null}
          <Facts
            of={[
              ["State", <State of={d.status} />],
              ["Rules", d.report.rules ? count(d.report.rules) : ""],
              ["Alerts a day", d.report.changes?.length ? more(d.report.per_day) : ""],
              [
                "Hunt",
                d.hunt ? (
                  <To to={`/hunts?id=${encodeURIComponent(d.hunt)}`}>what it finds in the past</To>
                ) : (
                  ""
                ),
              ],
              [
                "Approval",
                d.approval ? <To to={`/approvals/${encodeURIComponent(d.approval)}`}>{d.approval}</To> : "",
              ],
            ]}
          />
          <Lines of={d.report.problems} tone="tone-bad" />
          <Lines of={d.report.reasons} tone="tone-warn" />
          <Lines of={d.report.warnings} tone="dim" />
        </div>
      )}
    </Loaded>
  );
}

/** A change of a number. */
const more = (n: number) => `${n < 0 ? "" : "+"}${figure(n)}`;

function Lines({ of, tone }: { of: string[] | null; tone: string }) {
  if (!of?.length) return null;
  return (
    <ul className={`plain ${tone}`}>
      {of.map((line) => (
        <li key={line}>
          <Text of={line} max={400} />
        </li>
      ))}
    </ul>
  );
}
