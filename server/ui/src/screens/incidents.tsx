import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../api/client";
import type { Incident, Page } from "../api/types";
import { Score, Sev, State } from "../kit/badges";
import { useCursor, useNow } from "../kit/hooks";
import { useCommand } from "../kit/keyboard";
import { Choice, Head, To } from "../kit/layout";
import { Empty, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { ago, plural, when } from "../lib/format";
import { useRoute, word } from "../lib/router";
import { IncidentPage } from "./incident";
import { KPIs } from "./incident-case";

const pageSize = 100;

const orders = [
  { id: "risk", name: "Riskiest" },
  { id: "opened", name: "Newest" },
];

const statuses = [
  { id: "active", name: "Active" },
  { id: "closed", name: "Closed" },
  { id: "any", name: "Any" },
];

export default function Incidents({ id }: { id?: string }) {
  return id ? <IncidentPage id={id} /> : <List />;
}

function List() {
  const { params, set, go } = useRoute();
  const status = params.get("status") ?? "active";
  const sort = word(["opened", "risk"], params.get("sort"));
  const q = useInfiniteQuery({
    queryKey: ["incidents", "list", status, sort],
    queryFn: ({ pageParam }) =>
      api.incidents({ status: status === "any" ? "" : status, limit: pageSize, cursor: pageParam, sort }),
    initialPageParam: "",
    getNextPageParam: (last: Page<Incident>) => last.next || undefined,
  });
  const rows = q.data?.pages.flatMap((p) => p.items) ?? [];
  const [active, setActive] = useState("");
  const open = (id: string) => go(`/incidents/${encodeURIComponent(id)}`);
  useCursor(
    rows.map((i) => i.id),
    active,
    setActive,
  );
  useCommand("page", active ? () => open(active) : undefined);
  useCommand("drawer", active ? () => open(active) : undefined);
  return (
    <>
      <Head title="Incidents">
        <span className="dim">
          {q.data ? `${plural(rows.length, "incident")}${q.hasNextPage ? " and more" : ""}` : ""}
        </span>
      </Head>
      <div className="bar">
        <Choice label="Status" of={statuses} value={status} choose={(s) => set({ status: s }, true)} />
        <Choice label="Order" of={orders} value={sort} choose={(s) => set({ sort: s }, true)} />
      </div>
      <KPIs />
      <Loaded q={q}>
        {() =>
          rows.length === 0 ? (
            <NoIncident status={status} />
          ) : (
            <>
              <Rows rows={rows} active={active} activate={setActive} />
              {q.hasNextPage ? (
                <p className="center-line">
                  <button disabled={q.isFetchingNextPage} onClick={() => void q.fetchNextPage()}>
                    Older incidents
                  </button>
                </p>
              ) : null}
            </>
          )
        }
      </Loaded>
    </>
  );
}

function NoIncident({ status }: { status: string }) {
  if (status === "closed") return <Empty title="No incident was closed yet" />;
  return (
    <Empty title="No active incident" command="vigil up --demo">
      High alerts open incidents by themselves; the demo attack makes some.
    </Empty>
  );
}

function Rows({
  rows,
  active,
  activate,
}: {
  rows: Incident[];
  active: string;
  activate: (id: string) => void;
}) {
  const now = useNow(10_000);
  return (
    <div className="scroll">
      <table className="cards">
        <thead>
          <tr>
            <th>Severity</th>
            <th>Incident</th>
            <th>Status</th>
            <th className="num">Alerts</th>
            <th>Assignee</th>
            <th>Opened</th>
            <th>Risk</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((i) => (
            <tr
              key={i.id}
              data-row={i.id}
              className={`row edge-${i.severity} ${active === i.id ? "is-active" : ""}`}
              onFocus={() => activate(i.id)}
            >
              <td>
                <Sev s={i.severity} />
              </td>
              <td className="cell-title">
                <To data-row-button className="row-title" to={`/incidents/${encodeURIComponent(i.id)}`}>
                  <Text of={i.title} max={140} />
                </To>
                <span className="row-sub mono dim">
                  <Text of={i.key} max={80} />
                </span>
              </td>
              <td>
                <State of={i.status} />
              </td>
              <td className="num" data-label="alerts">
                {(i.alerts ?? []).length}
              </td>
              <td>{i.assignee ? <Text of={i.assignee} /> : <span className="dim">nobody</span>}</td>
              <td className="nowrap">
                <time dateTime={i.opened} title={`${when(i.opened)} UTC`}>
                  {ago(i.opened, now)}
                </time>
              </td>
              <td>
                <Score of={i.risk} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
