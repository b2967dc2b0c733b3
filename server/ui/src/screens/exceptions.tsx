import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import type { Exception, ExceptionTrial } from "../api/types";
import { State } from "../kit/badges";
import { Dialog } from "../kit/dialog";
import { useChange } from "../kit/hooks";
import { Table, To } from "../kit/layout";
import { useMay } from "../kit/may";
import { Empty, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { useToast } from "../kit/toast";
import { ago, count, plural, when, words } from "../lib/format";
import { useRoute } from "../lib/router";

const day = 86_400_000;

/** What is hidden from people, by whom, why and until when. */
export function Exceptions() {
  const { params, set } = useRoute();
  const may = useMay();
  const q = useQuery(queries.exceptions());
  const [ending, setEnding] = useState<Exception | null>(null);
  const rule = params.get("rule") ?? "";
  const condition = params.get("when") ?? "";
  const write = may("write:exceptions");
  const rows = (q.data?.items ?? []).toSorted(
    (a, b) =>
      Number(b.status === "active") - Number(a.status === "active") || a.expires.localeCompare(b.expires),
  );
  return (
    <>
      <Loaded q={q}>
        {() =>
          rows.length === 0 ? (
            <Empty title="Nothing is hidden" command="vigil exceptions add --help">
              An exception is made from a value of an alert: its menu has “Exception from this value”.
            </Empty>
          ) : (
            <Rows rows={rows} end={write ? setEnding : undefined} />
          )
        }
      </Loaded>
      {write && condition !== "" ? (
        <Make rule={rule} condition={condition} close={() => set({ rule: "", when: "" })} />
      ) : null}
      {ending ? <End of={ending} close={() => setEnding(null)} /> : null}
    </>
  );
}

function Rows({ rows, end }: { rows: Exception[]; end?: (x: Exception) => void }) {
  return (
    <Table
      label="Exceptions"
      rows={rows}
      id={(x) => x.id}
      columns={[
        { name: "Status", cell: (x) => <State of={x.status} /> },
        {
          name: "Hides",
          cell: (x) => (
            <>
              <b>
                <Text of={x.id} />
              </b>
              <div className="mono dim">
                <Text of={x.when} max={120} />
              </div>
            </>
          ),
        },
        {
          name: "Of rule",
          cell: (x) =>
            x.rule === "*" ? (
              "every rule"
            ) : (
              <To to={`/detections/${encodeURIComponent(x.rule)}`}>{x.rule}</To>
            ),
        },
        { name: "Hidden", num: true, cell: (x) => count(x.hidden) },
        {
          name: "Owner and reason",
          cell: (x) => (
            <>
              <Text of={x.owner} />
              <div className="dim">
                <Text of={x.reason} max={120} />
              </div>
            </>
          ),
        },
        {
          name: "Ends",
          cell: (x) => <span className="nowrap">{x.ended ? `ended ${ago(x.ended)}` : when(x.expires)}</span>,
        },
        {
          name: "",
          cell: (x) =>
            end && x.status === "active" ? (
              <button className="ghost" onClick={() => end(x)}>
                End…
              </button>
            ) : null,
        },
      ]}
    />
  );
}

const spans = [7, 30, 90, 365];

/** Asks for what an exception needs; it can be tried on history first. */
function Make({ rule, condition, close }: { rule: string; condition: string; close: () => void }) {
  const [of, setOf] = useState(rule || "*");
  const [text, setText] = useState(condition);
  const [reason, setReason] = useState("");
  const [days, setDays] = useState(30);
  const [trial, setTrial] = useState<ExceptionTrial | null>(null);
  const toast = useToast();
  const attempt = useChange<void, ExceptionTrial>([], () => api.tryException(of, text), setTrial);
  const make = useChange<void, unknown>(
    ["exceptions", "rules"],
    () =>
      api.addException({
        id: named(of, text),
        rule: of,
        when: text,
        reason: reason.trim(),
        expires: new Date(Date.now() + days * day).toISOString(),
      }),
    () => {
      toast({ text: "The exception is in force from the next chunk on" });
      close();
    },
  );
  const ready = text.trim() !== "" && reason.trim().length > 2;
  return (
    <Dialog
      title="Exception"
      close={close}
      submit={() => ready && make.mutate()}
      footer={
        <>
          <button type="button" onClick={() => attempt.mutate()} disabled={attempt.isPending}>
            Try on history
          </button>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button className="primary" disabled={!ready || make.isPending}>
            Hide
          </button>
        </>
      }
    >
      <label>
        Rule
        <input value={of} onChange={(e) => setOf(e.target.value)} required />
      </label>
      <label>
        Condition
        <textarea
          rows={3}
          className="mono"
          value={text}
          onChange={(e) => {
            setText(e.target.value);
            setTrial(null);
          }}
          required
        />
      </label>
      {trial ? <Tried of={trial} /> : null}
      <label>
        Reason
        <textarea
          rows={2}
          data-first
          value={reason}
          maxLength={2000}
          placeholder="Why nobody need see this"
          onChange={(e) => setReason(e.target.value)}
          required
        />
      </label>
      <label>
        For
        <select value={days} onChange={(e) => setDays(Number(e.target.value))}>
          {spans.map((d) => (
            <option key={d} value={d}>
              {plural(d, "day")}
            </option>
          ))}
        </select>
      </label>
    </Dialog>
  );
}

/** A name that tells the rule, and differs by condition. */
function named(rule: string, condition: string): string {
  let sum = 0;
  for (const c of `${rule} ${condition} ${Date.now()}`) sum = (sum * 31 + (c.codePointAt(0) ?? 0)) >>> 0;
  const base = rule === "*" ? "all-rules" : rule.slice(0, 50);
  return `${base}-${sum.toString(36)}`;
}

function Tried({ of }: { of: ExceptionTrial }) {
  const lost = of.alerts.filter((a) => a.verdict === "true_positive");
  return (
    <div role="status">
      <p>
        It would have hidden {count(of.hidden)} of {plural(of.detections, "detection")}
        {of.alerts.length > 0 ? `, of ${plural(of.alerts.length, "alert")}` : ""}.
      </p>
      {lost.length > 0 ? (
        <p className="tone-bad">{plural(lost.length, "alert")} among them were judged true positives.</p>
      ) : null}
      <ul className="plain">
        {of.alerts.slice(0, 8).map((a) => (
          <li key={a.id} className="side-row">
            <State of={a.verdict ? words(a.verdict) : "open"} />
            <span className="grow">
              <Text of={a.rule} />
            </span>
            <To className="nowrap" to={`/alerts/${encodeURIComponent(a.id)}`}>
              {a.hidden} of {a.count}
            </To>
          </li>
        ))}
      </ul>
    </div>
  );
}

function End({ of, close }: { of: Exception; close: () => void }) {
  const [reason, setReason] = useState("");
  const end = useChange<void, unknown>(
    ["exceptions", "rules"],
    () => api.endException(of.id, reason.trim()),
    close,
  );
  return (
    <Dialog
      title={`End ${of.id}`}
      close={close}
      submit={() => reason.trim().length > 2 && end.mutate()}
      footer={
        <>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button className="primary" disabled={reason.trim().length < 3 || end.isPending}>
            End
          </button>
        </>
      }
    >
      <label>
        Reason
        <textarea rows={2} data-first value={reason} onChange={(e) => setReason(e.target.value)} required />
      </label>
    </Dialog>
  );
}
