import { useQuery } from "@tanstack/react-query";
import { CircleStop, Play } from "lucide-react";
import { type ReactNode, useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import type { Hunt, HuntPreview, HuntRule, HuntState } from "../api/types";
import { Sev, State } from "../kit/badges";
import { Dialog, Drawer } from "../kit/dialog";
import { useChange } from "../kit/hooks";
import { Choice, Facts, Head, Meter, Table, To } from "../kit/layout";
import { RangePicker } from "../kit/range";
import { Empty, Failed, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { ago, bytes, count, when } from "../lib/format";
import { percent } from "../lib/format";
import { timesOf } from "../lib/query";
import { useRoute } from "../lib/router";
import { EventView } from "./event";

/** Rules asked of stored history: what runs, what it found. */
export default function Hunts() {
  const { params, set } = useRoute();
  const q = useQuery(queries.hunts());
  const [asks, setAsks] = useState(false);
  const shown = params.get("id") ?? "";
  return (
    <>
      <Head
        title="Hunts"
        actions={
          <button className="primary" onClick={() => setAsks(true)}>
            <Play size={14} aria-hidden /> New hunt
          </button>
        }
      >
        <span className="dim">rules over stored events</span>
      </Head>
      <Loaded q={q}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty title="No hunt yet" command="vigil hunt linux-ssh-brute-force --last 720h">
              A hunt asks rules of what is stored, without waiting for new events.
            </Empty>
          ) : (
            <Rows rows={page.items} open={(id) => set({ id })} />
          )
        }
      </Loaded>
      {asks ? <NewHunt close={() => setAsks(false)} started={(id) => set({ id })} /> : null}
      {shown ? (
        <Drawer title="Hunt" close={() => set({ id: "" })}>
          <HuntView key={shown} id={shown} />
        </Drawer>
      ) : null}
    </>
  );
}

/** The rule that a hunt's id names: hunt/org/rule/hash. */
const ruleOf = (workflow: string) => workflow.split("/")[2] ?? workflow;

function Rows({ rows, open }: { rows: Hunt[]; open: (id: string) => void }) {
  return (
    <Table
      label="Hunts"
      rows={rows}
      id={(h) => `${h.workflow} ${h.started}`}
      columns={[
        {
          name: "Rule",
          cell: (h) => (
            <button className="ghost" onClick={() => open(h.workflow)}>
              <b>
                <Text of={ruleOf(h.workflow)} max={80} />
              </b>
            </button>
          ),
        },
        { name: "State", cell: (h) => <State of={h.status} /> },
        { name: "Started (UTC)", cell: (h) => <span className="nowrap">{when(h.started)}</span> },
        { name: "Ended", cell: (h) => (h.ended ? ago(h.ended) : "") },
      ]}
    />
  );
}

/** The ways to say what is hunted. */
const ways = [
  { id: "rule", name: "A rule" },
  { id: "rules", name: "Rules" },
  { id: "when", name: "A condition" },
];

function NewHunt({ close, started }: { close: () => void; started: (id: string) => void }) {
  const rules = useQuery(queries.rules());
  const [way, setWay] = useState("rule");
  const [rule, setRule] = useState("");
  const [patterns, setPatterns] = useState("*");
  const [when, setWhen] = useState("");
  const [datasets, setDatasets] = useState("");
  const [range, setRange] = useState("30d");
  const [raise, setRaise] = useState(false);
  const start = useChange(
    [],
    (preview: boolean) => {
      const what =
        way === "rule"
          ? { rule, limit: 50 }
          : way === "rules"
            ? { rules: words(patterns) }
            : { when, datasets: words(datasets), limit: 50 };
      return api.startHunt({
        ...what,
        ...timesOf(range, Date.now()),
        raise: raise && way !== "when",
        preview,
      });
    },
    (h) => {
      close();
      started(h.workflow);
    },
  );
  const ready =
    way === "rule" ? rule !== "" : way === "rules" ? words(patterns).length > 0 : when.trim() !== "";
  return (
    <Dialog
      title="New hunt"
      close={close}
      submit={() => (ready ? start.mutate(false) : undefined)}
      footer={
        <>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button type="button" disabled={!ready || start.isPending} onClick={() => start.mutate(true)}>
            Preview
          </button>
          <button className="primary" disabled={!ready || start.isPending}>
            Start
          </button>
        </>
      }
    >
      <Choice label="What is hunted" of={ways} value={way} choose={setWay} />
      {way === "rule" ? (
        <label>
          Rule
          <select data-first value={rule} onChange={(e) => setRule(e.target.value)} required>
            <option value="">choose one</option>
            {(rules.data?.items ?? []).map((r) => (
              <option key={r.id} value={r.id}>
                {r.title}
              </option>
            ))}
          </select>
        </label>
      ) : null}
      {way === "rules" ? (
        <label>
          Rules: ids, or patterns such as win-*
          <input data-first value={patterns} onChange={(e) => setPatterns(e.target.value)} required />
        </label>
      ) : null}
      {way === "when" ? (
        <>
          <label>
            Condition, as in rules
            <input
              data-first
              className="mono"
              placeholder="e.source.ip == '192.0.2.1'"
              value={when}
              onChange={(e) => setWhen(e.target.value)}
              required
            />
          </label>
          <label>
            Data sets; none: all
            <input
              className="mono"
              placeholder="windows.* zeek.conn"
              value={datasets}
              onChange={(e) => setDatasets(e.target.value)}
            />
          </label>
        </>
      ) : null}
      <RangePicker value={range} choose={setRange} />
      {way === "when" ? null : (
        <label className="check">
          <input type="checkbox" checked={raise} onChange={(e) => setRaise(e.target.checked)} /> Raise alerts
          of what it finds
        </label>
      )}
      <p className="dim">
        A preview asks only the newest events, and says what the whole hunt will cost and raise.
      </p>
      <Failed error={start.error} />
    </Dialog>
  );
}

