import { useState } from "react";
import { api } from "../api/client";
import type { Approval } from "../api/types";
import { State } from "../kit/badges";
import { useChange } from "../kit/hooks";
import { Panel } from "../kit/layout";
import { useMay, useMe } from "../kit/may";
import { Failed } from "../kit/state";
import { Text } from "../kit/text";

const verdicts = ["justified", "unjustified"] as const;

/** The second look at a decision that one person made alone. */
export function ReviewPanel({ a }: { a: Approval }) {
  const me = useMe();
  const may = useMay();
  const [reason, setReason] = useState("");
  const review = useChange(["approvals"], (verdict: (typeof verdicts)[number]) =>
    api.review(a.id, verdict, reason.trim()),
  );
  if (!a.review) return null;
  const decided = (a.decisions ?? []).some((d) => d.user === me.user);
  const open = a.review.state === "pending" && may("decide:approvals") && !decided && a.requester !== me.user;
  return (
    <Panel title="Review of the break-glass decision">
      <p>
        <State of={a.review.state} /> <Text of={[a.review.by, a.review.reason].filter(Boolean).join(": ")} />
      </p>
      <Failed error={review.error} />
      {open ? (
        <>
          <label>
            What you found
            <textarea rows={3} maxLength={2000} value={reason} onChange={(e) => setReason(e.target.value)} />
          </label>
          <div className="decide-buttons">
            {verdicts.map((v) => (
              <button
                key={v}
                disabled={reason.trim() === "" || review.isPending}
                onClick={() => review.mutate(v)}
              >
                {v === "justified" ? "Justified" : "Not justified"}
              </button>
            ))}
          </div>
        </>
      ) : null}
    </Panel>
  );
}
