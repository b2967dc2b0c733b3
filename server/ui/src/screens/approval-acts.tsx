import { useState } from "react";
import { type Act, api } from "../api/client";
import type { Approval } from "../api/types";
import { Dialog } from "../kit/dialog";
import { useChange, useNow } from "../kit/hooks";
import { Panel } from "../kit/layout";
import { Failed } from "../kit/state";
import { Text } from "../kit/text";
import { useToast } from "../kit/toast";
import { when } from "../lib/format";

/** What a person can do beside deciding, and what it needs. */
interface ActForm {
  verb: Act["verdict"];
  name: string;
  done: string;
  look?: boolean;
  fields: { name: string; label: string; value: string }[];
  reason?: boolean;
}

function forms(a: Approval): ActForm[] {
  const narrow = Object.entries(a.arguments ?? {})
    .filter(([k]) => a.kinds?.[k] === "hours" || a.kinds?.[k] === "list")
    .map(([k, v]) => ({ name: k, label: `${k} (now ${v})`, value: v }));
  const all: ActForm[] = [
    { verb: "abstain", name: "Abstain", done: "You abstained", fields: [], reason: true },
    {
      verb: "delegate",
      name: "Delegate",
      done: "You delegated",
      fields: [
        { name: "to", label: "To whom", value: "" },
        { name: "until", label: "For how long", value: "24h" },
      ],
    },
    {
      verb: "claim",
      name: "Claim",
      done: "You claimed it",
      fields: [{ name: "until", label: "For how long", value: "30m" }],
    },
    { verb: "release", name: "Release", done: "You released it", fields: [] },
    {
      verb: "snooze",
      name: "Snooze",
      done: "Hidden from your inbox",
      look: true,
      fields: [{ name: "until", label: "For how long", value: "1h" }],
    },
  ];
  return narrow.length > 0
    ? [{ verb: "narrow", name: "Narrow", done: "You narrowed it", fields: narrow, reason: true }, ...all]
    : all;
}

/** Buttons for everything but approving and denying. */
export function Acts({ a }: { a: Approval }) {
  const [form, setForm] = useState<ActForm | null>(null);
  const claimed = a.claim !== undefined;
  return (
    <Panel title="Other things you can do">
      <div className="decide-buttons">
        {forms(a)
          .filter((f) => (f.verb === "release" ? claimed : f.verb !== "claim" || !claimed))
          .map((f) => (
            <button key={f.verb} onClick={() => setForm(f)}>
              {f.name}…
            </button>
          ))}
      </div>
      {form ? <ActDialog a={a} form={form} close={() => setForm(null)} /> : null}
    </Panel>
  );
}

function ActDialog({ a, form, close }: { a: Approval; form: ActForm; close: () => void }) {
  const toast = useToast();
  const [values, setValues] = useState(Object.fromEntries(form.fields.map((f) => [f.name, f.value])));
  const [reason, setReason] = useState("");
  const missing = form.verb === "narrow" && reason.trim() === "";
  const change = useChange(
    ["approvals"],
    () => {
      const act = { verdict: form.verb, reason: reason.trim(), binding: a.binding, args: values };
      return form.look ? api.look(a.id, act) : api.decide(a.id, act);
    },
    () => {
      toast({ text: form.done });
      close();
    },
  );
  return (
    <Dialog
      title={form.name}
      close={close}
      submit={() => !missing && change.mutate(undefined)}
      footer={
        <>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button className="primary" disabled={missing || change.isPending}>
            {change.isPending ? "Signing…" : form.name}
          </button>
        </>
      }
    >
      {form.verb === "narrow" ? (
        <p className="dim">
          Fewer targets or a shorter time. The decisions so far are void; widening needs a new request.
        </p>
      ) : null}
      <Failed error={change.error} />
      {form.fields.map((f, i) => (
        <label key={f.name}>
          {f.label}
          <input
            data-first={i === 0 ? true : undefined}
            value={values[f.name] ?? ""}
            onChange={(e) => setValues({ ...values, [f.name]: e.target.value })}
          />
        </label>
      ))}
      {form.reason ? (
        <label>
          Reason
          <textarea rows={3} maxLength={2000} value={reason} onChange={(e) => setReason(e.target.value)} />
        </label>
      ) : null}
    </Dialog>
  );
}

/** The stages of the policy, where it stands, and what happened on the way. */
export function Stages({ a }: { a: Approval }) {
  const now = useNow();
  const stages = a.terms.stages ?? [];
  return (
    <Panel title="Policy" note={`${a.terms.policy} (${a.terms.mode})`}>
      <ol className="plain">
        {stages.map((s, i) => (
          <li key={s.name}>
            {i === a.stage && a.status === "pending" ? <b>{s.name}</b> : s.name}{" "}
            <span className="dim">
              {s.quorum} needed, {s.deadline_minutes} min
            </span>
          </li>
        ))}
      </ol>
      {a.claim && Date.parse(a.claim.until) > now ? (
        <p>
          <b>
            <Text of={a.claim.user} />
          </b>{" "}
          is looking into it until {when(a.claim.until)} UTC
        </p>
      ) : null}
      <ul className="plain">
        {(a.moves ?? []).map((m) => (
          <li key={m.time + m.kind + m.by} className="dim">
            {when(m.time)} <Text of={`${m.by} ${m.kind} ${m.text ?? ""}`} max={200} />
          </li>
        ))}
      </ul>
    </Panel>
  );
}
