import { useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import type { Alert, Entity, FacetValue } from "../api/types";
import { Score, Sev, State } from "../kit/badges";
import { Histogram } from "../kit/histogram";
import { useCommand } from "../kit/keyboard";
import { Choice, Facts, Head, Panel, Table, To } from "../kit/layout";
import { RangePicker } from "../kit/range";
import { Empty, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { Value } from "../kit/value";
import { type EntityKind, entityKind, entityKinds, entityPath, isKind } from "../lib/entity";
import { ago, count, plural, short, when } from "../lib/format";
import { rangeOf, term, timesOf } from "../lib/query";
import { useRoute } from "../lib/router";

export default function Entities({ id }: { id?: string }) {
  const [kind = "", ...name] = (id ?? "").split(":");
  if (isKind(kind) && name.length > 0) return <EntityPage kind={kind} name={name.join(":")} />;
  return <List />;
}

const kinds = [
  { id: "host", name: "Hosts" },
  { id: "user", name: "Users" },
  { id: "ip", name: "Addresses" },
];

const fieldOf = (kind: EntityKind) => entityKinds[kind][0];

function List() {
  const { params, set } = useRoute();
  const box = useRef<HTMLInputElement>(null);
  const asked = params.get("kind") ?? "host";
  const kind: EntityKind = isKind(asked) ? asked : "host";
  const text = params.get("q") ?? "";
  const q = useQuery(queries.entities(kind, text));
  useCommand("query", () => box.current?.focus());
  return (
    <>
      <Head title="Entities">
        <span className="dim">riskiest first; risk counts each open rule once</span>
      </Head>
      <div className="bar">
        <Choice label="Kind of entity" of={kinds} value={kind} choose={(kind) => set({ kind })} />
        <input
          ref={box}
          className="grow"
          type="search"
          aria-label="Name"
          placeholder="Part of the name   /"
          value={text}
          onChange={(e) => set({ q: e.target.value })}
        />
      </div>
      <Loaded q={q}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty title="No entity fits">No event and no alert names one like this.</Empty>
          ) : (
            <Rows rows={page.items} kind={kind} />
          )
        }
      </Loaded>
    </>
  );
}

function Rows({ rows, kind }: { rows: Entity[]; kind: EntityKind }) {
  return (
    <Table
      label="Entities"
      rows={rows}
      id={(e) => e.name}
      columns={[
        {
          name: "Name",
          className: "mono",
          cell: (e) => (
            <To to={entityPath(fieldOf(kind), e.name)}>
              <b>
                <Text of={e.name} max={100} />
              </b>
            </To>
          ),
        },
        { name: "Risk", cell: (e) => <Score of={Math.round(e.risk)} /> },
        { name: "Open alerts", num: true, cell: (e) => count(e.open) },
        { name: "All alerts", num: true, cell: (e) => count(e.alerts) },
        { name: "Rules", num: true, cell: (e) => count(e.rules) },
        { name: "Events", num: true, cell: (e) => short(e.events) },
        { name: "First seen (UTC)", cell: (e) => <span className="nowrap">{when(e.first)}</span> },
        { name: "Last seen", cell: (e) => <span className="nowrap">{ago(e.last)}</span> },
      ]}
    />
  );
}

/** Everything about one host, user or address. */
function EntityPage({ kind, name }: { kind: EntityKind; name: string }) {
  const q = useQuery(queries.entity(kind, name));
  const { params, set } = useRoute();
  const range = params.get("t") ?? "all";
  const query = entityKinds[kind]
    .slice(0, 2)
    .map((f) => term(f, name))
    .join(" OR ");
  return (
    <Loaded q={q}>
      {(e) => (
        <>
          <Head
            title={<Text of={name} max={120} />}
            actions={
              <>
                <RangePicker value={range} choose={(t) => set({ t }, true)} />
                <To className="button" to={`/search?${new URLSearchParams({ q: query, t: range })}`}>
                  Its events
                </To>
              </>
            }
          >
            <span className="tag">{kind}</span>
            <Score of={Math.round(e.risk)} />
          </Head>
          <div className="with-side">
            <div className="stack">
              <Activity query={query} range={range} kind={kind} name={name} />
            </div>
            <aside className="stack" aria-label="About the entity">
              <Panel title="About">
                <Facts
                  of={[
                    ["Name", <Value field={fieldOf(kind)} of={name} />],
                    ["First seen", `${when(e.first)} UTC`],
                    ["Last seen", `${when(e.last)} UTC`],
                    ["Events", count(e.events)],
                    ["Open alerts", `${count(e.open)} of ${count(e.alerts)}`],
                    ["Rules that fired", count(e.rules)],
                  ]}
                />
              </Panel>
              <EntityAlerts name={name} />
            </aside>
          </div>
        </>
      )}
    </Loaded>
  );
}

const peerFields = ["host.name", "user.name", "source.ip", "destination.ip", "process.name", "event.action"];

/** What it did over time, and with whom. */
function Activity({
  query,
  range,
  kind,
  name,
}: {
  query: string;
  range: string;
  kind: EntityKind;
  name: string;
}) {
  const { set } = useRoute();
  const q = useQuery({
    queryKey: ["entities", "activity", query, range],
    queryFn: ({ signal }) =>
      api.search(
        { id: crypto.randomUUID(), query, ...timesOf(range, Date.now()), limit: 1, histogram: true },
        signal,
      ),
    staleTime: 60_000,
    retry: false,
  });
  return (
    <Loaded q={q} rows={6}>
      {(r) => (
        <>
          <Histogram
            buckets={r.histogram}
            step={r.step}
            from={r.from}
            to={r.to}
            total={r.total}
            brush={(from, to) => set({ t: rangeOf(from, to) }, true)}
          />
          <div className="peers">
            {peerFields.map((f) => {
              const values = (r.facets[f] ?? []).filter((v) => !(entityKind(f) === kind && v.value === name));
              return values.length > 0 ? <Peers key={f} field={f} values={values} /> : null;
            })}
          </div>
        </>
      )}
    </Loaded>
  );
}

function Peers({ field, values }: { field: string; values: FacetValue[] }) {
  const top = values[0]?.count ?? 1;
  return (
    <Panel title={<span className="mono">{field}</span>} note={plural(values.length, "value")}>
      <ul className="plain">
        {values.map((v) => (
          <li key={v.value} className="facet">
            <span className="facet-bar" aria-hidden style={{ width: `${(100 * v.count) / top}%` }} />
            <Value field={field} of={v.value} max={40} />
            <span className="facet-count dim">{short(v.count)}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function EntityAlerts({ name }: { name: string }) {
  const q = useQuery(queries.alertsOf(name));
  return (
    <Panel
      title="Alerts"
      note={<To to={`/alerts?${new URLSearchParams({ q: name, status: "any" })}`}>all</To>}
    >
      <Loaded q={q} rows={3}>
        {(page) => {
          const rows = page.items.filter((a: Alert) => Object.values(a.entities ?? {}).includes(name));
          if (rows.length === 0) return <p className="dim">No alert names it.</p>;
          return (
            <ul className="plain">
              {rows.map((a) => (
                <li key={a.id} className="side-row">
                  <Sev s={a.severity} />
                  <To className="grow" to={`/alerts/${encodeURIComponent(a.id)}`}>
                    <Text of={a.title} max={100} />
                  </To>
                  <State of={a.status} />
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
    </Panel>
  );
}
