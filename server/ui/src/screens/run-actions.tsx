import { useState } from "react";
import { api } from "../api/client";
import type { Run } from "../api/types";
import { Dialog } from "../kit/dialog";
import { useChange } from "../kit/hooks";
import { useMay } from "../kit/may";
import { Failed } from "../kit/state";
import { useToast } from "../kit/toast";
import { isSet } from "../lib/format";
import { useRoute } from "../lib/router";

type Verb = "cancel" | "terminate" | "reset" | "rerun" | "dry-run";

/** What each verb does, in the words of its dialog. */
const verbs: Record<Verb, { name: string; says: string }> = {
  cancel: {
    name: "Cancel",
    says: "The run ends in order; what waits for approval is void, what was done stays done.",
  },
  terminate: {
    name: "Terminate",
    says: "The run ends at once, without tidying up. Cancel it unless it does not answer.",
  },
  reset: {
    name: "Reset",
    says: "The run goes back to its start with the version it had. Actions that were done are not repeated.",
  },
  rerun: {
    name: "Run again",
    says: "The playbook starts again as it is now. You ask for it, so somebody else approves.",
  },
  "dry-run": {
    name: "Dry run",
    says: "The playbook as it is now goes through its steps: nothing is done, nobody is asked.",
  },
};

/** Buttons for what can be done to a run. */
export function RunActions({ run }: { run: Run }) {
  const may = useMay();
  const [asks, setAsks] = useState<Verb | null>(null);
  if (!may("write:incidents")) return null;
  const list: Verb[] = isSet(run.ended) ? ["rerun", "reset"] : ["cancel", "terminate", "reset"];
  if (run.incident) list.push("dry-run");
  return (
    <>
      {list.map((v) => (
        <button key={v} onClick={() => setAsks(v)}>
          {verbs[v].name}…
        </button>
      ))}
      {asks ? <VerbDialog run={run} verb={asks} close={() => setAsks(null)} /> : null}
    </>
  );
}

function VerbDialog({ run, verb, close }: { run: Run; verb: Verb; close: () => void }) {
  const toast = useToast();
  const { go } = useRoute();
  const [reason, setReason] = useState("");
  const change = useChange(
    ["runs"],
    () =>
      verb === "dry-run"
        ? api.runPlaybook(run.playbook, run.incident ?? "", true)
        : api.changeRun(run.id, verb, reason.trim()),
    (res) => {
      toast({ text: `${verbs[verb].name}: done` });
      close();
      if (res.run !== run.id) go(`/runs/${encodeURIComponent(res.run)}`);
    },
  );
  return (
    <Dialog
      title={verbs[verb].name}
      close={close}
      submit={() => change.mutate(undefined)}
      footer={
        <>
          <button type="button" onClick={close}>
            Back
          </button>
          <button className={verb === "terminate" ? "danger" : "primary"} disabled={change.isPending}>
            {verbs[verb].name}
          </button>
        </>
      }
    >
      <p>{verbs[verb].says}</p>
      <Failed error={change.error} />
      <label>
        Reason
        <input data-first value={reason} maxLength={2000} onChange={(e) => setReason(e.target.value)} />
      </label>
    </Dialog>
  );
}
