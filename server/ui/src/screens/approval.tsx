import { useQuery } from "@tanstack/react-query";
import { Check, ShieldAlert, ShieldX, Undo2 } from "lucide-react";
import { useEffect, useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import type { Approval } from "../api/types";
import { Acts, Stages } from "./approval-acts";
import { ReviewPanel } from "./approval-review";
import { Risk, State } from "../kit/badges";
import { Code, CopyButton } from "../kit/code";
import { Dialog } from "../kit/dialog";
import { useChange, useNow } from "../kit/hooks";
import { useCommand } from "../kit/keyboard";
import { Facts, Head, Panel, To } from "../kit/layout";
import { useMay, useMe } from "../kit/may";
import { Failed, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { useToast } from "../kit/toast";
import { Value } from "../kit/value";
import { pretty, until, when } from "../lib/format";
import { challengeOf, otherThanMeant, usePasskey } from "../lib/passkey";

type Verdict = "approve" | "deny" | "break-glass";

export function ApprovalPage({ id }: { id: string }) {
  const q = useQuery(queries.approval(id));
  return <Loaded q={q}>{(a) => <View a={a} />}</Loaded>;
}

function View({ a }: { a: Approval }) {
  const may = useMay();
  const me = useMe();
  const [asks, setAsks] = useState<Verdict | null>(null);
  const decided = (a.decisions ?? []).some((d) => d.user === me.user);
  const mine = a.requester === me.user;
  const author = (a.facts.authors ?? []).includes(me.user);
  const open = a.status === "pending" && may("decide:approvals") && !decided && !mine && !author;
  const seen = a.status === "pending" ? a.id : "";
  useEffect(() => {
    // The time to the first look is measured; that it could not be told bothers nobody.
    if (seen) api.look(seen, { verdict: "view" }).catch(() => undefined);
  }, [seen]);
  useCommand("approve", open ? () => setAsks("approve") : undefined);
  useCommand("deny", open ? () => setAsks("deny") : undefined);
  return (
    <>
      <Head
        title={
          <>
            {a.action}{" "}
            <span className="mono">
              <Text of={a.target} max={160} />
            </span>
          </>
        }
      >
        <State of={a.status} />
        <Risk of={a.risk} />
      </Head>
      <div className="with-side">
        <div className="stack">
          <Panel title="What is asked, and why">
            <p className="lead">
              <Text of={a.reason} />
            </p>
            <Facts
              of={[
                ["Asked by", <Text of={a.requester} />],
                ["Playbook", <To to={`/playbooks/${encodeURIComponent(a.playbook)}`}>{a.playbook}</To>],
                ["Run", <To to={`/runs/${encodeURIComponent(a.run)}`}>open run</To>],
                [
                  "Evidence",
                  a.incident ? (
                    <To to={`/incidents/${encodeURIComponent(a.incident)}`}>open incident</To>
                  ) : (
                    "no incident"
                  ),
                ],
                ["Asked at", `${when(a.created)} UTC`],
                [
                  "Touches",
                  <Text of={[a.blast, `${a.facts.targets} target(s)`].filter(Boolean).join("; ")} />,
                ],
                ["Criticality", a.facts.criticality || "not known"],
                ["Risk of the incident", String(a.facts.score)],
                ["Preview", <Text of={a.preview || "none"} />],
                ["If nobody answers", <Text of={a.if_silent || "It is denied."} />],
              ]}
            />
            <h3>With</h3>
            <dl className="fields">
              {Object.entries(a.arguments ?? {}).map(([k, v]) => (
                <div key={k}>
                  <dt>
                    <Text of={k} />
                  </dt>
                  <dd>
                    <Value field={k} of={v} />
                  </dd>
                </div>
              ))}
            </dl>
          </Panel>
          <Undo a={a} />
          <Panel title="Exactly what is signed" note="the worker runs this and nothing else">
            <Code text={pretty(a.payload)} language="json" label="Payload" tall />
            <p className="hash">
              <span className="dim">SHA-256</span> <span className="mono">{a.binding}</span>
              <CopyButton text={a.binding} label="Copy the hash" />
            </p>
          </Panel>
        </div>
        <aside className="stack" aria-label="Decision">
          <Decide a={a} open={open} why={whyNot(a, mine, decided, author)} ask={setAsks} />
          <Stages a={a} />
          {open ? <Acts a={a} /> : null}
          <ReviewPanel a={a} />
          <Decisions a={a} />
        </aside>
      </div>
      {asks ? <DecideDialog a={a} verdict={asks} close={() => setAsks(null)} /> : null}
    </>
  );
}

function Undo({ a }: { a: Approval }) {
  return (
    <div className={`notice ${a.undo ? "is-ok" : "is-bad"}`}>
      {a.undo ? <Undo2 size={18} aria-hidden /> : <ShieldAlert size={18} aria-hidden />}
      <div>
        <b>{a.undo ? "How it is undone" : "It cannot be undone"}</b>
        {a.undo ? (
          <div>
            <Text of={a.undo} />
          </div>
        ) : null}
      </div>
    </div>
  );
}

/** Why a person who may decide in general may not decide this. */
function whyNot(a: Approval, mine: boolean, decided: boolean, author: boolean): string {
  if (a.status !== "pending") return `It is ${a.status}; nothing is left to decide.`;
  if (decided) return "You have decided; it waits for others.";
  if (mine) return "You asked for this, so somebody else decides it.";
  if (author) return "You wrote the rule behind it, so somebody else decides it.";
  return "";
}

interface DecideProps {
  a: Approval;
  open: boolean;
  why: string;
  ask: (v: Verdict) => void;
}

function Decide({ a, open, why, ask }: DecideProps) {
  const now = useNow();
  return (
    <Panel title="Decision" className="decide">
      {a.status === "pending" ? (
        <p className="countdown">
          {a.terms.on_timeout === "escalate" && a.stage + 1 < (a.terms.stages?.length ?? 0)
            ? "Escalated by itself in "
            : "Denied by itself in "}
          <b>{until(a.deadline, now)}</b>
        </p>
      ) : null}
      {open ? (
        <div className="decide-buttons">
          <button className="primary big" onClick={() => ask("approve")}>
            <Check size={16} aria-hidden /> Approve… <kbd>y</kbd>
          </button>
          <button className="danger big" onClick={() => ask("deny")}>
            <ShieldX size={16} aria-hidden /> Deny… <kbd>Y</kbd>
          </button>
          {a.terms.break_glass ? (
            <button onClick={() => ask("break-glass")}>
              <ShieldAlert size={16} aria-hidden /> Break glass…
            </button>
          ) : null}
        </div>
      ) : (
        <p className="dim">{why}</p>
      )}
    </Panel>
  );
}

function Decisions({ a }: { a: Approval }) {
  const all = a.decisions ?? [];
  const given = all.filter((d) => d.verdict === "approve").length;
  return (
    <Panel title="Decisions" note={`${given} of ${a.needed} needed`}>
      {all.length === 0 ? <p className="dim">Nobody has decided yet.</p> : null}
      <ul className="plain">
        {all.map((d) => (
          <li key={d.user + d.time} className="decision">
            <div>
              <State of={d.verdict} />{" "}
              <b>
                <Text of={d.user} />
              </b>{" "}
              <span className="dim">
                {when(d.time)} UTC, {d.channel}
                {d.passkey ? ", signed with a passkey" : ""}
              </span>
            </div>
            {d.reason ? (
              <div>
                <Text of={d.reason} />
              </div>
            ) : null}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** The step-up: what will happen, once more, and why. Only its own button decides. */
function DecideDialog({ a, verdict, close }: { a: Approval; verdict: Verdict; close: () => void }) {
  const toast = useToast();
  const [reason, setReason] = useState("");
  const [statement, setStatement] = useState("");
  const me = useMe();
  const approve = verdict !== "deny";
  // A denial needs no passkey: nothing follows from it.
  const signs = approve && a.terms.step_up === true;
  const act = { verdict, reason: reason.trim(), binding: a.binding };
  const decide = useChange(
    ["approvals"],
    async () => {
      if (!signs) return api.decide(a.id, act);
      const { statement, options } = await api.stepUp(a.id, act);
      const other = await otherThanMeant(statement, {
        approval: a.id,
        binding: a.binding,
        payload: a.payload,
        user: me.user,
        verdict,
        reason: act.reason,
      });
      if (other) throw new Error(`Not signed, because the server asks for something else. ${other}.`);
      setStatement(statement);
      // What is signed is the hash of what is on screen, whatever the server asked for.
      const assertion = await usePasskey({ ...(options as object), challenge: await challengeOf(statement) });
      return api.decide(a.id, { ...act, assertion });
    },
    () => {
      toast({ text: verdict === "deny" ? `You denied ${a.action}` : `You approved ${a.action}` });
      close();
    },
  );
  const glass = verdict === "break-glass";
  return (
    <Dialog
      title={glass ? "Approve this action alone" : approve ? "Approve this action" : "Deny this action"}
      close={close}
      submit={() => reason.trim() && decide.mutate(undefined)}
      footer={
        <>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button
            className={approve ? "primary" : "danger"}
            disabled={reason.trim() === "" || decide.isPending}
          >
            {decide.isPending
              ? signs
                ? "Waiting for your passkey…"
                : "Signing…"
              : glass
                ? "Sign and break the glass"
                : approve
                  ? "Sign and approve"
                  : "Sign and deny"}
          </button>
        </>
      }
    >
      <div className="ask">
        <b>{a.action}</b>{" "}
        <span className="mono">
          <Text of={a.target} />
        </span>{" "}
        <Risk of={a.risk} />
      </div>
      <p className="dim">
        {a.undo ? (
          <>
            Undone by: <Text of={a.undo} />
          </>
        ) : (
          "It cannot be undone."
        )}
      </p>
      {glass ? <p className="tone-bad">Somebody else will review whether this was justified.</p> : null}
      <p className="hash">
        <span className="dim">SHA-256</span> <span className="mono">{a.binding.slice(0, 32)}…</span>
      </p>
      {signs ? (
        <p className="dim">
          The policy asks for your passkey: it signs the hash of this action, this verdict and your reason,
          and the worker checks that again right before it acts.
        </p>
      ) : null}
      {statement ? <Code text={statement} language="json" label="Signed statement" /> : null}
      <Failed error={decide.error} />
      <label>
        Reason
        <textarea
          data-first
          rows={3}
          maxLength={2000}
          required
          value={reason}
          placeholder="What you checked, and with whom"
          onChange={(e) => setReason(e.target.value)}
        />
      </label>
    </Dialog>
  );
}
