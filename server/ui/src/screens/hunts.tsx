import { useQuery } from "@tanstack/react-query";
import { CircleStop, Play } from "lucide-react";
import { useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import type { Hunt, HuntState } from "../api/types";
import { State } from "../kit/badges";
import { Dialog, Drawer } from "../kit/dialog";
import { useChange } from "../kit/hooks";
import { Facts, Head, Meter, Table, To } from "../kit/layout";
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
        <span className="dim">one rule over stored events</span>
      </Head>
      <Loaded q={q}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty title="No hunt yet" command="vigil hunt linux-ssh-brute-force --last 720h">
              A hunt asks a rule of what is stored, without waiting for new events.
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

function NewHunt({ close, started }: { close: () => void; started: (id: string) => void }) {
  const rules = useQuery(queries.rules());
  const [rule, setRule] = useState("");
  const [range, setRange] = useState("30d");
  const [raise, setRaise] = useState(false);
  const start = useChange(
    [],
    () => api.startHunt({ rule, ...timesOf(range, Date.now()), limit: 50, raise }),
    (h) => {
      close();
      started(h.workflow);
    },
  );
  return (
    <Dialog
      title="New hunt"
      close={close}
      submit={() => (rule ? start.mutate(undefined) : undefined)}
      footer={
        <>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button className="primary" disabled={!rule || start.isPending}>
            Start
          </button>
        </>
      }
    >
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
      <RangePicker value={range} choose={setRange} />
      <label className="check">
        <input type="checkbox" checked={raise} onChange={(e) => setRaise(e.target.checked)} /> Raise alerts of
        what it finds
      </label>
      <Failed error={start.error} />
    </Dialog>
  );
}

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
              ["Rule", <To to={`/detections/${encodeURIComponent(ruleOf(id))}`}>{ruleOf(id)}</To>],
              ["State", <State of={h.status} />],
              ["From", `${when(h.from)} UTC`],
              ["To", `${when(h.to)} UTC`],
              ["Events that fit", count(h.result.hits)],
              ["Detections it makes", count(h.result.fires)],
              ["Newly raised", `${count(h.result.detections)} in ${count(h.result.alerts)} alerts`],
              [
                "Read",
                `${count(h.result.scanned)} rows, ${bytes(h.result.bytes)} in ${count(h.result.millis)} ms`,
              ],
              ["Error", h.error ? <Text of={h.error} max={400} /> : ""],
            ]}
          />
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
