import { useQuery } from "@tanstack/react-query";
import { queries } from "../api/queries";
import { type Home as HomeView, severities, type SourceStatus } from "../api/types";
import { Risk, Sev, State } from "../kit/badges";
import { useNow } from "../kit/hooks";
import { Head, Meter, Panel, Table, To } from "../kit/layout";
import { useMay, useMe } from "../kit/may";
import { Empty, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { ago, count, percent, short, until } from "../lib/format";
import { mainEntity } from "../lib/groups";

export default function Home() {
  const me = useMe();
  const q = useQuery(queries.home());
  return (
    <>
      <Head title="Home">
        <span className="dim">
          {me.org} · Vigil {me.version}
        </span>
      </Head>
      <Loaded q={q}>{(h) => <View h={h} />}</Loaded>
    </>
  );
}

function View({ h }: { h: HomeView }) {
  const worst = severities.find((s) => (h.by_severity[s] ?? 0) > 0);
  return (
    <div className="stack">
      <div className="tiles">
        <Tile
          to="/alerts"
          n={h.alerts_open}
          name="open alerts"
          note={
            worst ? (
              <>
                worst: <Sev s={worst} />
              </>
            ) : (
              "all quiet"
            )
          }
        />
        <Tile to="/incidents" n={h.incidents_open} name="active incidents" />
        <Tile
          to="/approvals"
          n={h.approvals_pending}
          name="approvals waiting"
          hot={h.approvals_pending > 0}
          note={h.approvals_pending > 0 ? "playbooks stand still" : "nothing waits"}
        />
        <Tile to="/search" n={h.events_24h} name="events in 24 hours" />
      </div>
      <SeverityBar by={h.by_severity} />
      <div className="halves is-wide-left">
        <div className="stack">
          <NewestAlerts />
          <Panel title="Sources" note={<To to="/sources">all sources</To>} flush>
            {(h.sources ?? []).length === 0 ? (
              <Empty title="Nothing is ingested yet" command="vigil ingest /var/log/auth.log">
                Or load the demo attack: vigil up --demo
              </Empty>
            ) : (
              <SourceRows rows={h.sources ?? []} />
            )}
          </Panel>
        </div>
        <div className="stack">
          <WaitingApprovals />
          <Panel title="Rules that fire most" note="open alerts" flush>
            <TopRules rows={h.top_rules ?? []} />
          </Panel>
        </div>
      </div>
    </div>
  );
}

interface TileProps {
  to: string;
  n: number;
  name: string;
  note?: React.ReactNode;
  hot?: boolean;
}

function Tile({ to, n, name, note, hot }: TileProps) {
  return (
    <To className={`tile ${hot ? "is-hot" : ""}`} to={to}>
      <span className="tile-name">{name}</span>
      <b title={count(n)}>{short(n)}</b>
      <span className="dim">{note ?? "\u00a0"}</span>
    </To>
  );
}

/** Open alerts by severity as one bar; each part is a link. */
function SeverityBar({ by }: { by: Record<string, number> }) {
  const all = severities.filter((s) => (by[s] ?? 0) > 0);
  const total = all.reduce((n, s) => n + (by[s] ?? 0), 0);
  if (total === 0) return null;
  return (
    <Panel title="Open alerts by severity">
      <div className="severity-bar" aria-hidden>
        {all.map((s) => (
          <span key={s} className={`bg-sev-${s}`} style={{ flexGrow: by[s] }} />
        ))}
      </div>
      <div className="severity-legend">
        {all.map((s) => (
          <To key={s} to={`/alerts?severity=${s}`}>
            <Sev s={s} /> <b>{count(by[s] ?? 0)}</b>
          </To>
        ))}
      </div>
    </Panel>
  );
}

/** What came last: the queue's newest, one click from its page. */
function NewestAlerts() {
  const q = useQuery({ ...queries.newestAlerts(), enabled: useMay()("read:alerts") });
  const now = useNow(10_000);
  return (
    <Panel title="Newest alerts" note={<To to="/alerts">the queue</To>} flush>
      <Loaded q={q} rows={4}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No open alert" />
          ) : (
            <Table
              label="Newest alerts"
              rows={items.toSorted((a, b) => b.created.localeCompare(a.created)).slice(0, 6)}
              id={(a) => a.id}
              columns={[
                { name: "Severity", cell: (a) => <Sev s={a.severity} /> },
                {
                  name: "Alert",
                  cell: (a) => (
                    <To to={`/alerts/${encodeURIComponent(a.id)}`}>
                      <Text of={a.title} max={90} />
                    </To>
                  ),
                },
                { name: "About", cell: (a) => <Text of={mainEntity(a)?.[1] ?? ""} max={40} /> },
                { name: "Raised", cell: (a) => <span className="nowrap">{ago(a.created, now)}</span> },
              ]}
            />
          )
        }
      </Loaded>
    </Panel>
  );
}

/** What stands still until a person answers. */
function WaitingApprovals() {
  const q = useQuery({ ...queries.approvals("pending", 5), enabled: useMay()("read:approvals") });
  const now = useNow();
  return (
    <Panel title="Waiting for a person" note={<To to="/approvals">all approvals</To>}>
      <Loaded q={q} rows={2}>
        {({ items }) => (
          <ul className="plain">
            {items.length === 0 ? <li className="dim">Nothing waits.</li> : null}
            {items.map((a) => (
              <li key={a.id} className="side-row">
                <Risk of={a.risk} />
                <To className="grow" to={`/approvals/${encodeURIComponent(a.id)}`}>
                  {a.action}{" "}
                  <span className="mono">
                    <Text of={a.target} max={60} />
                  </span>
                </To>
                <span className="dim nowrap">{until(a.deadline, now)}</span>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </Panel>
  );
}

function SourceRows({ rows }: { rows: SourceStatus[] }) {
  return (
    <Table
      label="Sources"
      rows={rows}
      id={(s) => s.id}
      columns={[
        {
          name: "Source",
          cell: (s) => (
            <To to={`/sources/${encodeURIComponent(s.id)}`}>
              <Text of={s.id} max={40} />
            </To>
          ),
        },
        {
          name: "Status",
          cell: (s) =>
            s.status === "running" && s.objects_all > 0 ? (
              <Meter label={`Progress of ${s.id}`} value={percent(s.objects, s.objects_all)} />
            ) : (
              <State of={s.status} />
            ),
        },
        { name: "Events", num: true, cell: (s) => count(s.events) },
        {
          name: "Rejects",
          num: true,
          cell: (s) => <span className={s.failures ? "tone-bad" : "dim"}>{count(s.failures)}</span>,
        },
        { name: "Last", cell: (s) => <span className="nowrap">{ago(s.last)}</span> },
      ]}
    />
  );
}

function TopRules({ rows }: { rows: { rule: string; title: string; count: number }[] }) {
  const top = rows[0]?.count ?? 1;
  if (rows.length === 0) return <Empty title="No open alert" />;
  return (
    <ul className="ranked">
      {rows.map((r) => (
        <li key={r.rule}>
          <span className="ranked-bar" aria-hidden style={{ width: `${(100 * r.count) / top}%` }} />
          <To to={`/alerts?rule=${encodeURIComponent(r.rule)}`}>
            <Text of={r.title} max={80} />
          </To>
          <b>{count(r.count)}</b>
        </li>
      ))}
    </ul>
  );
}
