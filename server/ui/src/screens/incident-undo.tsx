import { useQuery } from "@tanstack/react-query";
import { Undo2 } from "lucide-react";
import { useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import type { ActionRecord } from "../api/types";
import { State } from "../kit/badges";
import { Dialog } from "../kit/dialog";
import { useChange, useNow } from "../kit/hooks";
import { Panel } from "../kit/layout";
import { useMay } from "../kit/may";
import { Failed } from "../kit/state";
import { Text } from "../kit/text";
import { useToast } from "../kit/toast";
import { isSet, plural, until, when } from "../lib/format";

/** What was done for an incident, and taking it back. */
export function Done({ id }: { id: string }) {
  const may = useMay();
  const [asks, setAsks] = useState(false);
  const q = useQuery(queries.actions(id));
  const rows = (q.data?.items ?? []).filter((r) => r.outcome !== "dry-run");
  if (rows.length === 0) return null;
  const left = rows.filter((r) => r.undo && !isSet(r.undone));
  return (
    <Panel title="Done" note={plural(rows.length, "action", "actions")}>
      <ul className="plain">
        {rows.map((r) => (
          <Row key={r.key} r={r} />
        ))}
      </ul>
      {left.length > 0 && may("decide:approvals") ? (
        <button className="danger" onClick={() => setAsks(true)}>
          <Undo2 size={16} aria-hidden /> Undo this incident…
        </button>
      ) : null}
      {asks ? <UndoDialog id={id} rows={rows} close={() => setAsks(false)} /> : null}
    </Panel>
  );
}

function Row({ r }: { r: ActionRecord }) {
  const now = useNow();
  return (
    <li>
      <State of={isSet(r.undone) ? "undone" : r.outcome} /> <b>{r.action}</b>{" "}
      <span className="mono">
        <Text of={r.target} max={120} />
      </span>{" "}
      <span className="dim">
        {when(r.at)} UTC
        {isSet(r.undone)
          ? `, undone by ${r.undone_by} at ${when(r.undone ?? "")}`
          : !r.undo
            ? ", cannot be undone"
            : isSet(r.expires)
              ? `, ends in ${until(r.expires ?? "", now)}`
              : ""}
      </span>
    </li>
  );
}

function UndoDialog({ id, rows, close }: { id: string; rows: ActionRecord[]; close: () => void }) {
  const toast = useToast();
  const [reason, setReason] = useState("");
  const undo = useChange(
    ["incidents"],
    () => api.undo(id, reason.trim()),
    (res) => {
      const failed = res.steps.filter((s) => s.outcome === "failed");
      toast({
        text: failed[0]
          ? `${failed.length} could not be undone: ${failed[0].error}`
          : `Undone: ${plural(res.steps.length, "action", "actions")}`,
        bad: failed.length > 0,
      });
      close();
    },
  );
  const fixed = rows.filter((r) => !r.undo);
  return (
    <Dialog
      title="Undo this incident"
      close={close}
      submit={() => reason.trim() && undo.mutate(undefined)}
      footer={
        <>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button className="danger" disabled={reason.trim() === "" || undo.isPending}>
            {undo.isPending ? "Undoing…" : "Undo"}
          </button>
        </>
      }
    >
      <p>The last action is taken back first:</p>
      <ol>
        {rows
          .filter((r) => r.undo && !isSet(r.undone))
          .toReversed()
          .map((r) => (
            <li key={r.key}>
              {r.action} <Text of={r.target} max={80} />: <Text of={r.undo} />
            </li>
          ))}
      </ol>
      {fixed.length > 0 ? (
        <p className="dim">
          Cannot be undone: <Text of={fixed.map((r) => `${r.action} ${r.target}`).join(", ")} max={300} />
        </p>
      ) : null}
      <Failed error={undo.error} />
      <label>
        Reason
        <textarea
          data-first
          rows={3}
          maxLength={2000}
          value={reason}
          onChange={(e) => setReason(e.target.value)}
        />
      </label>
    </Dialog>
  );
}
