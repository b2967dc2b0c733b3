import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { queries } from "../api/queries";
import type { StoredEvent } from "../api/types";
import { Code } from "../kit/code";
import { Choice, Facts } from "../kit/layout";
import { Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { Value } from "../kit/value";
import { bytes, isSet, pretty, when } from "../lib/format";

type Tab = "fields" | "raw" | "json";

const tabs = [
  { id: "fields", name: "Fields" },
  { id: "raw", name: "Raw" },
  { id: "json", name: "JSON" },
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
  const extras = Object.entries(e.extras ?? {}).toSorted(([a], [b]) => a.localeCompare(b));
  return (
    <>
      <FieldTable rows={rows} />
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

export function FieldTable({ rows }: { rows: [string, string][] }) {
  return (
    <dl className="fields">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>
            <Text of={name} />
          </dt>
          <dd>
            <Value field={name} of={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
