import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Check, ChevronDown, ChevronRight, PanelRight, Siren, UserRound } from "lucide-react";
import { Fragment, useMemo, useRef, useState } from "react";
import { api, type AlertFilter } from "../api/client";
import { queries } from "../api/queries";
import { type Page, severities, type Alert } from "../api/types";
import { Score, Sev, State } from "../kit/badges";
import { Drawer } from "../kit/dialog";
import { useChange, useCursor, useNow } from "../kit/hooks";
import { useCommand } from "../kit/keyboard";
import { Choice, Head, To } from "../kit/layout";
import { useMay, useMe } from "../kit/may";
import { Empty, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { useToast } from "../kit/toast";
import { Entities } from "../kit/value";
import { ago, count, plural, when } from "../lib/format";
import { group, type Group } from "../lib/groups";
import { useRoute, word } from "../lib/router";
import { AlertView } from "./alert";
import { Verdict, type VerdictGiven } from "./verdict";

export default function Alerts({ id }: { id?: string }) {
  return id ? <AlertPage id={id} /> : <Queue />;
}

function AlertPage({ id }: { id: string }) {
  const q = useQuery(queries.alert(id));
  return (
    <>
      <Head title={<Text of={q.data?.alert.title ?? "Alert"} />}>
        <To to="/alerts">all alerts</To>
      </Head>
      <AlertView id={id} />
    </>
  );
}

const pageSize = 200;

/** The filter as the URL says it. */
function useFilter(): AlertFilter & { any: string } {
  const { params } = useRoute();
  const any = word(["open", "acknowledged", "closed", "any"], params.get("status"));
  return {
    any,
    status: any === "any" ? "" : any,
    severity: params.get("severity") ?? "",
    rule: params.get("rule") ?? "",
    q: params.get("q") ?? "",
  };
}

function useAlerts({ status, severity, rule, q }: AlertFilter) {
  return useInfiniteQuery({
    queryKey: ["alerts", "queue", status, severity, rule, q],
    queryFn: ({ pageParam }) => api.alerts({ status, severity, rule, q }, pageSize, pageParam),
    initialPageParam: "",
    getNextPageParam: (last: Page<Alert>) => last.next || undefined,
  });
}

/** What can be done with groups, each with a way back. */
function useActions() {
  const toast = useToast();
  const me = useMe();
  const { mutate } = useChange(
    ["alerts"],
    (c: {
      ids: string[];
      to: Parameters<typeof api.updateAlerts>[1];
      say: string;
      back?: Parameters<typeof api.updateAlerts>[1];
    }) => api.updateAlerts(c.ids, c.to),
    (_, c) => {
      const undo = c.back ? () => mutate({ ids: c.ids, to: c.back ?? {}, say: "Undone" }) : undefined;
      toast({ text: c.say, undo });
    },
  );
  const ids = (groups: Group[]) => groups.flatMap((g) => g.alerts.map((a) => a.id));
  const named = (groups: Group[]) => plural(ids(groups).length, "alert");
  return {
    acknowledge: (groups: Group[]) =>
      mutate({
        ids: ids(groups),
        to: { status: "acknowledged" },
        back: { status: "open" },
        say: `Acknowledged ${named(groups)}`,
      }),
    close: (groups: Group[], v: VerdictGiven) =>
      mutate({
        ids: ids(groups),
        to: { status: "closed", ...v },
        back: { status: "open" },
        say: `Closed ${named(groups)}`,
      }),
    take: (groups: Group[]) =>
      mutate({ ids: ids(groups), to: { assignee: me.user }, say: `${named(groups)} assigned to you` }),
  };
}

function Queue() {
  const { params, set, go } = useRoute();
  const filter = useFilter();
  const q = useAlerts(filter);
  const alerts = useMemo(() => q.data?.pages.flatMap((p) => p.items) ?? [], [q.data]);
  const groups = useMemo(() => group(alerts), [alerts]);
  const keys = useMemo(() => groups.map((g) => g.key), [groups]);
  const [active, setActive] = useState("");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [closing, setClosing] = useState<Group[] | null>(null);
  const may = useMay();
  const actions = useActions();

  const open = params.get("open") ?? "";
  const shown = params.get("d") ?? "";
  const current = groups.find((g) => g.key === active);
  const drawn = groups.find((g) => g.key === shown);
  const targets = chosen.size > 0 ? groups.filter((g) => chosen.has(g.key)) : current ? [current] : [];
  const write = may("write:alerts") && targets.length > 0;
  const expand = (key: string) => set({ open: open === key ? "" : key });
  const select = (key: string) => setChosen(toggled(chosen, key));
  const act = (fn: (g: Group[]) => void) => {
    fn(targets);
    setChosen(new Set());
  };

  useCursor(keys, active, (key) => {
    setActive(key);
    if (shown) set({ d: key });
  });
  useCommand("expand", current && (() => expand(current.key)));
  useCommand("drawer", current && (() => set({ d: shown === current.key ? "" : current.key })));
  useCommand("page", current && (() => go(`/alerts/${encodeURIComponent(current.head.id)}`)));
  useCommand("select", current && (() => select(current.key)));
  useCommand("acknowledge", write ? () => act(actions.acknowledge) : undefined);
  useCommand("mine", write ? () => act(actions.take) : undefined);
  useCommand("close", write ? () => setClosing(targets) : undefined);
  useCommand(
    "incident",
    current?.head.incident ? () => go(`/incidents/${current.head.incident}`) : undefined,
  );
  useCommand("rule", current && (() => go(`/detections/${encodeURIComponent(current.head.rule)}`)));

  return (
    <>
      <Head title="Alerts">
        <span className="dim">
          {q.data ? `${plural(groups.length, "group")} of ${plural(alerts.length, "alert")}` : ""}
          {q.hasNextPage ? " (more below)" : ""}
        </span>
      </Head>
      <Filters filter={filter} />
      {chosen.size > 0 && may("write:alerts") ? (
        <div className="bulk" role="group" aria-label="Selected groups">
          <b>{plural(chosen.size, "group")} selected</b>
          <button onClick={() => act(actions.acknowledge)}>
            Acknowledge <kbd>e</kbd>
          </button>
          <button onClick={() => act(actions.take)}>
            Assign to me <kbd>m</kbd>
          </button>
          <button onClick={() => setClosing(targets)}>
            Close… <kbd>c</kbd>
          </button>
          <button className="ghost" onClick={() => setChosen(new Set())}>
            Clear
          </button>
        </div>
      ) : null}
      <Loaded q={q}>
        {() =>
          groups.length === 0 ? (
            <NoAlerts filter={filter} />
          ) : (
            <Rows
              groups={groups}
              active={active}
              open={open}
              chosen={chosen}
              activate={setActive}
              expand={expand}
              select={select}
              drawer={(key) => set({ d: key })}
              acknowledge={may("write:alerts") ? (g) => actions.acknowledge([g]) : undefined}
              close={may("write:alerts") ? (g) => setClosing([g]) : undefined}
            />
          )
        }
      </Loaded>
      {q.hasNextPage ? (
        <button className="more" disabled={q.isFetchingNextPage} onClick={() => void q.fetchNextPage()}>
          {q.isFetchingNextPage ? "Reading…" : "Read older alerts"}
        </button>
      ) : null}
      {drawn ? (
        <Drawer
          title={<Text of={drawn.head.title} max={90} />}
          close={() => set({ d: "" })}
          actions={
            <To
              className="button ghost"
              to={`/alerts/${encodeURIComponent(drawn.head.id)}`}
              title="Open as a page (O)"
            >
              Page
            </To>
          }
        >
          <AlertView id={drawn.head.id} />
        </Drawer>
      ) : null}
      {closing ? (
        <Verdict
          title={`Close ${plural(
            closing.reduce((n, g) => n + g.alerts.length, 0),
            "alert",
          )}`}
          close={() => setClosing(null)}
          give={(v) => {
            actions.close(closing, v);
            setClosing(null);
            setChosen(new Set());
          }}
        />
      ) : null}
    </>
  );
}

function toggled(of: ReadonlySet<string>, key: string): Set<string> {
  const next = new Set(of);
  if (!next.delete(key)) next.add(key);
  return next;
}

function NoAlerts({ filter }: { filter: AlertFilter }) {
  const narrowed = filter.severity || filter.rule || filter.q || filter.status !== "open";
  if (narrowed) return <Empty title="No alert fits this filter" />;
  return (
    <Empty title="No open alert" command="vigil ingest /var/log/auth.log">
      Alerts appear here by themselves as events come in.
    </Empty>
  );
}

const statuses = [
  { id: "open", name: "Open" },
  { id: "acknowledged", name: "Acknowledged" },
  { id: "closed", name: "Closed" },
  { id: "any", name: "Any" },
];

function Filters({ filter }: { filter: AlertFilter & { any: string } }) {
  const { set } = useRoute();
  const box = useRef<HTMLInputElement>(null);
  useCommand("query", () => box.current?.focus());
  return (
    <div className="bar">
      <Choice
        label="Status"
        of={statuses}
        value={filter.any}
        choose={(s) => set({ status: s, open: "", d: "" }, true)}
      />
      <select
        aria-label="Severity"
        value={filter.severity}
        onChange={(e) => set({ severity: e.target.value }, true)}
      >
        <option value="">any severity</option>
        {severities.map((s) => (
          <option key={s}>{s}</option>
        ))}
      </select>
      <form
        className="grow"
        onSubmit={(e) => {
          e.preventDefault();
          set({ q: box.current?.value ?? "" }, true);
        }}
      >
        <input
          ref={box}
          key={filter.q}
          type="search"
          aria-label="Title, rule or entity"
          placeholder="Title, rule or entity   /"
          defaultValue={filter.q}
        />
      </form>
      {filter.rule ? (
        <button className="chip" onClick={() => set({ rule: "" }, true)}>
          rule{" "}
          <b>
            <Text of={filter.rule} max={40} />
          </b>{" "}
          ×
        </button>
      ) : null}
    </div>
  );
}

interface RowsProps {
  groups: Group[];
  active: string;
  open: string;
  chosen: ReadonlySet<string>;
  activate: (key: string) => void;
  expand: (key: string) => void;
  select: (key: string) => void;
  drawer: (key: string) => void;
  acknowledge?: (g: Group) => void;
  close?: (g: Group) => void;
}

function Rows(p: RowsProps) {
  const now = useNow(10_000);
  return (
    <div className="scroll">
      <table className="queue cards">
        <thead>
          <tr>
            <th>
              <span className="sr">Select</span>
            </th>
            <th>Severity</th>
            <th>Alert</th>
            <th>Entities</th>
            <th className="num">Events</th>
            <th>Last seen</th>
            <th>Risk</th>
            <th>
              <span className="sr">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {p.groups.map((g) => (
            <Fragment key={g.key}>
              <Row {...p} g={g} now={now} />
              {p.open === g.key ? (
                <tr className="expanded">
                  <td colSpan={8}>
                    <AlertView id={g.head.id} />
                  </td>
                </tr>
              ) : null}
            </Fragment>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ g, now, ...p }: RowsProps & { g: Group; now: number }) {
  const a = g.head;
  const expanded = p.open === g.key;
  const Chevron = expanded ? ChevronDown : ChevronRight;
  return (
    <tr
      className={`row edge-${g.severity} ${p.active === g.key ? "is-active" : ""}`}
      data-row={g.key}
      onFocus={() => p.activate(g.key)}
      onClick={() => p.activate(g.key)}
    >
      <td className="cell-check">
        <label className="check-target">
          <input
            type="checkbox"
            aria-label={`Select ${a.title}`}
            checked={p.chosen.has(g.key)}
            onChange={() => p.select(g.key)}
          />
        </label>
      </td>
      <td>
        <Sev s={g.severity} />
      </td>
      <td className="cell-title">
        <button
          className="row-title"
          data-row-button
          aria-expanded={expanded}
          onClick={() => p.expand(g.key)}
        >
          <Chevron size={14} aria-hidden />
          <span>
            <Text of={a.title} max={140} />
          </span>
          {g.alerts.length > 1 ? <span className="count">{g.alerts.length}</span> : null}
        </button>
        <span className="row-sub">
          <span className="mono dim">
            <Text of={a.rule} max={60} />
          </span>
          {a.status !== "open" ? <State of={a.status} /> : null}
          {a.incident ? (
            <To className="tag" to={`/incidents/${encodeURIComponent(a.incident)}`}>
              <Siren size={12} aria-hidden /> incident
            </To>
          ) : null}
          {a.assignee ? (
            <span className="tag">
              <UserRound size={12} aria-hidden /> <Text of={a.assignee} />
            </span>
          ) : null}
        </span>
      </td>
      <td className="cell-entities">
        <Entities of={a.entities} />
      </td>
      <td className="num" data-label={g.events === 1 ? "event" : "events"}>
        {count(g.events)}
      </td>
      <td className="nowrap">
        <time dateTime={g.last} title={`${when(g.last)} UTC`}>
          {ago(g.last, now)}
        </time>
      </td>
      <td>
        <Score of={g.risk} />
      </td>
      <td className="cell-actions">
        {p.acknowledge && a.status === "open" ? (
          <button
            className="ghost icon"
            title="Acknowledge the group (e)"
            aria-label="Acknowledge"
            onClick={() => p.acknowledge?.(g)}
          >
            <Check size={15} aria-hidden />
          </button>
        ) : null}
        <button
          className="ghost icon"
          title="Open in the drawer (o)"
          aria-label="Open in the drawer"
          onClick={() => p.drawer(g.key)}
        >
          <PanelRight size={15} aria-hidden />
        </button>
      </td>
    </tr>
  );
}