/** Words between spaces and commas. */
const words = (text: string) => text.split(/[\s,]+/).filter(Boolean);

const ended = ["completed", "failed", "cancelled"];

function HuntView({ id }: { id: string }) {
  const [open, setOpen] = useState("");
  const q = useQuery({
    ...queries.hunt(id),
    refetchInterval: (x) => (ended.includes(x.state.data?.status ?? "") ? false : 1000),
    retry: 5,
  });
  const stop = useChange([], () => api.cancelHunt(id));
  return (
    <Loaded q={q} rows={4}>
      {(h: HuntState) => (
        <div className="stack">
          {ended.includes(h.status) ? null : (
            <div className="bar">
              <Meter label="Hunt" value={percent(h.windows, h.all)} />
              <button onClick={() => stop.mutate(undefined)}>
                <CircleStop size={14} aria-hidden /> Cancel
              </button>
            </div>
          )}
          <Facts
            of={[
              [
                "Rule",
                h.result.rules ? (
                  `${count(h.result.rules)} rules`
                ) : (
                  <To to={`/detections/${encodeURIComponent(ruleOf(id))}`}>{ruleOf(id)}</To>
                ),
              ],
              ["State", <State of={h.status} />],
              ["From", `${when(h.from)} UTC`],
              ["To", `${when(h.to)} UTC`],
              ["Events", count(h.events)],
              ...(h.result.preview ? expected(h.result.preview) : outcome(h)),
              ["Error", h.error ? <Text of={h.error} max={400} /> : ""],
            ]}
          />
          <Found rows={h.result.found ?? []} open={open} setOpen={setOpen} />
          {(h.result.skipped ?? []).map((text) => (
            <p key={text} className="dim">
              Left out: <Text of={text} max={300} />
            </p>
          ))}
          <ul className="plain">
            {(h.result.samples ?? []).map((s) => (
              <li key={s}>
                <button
                  className="ghost mono"
                  aria-expanded={open === s}
                  onClick={() => setOpen(open === s ? "" : s)}
                >
                  {s}
                </button>
                {open === s ? <EventView id={s} /> : null}
              </li>
            ))}
          </ul>
        </div>
      )}
    </Loaded>
  );
}

/** What a hunt found. */
const outcome = (h: HuntState): [string, ReactNode][] => [
  ["Events that fit", count(h.result.hits)],
  ["Detections it makes", count(h.result.fires)],
  ["Newly raised", `${count(h.result.detections)} in ${count(h.result.alerts)} alerts`],
  ["Read", `${count(h.result.scanned)} rows, ${bytes(h.result.bytes)} in ${count(h.result.millis)} ms`],
];

/** What a hunt will cost and find. */
const expected = (p: HuntPreview): [string, ReactNode][] => [
  ["Will read", `about ${count(p.rows)} rows, ${bytes(p.bytes)}`],
  ["Will take", `about ${count(Math.ceil(p.millis / 1000))} s`],
  ["Detections to expect", `about ${count(p.fires)}`],
  ["Alerts to expect", `about ${count(p.alerts)}`],
  [
    "Judged by",
    `the newest ${count(p.sample_events)} events: ${count(p.sample_fires)} detections, ${count(p.sample_alerts)} alerts`,
  ],
];

type FoundProps = { rows: HuntRule[]; open: string; setOpen: (id: string) => void };

/** What each of many rules found. */
function Found({ rows, open, setOpen }: FoundProps) {
  if (rows.length === 0) return null;
  return (
    <Table
      label="Rules that fire"
      rows={rows}
      id={(f) => f.rule}
      columns={[
        {
          name: "Rule",
          cell: (f) => (
            <>
              <To to={`/detections/${encodeURIComponent(f.rule)}`}>
                <Text of={f.title} max={80} />
              </To>
              {(f.samples ?? []).includes(open) ? <EventView id={open} /> : null}
            </>
          ),
        },
        { name: "Severity", cell: (f) => <Sev s={f.severity} /> },
        { name: "Fires", cell: (f) => count(f.fires) },
        {
          name: "Events",
          cell: (f) =>
            (f.samples ?? []).map((s) => (
              <button
                key={s}
                className="ghost mono"
                aria-expanded={open === s}
                onClick={() => setOpen(open === s ? "" : s)}
              >
                {s.slice(0, 8)}
              </button>
            )),
        },
      ]}
    />
  );
}
