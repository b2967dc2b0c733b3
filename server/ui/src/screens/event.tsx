import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { queries } from "../api/queries";
import type { Prevalence, StoredEvent } from "../api/types";
import { Code } from "../kit/code";
import { Choice, Facts } from "../kit/layout";
import { Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { Value } from "../kit/value";
import { bytes, isSet, plural, pretty, when } from "../lib/format";
import { useRoute } from "../lib/router";
import { summaryOf } from "../lib/summary";

type Tab = "fields" | "raw" | "json" | "around";

const tabs = [
  { id: "fields", name: "Fields" },
  { id: "raw", name: "Raw" },
  { id: "json", name: "JSON" },
  { id: "around", name: "Around it" },
];

/** One event whole: its fields, the record as it arrived, and both as JSON. */
export function EventView({ id }: { id: string }) {
  const q = useQuery(queries.event(id));
  const [tab, setTab] = useState<Tab>("fields");
  return (
    <Loaded q={q} rows={5}>
      {(e) => (
        <div className="event">
          <Choice label="How the event is shown" of={tabs} value={tab} choose={(t) => setTab(t as Tab)} />
          {tab === "fields" ? <Fields e={e} /> : null}
          {tab === "raw" ? (
            <Code
              text={pretty(e.raw)}
              language={e.raw.startsWith("{") ? "json" : "text"}
              copy
              label="Record as it arrived"
            />
          ) : null}
          {tab === "around" ? <Around e={e} /> : null}
          {tab === "json" ? (
            <Code text={pretty(JSON.stringify(asJSON(e)))} language="json" copy label="Event as JSON" />
          ) : null}
        </div>
      )}
    </Loaded>
  );
}

function asJSON(e: StoredEvent) {
  return {
    id: e.id,
    "@timestamp": e.time,
    source: e.source,
    ...e.fields,
    extras: e.extras ?? {},
    raw: e.raw,
  };
}

function Fields({ e }: { e: StoredEvent }) {
  const rows = Object.entries(e.fields).toSorted(([a], [b]) => a.localeCompare(b));
  const common = useQuery(queries.prevalence(e.id));
  const rarity = new Map((common.data?.items ?? []).map((p) => [p.field, p]));
  const extras = Object.entries(e.extras ?? {}).toSorted(([a], [b]) => a.localeCompare(b));
  return (
    <>
      <FieldTable rows={rows} rarity={rarity} />
      {extras.length > 0 ? (
        <>
          <p className="subhead">Fields that no model names</p>
          <FieldTable rows={extras} />
        </>
      ) : null}
      <Facts
        of={[
          ["Source", <Value field="source" of={e.source} />],
          ["Ingested", isSet(e.ingested) ? `${when(e.ingested)} UTC` : ""],
          ["Where", `chunk ${e.chunk.slice(0, 12)}, byte ${e.offset}`],
          ["Size", bytes(new TextEncoder().encode(e.raw).length)],
          ["Event id", <span className="mono">{e.id}</span>],
        ]}
      />
    </>
  );
}

/** How common a value is in the 30 days before: what few hosts have stands out. */
function Rarity({ of }: { of: Prevalence }) {
  const rare = of.events <= 3;
  return (
    <span
      className={`rarity ${rare ? "is-rare" : "dim"}`}
      title={`in the 30 days before; first seen ${when(of.first)} UTC`}
    >
      {rare ? "rare: " : ""}
      {plural(of.events, "event")}
      {of.field === "host.name" || of.hosts === 0 ? "" : `, ${plural(of.hosts, "host")}`}
    </span>
  );
}

const steps = [5, 10, 25, 50];

/** What the same host, or the same source, did just before and after. */
function Around({ e }: { e: StoredEvent }) {
  const [n, setN] = useState(5);
  const q = useQuery(queries.around(e.id, n));
  const { set } = useRoute();
  return (
    <>
      <Choice
        label="Events before and after"
        of={steps.map((s) => ({ id: String(s), name: `± ${s}` }))}
        value={String(n)}
        choose={(id) => setN(Number(id))}
      />
      <Loaded q={q} rows={5}>
        {(page) => (
          <ol className="plain around">
            {page.items.map((r) => (
              <li key={r.id} aria-current={r.id === e.id ? "true" : undefined}>
                <button className="ghost mono nowrap" onClick={() => set({ d: r.id })}>
                  {r.time.slice(11, 23).replace("Z", "")}
                </button>
                <span className="dim nowrap">{r.dataset}</span>
                <span className="mono clamp">
                  <Text of={summaryOf(r)} max={200} />
                </span>
              </li>
            ))}
          </ol>
        )}
      </Loaded>
    </>
  );
}

export function FieldTable({ rows, rarity }: { rows: [string, string][]; rarity?: Map<string, Prevalence> }) {
  return (
    <dl className="fields">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>
            <Text of={name} />
          </dt>
          <dd>
            <Value field={name} of={value} max={2000} />
            {rarity?.get(name) ? <Rarity of={rarity.get(name) as Prevalence} /> : null}
          </dd>
        </div>
      ))}
    </dl>
  );
}
