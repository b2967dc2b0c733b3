import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { queries } from "../api/queries";
import type { Approval } from "../api/types";
import { Risk, State } from "../kit/badges";
import { useCursor, useNow } from "../kit/hooks";
import { useCommand } from "../kit/keyboard";
import { Choice, Head, To } from "../kit/layout";
import { Empty, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { until, when } from "../lib/format";
import { useRoute } from "../lib/router";
import { ApprovalPage } from "./approval";

const names: Record<string, string> = { pending: "Waiting", review: "To review" };
const statuses = ["pending", "approved", "denied", "expired", "void", "review"].map((id) => ({
  id,
  name: names[id] ?? id[0]?.toUpperCase() + id.slice(1),
}));

export default function Approvals({ id }: { id?: string }) {
  return id ? <ApprovalPage id={id} /> : <Inbox />;
}

function Inbox() {
  const { params, set, go } = useRoute();
  const status = params.get("status") ?? "pending";
  const q = useQuery(queries.approvals(status, 500));
  const [active, setActive] = useState("");
  const rows = (q.data?.items ?? []).toSorted((a, b) =>
    status === "pending" ? a.deadline.localeCompare(b.deadline) : b.created.localeCompare(a.created),
  );
  useCursor(
    rows.map((a) => a.id),
    active,
    setActive,
  );
  const open = active ? () => go(`/approvals/${encodeURIComponent(active)}`) : undefined;
  useCommand("page", open);
  useCommand("drawer", open);
  return (
    <>
      <Head title="Approvals">
        <span className="dim">actions that wait for a person; unanswered ones are denied</span>
      </Head>
      <div className="bar">
        <Choice label="Status" of={statuses} value={status} choose={(s) => set({ status: s }, true)} />
      </div>
      <Loaded q={q}>
        {() =>
          rows.length === 0 ? (
            <Empty title={status === "pending" ? "Nothing waits for you" : `No approval is ${status}`}>
              Playbooks ask here before they act.
            </Empty>
          ) : (
            <div className="inbox">
              {rows.map((a) => (
                <Card key={a.id} a={a} active={a.id === active} activate={() => setActive(a.id)} />
              ))}
            </div>
          )
        }
      </Loaded>
    </>
  );
}

/** One request, readable at arm's length on a phone. */
function Card({ a, active, activate }: { a: Approval; active: boolean; activate: () => void }) {
  const now = useNow();
  const given = (a.decisions ?? []).filter((d) => d.verdict === "approve").length;
  const pending = a.status === "pending";
  const urgent = pending && Date.parse(a.deadline) - now < 10 * 60_000;
  return (
    <article className={`card ${active ? "is-active" : ""}`} data-row={a.id} onFocus={activate}>
      <div className="card-main">
        <To data-row-button className="card-title" to={`/approvals/${encodeURIComponent(a.id)}`}>
          {a.action}{" "}
          <span className="mono">
            <Text of={a.target} max={120} />
          </span>
        </To>
        <p className="dim">
          <Text of={a.reason} max={240} />
        </p>
        <p className="card-meta">
          <Risk of={a.risk} />
          <span>
            asked by{" "}
            <b>
              <Text of={a.requester} />
            </b>
          </span>
          <span className="dim">{a.playbook}</span>
          <span className="dim">{a.terms.policy}</span>
          {a.claim && Date.parse(a.claim.until) > now ? (
            <span>
              <b>
                <Text of={a.claim.user} />
              </b>{" "}
              is looking into it
            </span>
          ) : null}
          {a.incident ? <To to={`/incidents/${encodeURIComponent(a.incident)}`}>incident</To> : null}
        </p>
      </div>
      <div className="card-side">
        <span className="needs">
          <b>{given}</b> of <b>{a.needed}</b> needed
        </span>
        {pending ? (
          <span className={urgent ? "tone-bad" : "dim"}>
            {a.terms.on_timeout === "escalate" && a.stage + 1 < (a.terms.stages?.length ?? 0)
              ? "escalated"
              : "denied"}{" "}
            in <b className="nowrap">{until(a.deadline, now)}</b>
          </span>
        ) : (
          <>
            <State of={a.status} />
            <span className="dim">{when(a.created)}</span>
          </>
        )}
      </div>
    </article>
  );
}
