import { useQuery } from "@tanstack/react-query";
import { BrainCircuit, Undo2 } from "lucide-react";
import { useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import type { GateCheck, Model, ModelDetail } from "../api/types";
import { State } from "../kit/badges";
import { CopyButton } from "../kit/code";
import { Dialog } from "../kit/dialog";
import { useChange } from "../kit/hooks";
import { Facts, Head, Panel, Table, To } from "../kit/layout";
import { useMay } from "../kit/may";
import { Empty, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { useToast } from "../kit/toast";
import { ago, bytes, count, figure, plural, when, words } from "../lib/format";

export default function Models({ id }: { id?: string }) {
  return id ? <ModelPage id={id} /> : <List />;
}

const at = (id: string) => `/models/${encodeURIComponent(id)}`;

function List() {
  const q = useQuery(queries.models());
  const all = q.data?.items ?? [];
  const detectors = [...new Set(all.map((m) => m.detector))].toSorted();
  return (
    <>
      <Head title="Models">
        <span className="dim">
          {q.data ? `${plural(all.length, "model")} of ${plural(detectors.length, "detector")}` : ""}
        </span>
      </Head>
      <Loaded q={q}>
        {() =>
          all.length === 0 ? (
            <Empty title="No model is trained yet" command="vigil models train zeek-conn-iforest">
              Each is trained on your own events and put in force only when it passes the gate.
            </Empty>
          ) : (
            <div className="stack">
              {detectors.map((d) => (
                <Detector key={d} name={d} models={all.filter((m) => m.detector === d)} />
              ))}
            </div>
          )
        }
      </Loaded>
    </>
  );
}

function Detector({ name, models }: { name: string; models: Model[] }) {
  const may = useMay();
  const toast = useToast();
  const champion = models.find((m) => m.status === "champion");
  const train = useChange(
    ["models"],
    () => api.trainModel(name),
    () => toast({ text: `${name} is being trained` }),
  );
  return (
    <Panel
      title={<Text of={name} />}
      note={
        may("admin:models") ? (
          <button disabled={train.isPending} onClick={() => train.mutate(undefined)}>
            <BrainCircuit size={14} aria-hidden /> Train now
          </button>
        ) : champion ? (
          <>in force since {ago(champion.created)}</>
        ) : (
          "nothing in force"
        )
      }
      flush
    >
      <Table
        label={`Models of ${name}`}
        rows={models.toSorted((a, b) => b.created.localeCompare(a.created)).slice(0, 50)}
        id={(m) => m.id}
        columns={[
          {
            name: "Model",
            cell: (m) => (
              <To className="mono" to={at(m.id)}>
                {m.id.slice(0, 12)}
              </To>
            ),
          },
          { name: "Status", cell: (m) => <State of={m.status} /> },
          { name: "Gate", cell: (m) => <Gate of={m.checks ?? []} /> },
          { name: "Recall", num: true, cell: (m) => figure(m.metrics?.recall) },
          { name: "Rows", num: true, cell: (m) => count(m.rows) },
          { name: "Trained (UTC)", cell: (m) => <span className="nowrap">{when(m.created)}</span> },
          { name: "Decision", cell: (m) => <Text of={m.decision} max={160} /> },
        ]}
      />
    </Panel>
  );
}

function Gate({ of }: { of: GateCheck[] }) {
  if (of.length === 0) return <span className="dim">–</span>;
  const passed = of.filter((c) => c.pass).length;
  return (
    <span className={passed === of.length ? "tone-ok nowrap" : "tone-bad nowrap"}>
      {passed} of {of.length} passed
    </span>
  );
}

function ModelPage({ id }: { id: string }) {
  const q = useQuery(queries.model(id));
  return <Loaded q={q}>{(m) => <Card m={m} />}</Loaded>;
}

function Card({ m }: { m: ModelDetail }) {
  const may = useMay();
  const [asks, setAsks] = useState(false);
  return (
    <>
      <Head
        title={<Text of={m.detector} />}
        actions={
          m.status === "champion" && may("admin:models") ? (
            <button className="danger" onClick={() => setAsks(true)}>
              <Undo2 size={14} aria-hidden /> Roll back…
            </button>
          ) : null
        }
      >
        <State of={m.status} />
        <span className="mono dim">{m.id.slice(0, 12)}</span>
      </Head>
      <div className="with-side">
        <div className="stack">
          {m.decision ? (
            <p className="lead">
              <Text of={m.decision} />
            </p>
          ) : null}
          <Panel title="The gate" note="each check must pass" flush>
            <Checks of={m.checks ?? []} />
          </Panel>
          <Panel title="Metrics" note="on rows it was not trained on">
            <Metrics of={m.metrics ?? {}} />
          </Panel>
          <Panel title="Features" note={plural((m.features ?? []).length, "feature")}>
            {(m.features ?? []).map((f) => (
              <span key={f} className="tag mono">
                <Text of={f} />
              </span>
            ))}
          </Panel>
        </div>
        <Panel title="About">
          <Facts
            of={[
              [
                "Model",
                <span className="mono">
                  {m.id} <CopyButton text={m.id} label="Copy the id" />
                </span>,
              ],
              ["Trained", `${when(m.created)} UTC`],
              ["On events from", `${when(m.train_from)} UTC`],
              ["to", `${when(m.train_to)} UTC`],
              ["Rows", count(m.rows)],
              ["Threshold", figure(m.threshold)],
              ["Scores kept", count(m.scores_kept)],
              ["Above threshold", count(m.scores_above)],
              ["Size", bytes(m.size)],
              ["Data set", m.dataset ? <span className="mono">{m.dataset.slice(0, 16)}</span> : ""],
              [
                "Replaces",
                m.replaces ? (
                  <To className="mono" to={at(m.replaces)}>
                    {m.replaces.slice(0, 12)}
                  </To>
                ) : (
                  "nothing"
                ),
              ],
            ]}
          />
        </Panel>
      </div>
      {asks ? <RollBack m={m} close={() => setAsks(false)} /> : null}
    </>
  );
}

function Checks({ of }: { of: GateCheck[] }) {
  if (of.length === 0) return <Empty title="No check is recorded" />;
  return (
    <Table
      label="Checks of the gate"
      rows={of}
      id={(c) => c.name}
      columns={[
        { name: "Check", cell: (c) => words(c.name) },
        { name: "Measured", num: true, cell: (c) => figure(c.measured) },
        { name: "Limit", num: true, cell: (c) => `${c.at_most ? "at most" : "at least"} ${figure(c.limit)}` },
        { name: "Result", cell: (c) => <State of={c.pass ? "ok" : "failed"} /> },
      ]}
    />
  );
}

function Metrics({ of }: { of: Record<string, number> }) {
  const rows = Object.entries(of).toSorted(([a], [b]) => a.localeCompare(b));
  return (
    <dl className="fields">
      {rows.map(([k, v]) => (
        <div key={k}>
          <dt>
            <Text of={k} />
          </dt>
          <dd>{figure(v)}</dd>
        </div>
      ))}
    </dl>
  );
}

function RollBack({ m, close }: { m: Model; close: () => void }) {
  const toast = useToast();
  const [reason, setReason] = useState("");
  const change = useChange(
    ["models"],
    () => api.rollBackModel(m.detector, reason.trim()),
    (r) => {
      toast({
        text: r.champion ? `${r.champion.slice(0, 12)} is in force again` : "No model is in force now",
      });
      close();
    },
  );
  return (
    <Dialog
      title={`Take ${m.detector} back`}
      close={close}
      submit={() => reason.trim() && change.mutate(undefined)}
      footer={
        <>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button className="danger" disabled={!reason.trim() || change.isPending}>
            Roll back
          </button>
        </>
      }
    >
      <p className="dim">
        {m.replaces ? (
          <>
            The model before it, <span className="mono">{m.replaces.slice(0, 12)}</span>, is in force again.
          </>
        ) : (
          "There was none before it: nothing scores until the next training."
        )}
      </p>
      <label>
        Reason
        <textarea
          data-first
          rows={3}
          maxLength={1000}
          value={reason}
          onChange={(e) => setReason(e.target.value)}
          required
        />
      </label>
    </Dialog>
  );
}
