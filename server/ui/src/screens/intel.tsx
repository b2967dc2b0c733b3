import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { RefreshCw } from "lucide-react";
import { useRef } from "react";
import { api, type IndicatorFilter } from "../api/client";
import { queries } from "../api/queries";
import type { Feed, Indicator, Page } from "../api/types";
import { Score, State } from "../kit/badges";
import { useChange } from "../kit/hooks";
import { useCommand } from "../kit/keyboard";
import { Choice, Facts, Head, Panel, Table, To } from "../kit/layout";
import { useMay } from "../kit/may";
import { Empty, Failed, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { useToast } from "../kit/toast";
import { Value } from "../kit/value";
import { ago, count, isSet, plural, span, when, words } from "../lib/format";
import { useRoute, word } from "../lib/router";

export default function Intel({ id }: { id?: string }) {
  return id ? <FeedPage id={id} /> : <Overview />;
}

function Overview() {
  const q = useQuery(queries.feeds());
  const feeds = (q.data?.items ?? []).filter((f) => f.status !== "removed");
  const active = feeds.reduce((n, f) => n + f.active, 0);
  return (
    <>
      <Head title="Intel">
        <span className="dim">
          {q.data ? `${plural(feeds.length, "feed")}, ${plural(active, "active indicator")}` : ""}
        </span>
      </Head>
      <div className="stack">
        <Panel title="Feeds" flush>
          <Loaded q={q} rows={4}>
            {() =>
              feeds.length === 0 ? (
                <Empty
                  title="No feed yet"
                  command="vigil intel add ours --kind csv --every 15m /srv/indicators.csv"
                >
                  STIX, MISP, CSV, Zeek intel and plain lists; synced by a workflow.
                </Empty>
              ) : (
                <Feeds rows={feeds} />
              )
            }
          </Loaded>
        </Panel>
        <Indicators feeds={feeds} />
      </div>
    </>
  );
}

function Feeds({ rows }: { rows: Feed[] }) {
  return (
    <Table
      label="Feeds"
      rows={rows}
      id={(f) => f.id}
      columns={[
        {
          name: "Feed",
          cell: (f) => (
            <To to={`/intel/${encodeURIComponent(f.id)}`}>
              <b>
                <Text of={f.id} />
              </b>
            </To>
          ),
        },
        { name: "Status", cell: (f) => <State of={f.status} /> },
        { name: "Kind", cell: (f) => f.kind },
        { name: "Active", num: true, cell: (f) => count(f.active) },
        { name: "Held", num: true, cell: (f) => count(f.indicators) },
        { name: "Added", num: true, cell: (f) => count(f.added) },
        {
          name: "Refused",
          num: true,
          cell: (f) => <span className={f.refused ? "tone-bad" : "dim"}>{count(f.refused)}</span>,
        },
        {
          name: "Every",
          cell: (f) =>
            f.every_minutes && f.every_minutes > 0 ? (
              span(f.every_minutes * 60)
            ) : (
              <span className="dim">by hand</span>
            ),
        },
        { name: "Synced", cell: (f) => <span className="nowrap">{ago(f.synced)}</span> },
      ]}
    />
  );
}

const types = ["ip", "cidr", "domain", "url", "md5", "sha1", "sha256", "email"] as const;
const statuses = [
  { id: "", name: "Any" },
  { id: "active", name: "Active" },
  { id: "expired", name: "Expired" },
  { id: "revoked", name: "Revoked" },
];

function useFilter(): Required<IndicatorFilter> {
  const { params } = useRoute();
  return {
    feed: params.get("feed") ?? "",
    type: word(["", ...types], params.get("type")),
    status: word(["", "active", "expired", "revoked"], params.get("status")),
    q: params.get("q") ?? "",
  };
}

function Indicators({ feeds }: { feeds: Feed[] }) {
  const { set } = useRoute();
  const f = useFilter();
  const box = useRef<HTMLInputElement>(null);
  useCommand("query", () => box.current?.focus());
  const q = useInfiniteQuery({
    queryKey: ["intel", "indicators", f],
    queryFn: ({ pageParam }) => api.indicators(f, 100, pageParam),
    initialPageParam: "",
    getNextPageParam: (last: Page<Indicator>) => last.next || undefined,
  });
  const rows = q.data?.pages.flatMap((p) => p.items) ?? [];
  return (
    <section aria-label="Indicators">
      <div className="bar">
        <Choice label="Status" of={statuses} value={f.status} choose={(s) => set({ status: s })} />
        <select aria-label="Type" value={f.type} onChange={(e) => set({ type: e.target.value })}>
          <option value="">any type</option>
          {types.map((t) => (
            <option key={t}>{t}</option>
          ))}
        </select>
        <select aria-label="Feed" value={f.feed} onChange={(e) => set({ feed: e.target.value })}>
          <option value="">any feed</option>
          {feeds.map((x) => (
            <option key={x.id}>{x.id}</option>
          ))}
        </select>
        <form
          className="grow"
          onSubmit={(e) => {
            e.preventDefault();
            set({ q: box.current?.value.trim() ?? "" }, true);
          }}
        >
          <input
            ref={box}
            key={f.q}
            type="search"
            aria-label="Value or name"
            placeholder="Value or name   /"
            defaultValue={f.q}
          />
        </form>
      </div>
      <Loaded q={q}>
        {() => (rows.length === 0 ? <Empty title="No indicator fits" /> : <IndicatorRows rows={rows} />)}
      </Loaded>
      {q.hasNextPage ? (
        <button className="more" disabled={q.isFetchingNextPage} onClick={() => void q.fetchNextPage()}>
          {q.isFetchingNextPage ? "Reading…" : "Read more indicators"}
        </button>
      ) : null}
    </section>
  );
}

/** The field of events that a type of indicator is looked for in. */
const fieldOfType: Record<string, string> = {
  ip: "destination.ip",
  cidr: "destination.ip",
  domain: "dns.question.name",
  url: "url.original",
  sha256: "file.hash.sha256",
  sha1: "file.hash.sha1",
  md5: "file.hash.md5",
};

function IndicatorRows({ rows }: { rows: Indicator[] }) {
  return (
    <Table
      label="Indicators"
      rows={rows}
      id={(i) => i.id}
      columns={[
        {
          name: "Value",
          className: "mono",
          cell: (i) => <Value field={fieldOfType[i.type] ?? i.type} of={i.value} max={120} />,
        },
        { name: "Type", cell: (i) => i.type },
        { name: "Name", cell: (i) => <Text of={i.name} max={120} /> },
        {
          name: "Labels",
          cell: (i) =>
            (i.labels ?? []).slice(0, 6).map((l) => (
              <span key={l} className="tag">
                <Text of={l} max={40} />
              </span>
            )),
        },
        { name: "Confidence", cell: (i) => <Score of={i.confidence} /> },
        {
          name: "Feed",
          cell: (i) => (
            <To to={`/intel/${encodeURIComponent(i.feed)}`}>
              <Text of={i.feed} />
            </To>
          ),
        },
        { name: "Until (UTC)", cell: (i) => <Until i={i} /> },
      ]}
    />
  );
}

function Until({ i }: { i: Indicator }) {
  if (i.revoked) return <State of="revoked" />;
  if (!isSet(i.valid_until)) return <span className="dim">for good</span>;
  return Date.parse(i.valid_until) < Date.now() ? (
    <State of="expired" />
  ) : (
    <span className="nowrap">{when(i.valid_until)}</span>
  );
}

function FeedPage({ id }: { id: string }) {
  const q = useQuery(queries.feeds());
  return (
    <Loaded q={q}>
      {({ items }) => {
        const feed = items.find((f) => f.id === id);
        return feed ? (
          <FeedView f={feed} />
        ) : (
          <Empty title={`There is no feed ${id}`} command="vigil intel feeds" />
        );
      }}
    </Loaded>
  );
}

function FeedView({ f }: { f: Feed }) {
  const may = useMay();
  const toast = useToast();
  const sightings = useQuery(queries.sightings(f.id));
  const sync = useChange(
    ["intel"],
    () => api.syncFeed(f.id),
    () => toast({ text: `${f.id} is being synced` }),
  );
  return (
    <>
      <Head
        title={<Text of={f.id} />}
        actions={
          may("admin:intel") ? (
            <button className="primary" disabled={sync.isPending} onClick={() => sync.mutate(undefined)}>
              <RefreshCw size={14} aria-hidden /> Sync now
            </button>
          ) : null
        }
      >
        <State of={f.status} />
        <To to={`/intel?feed=${encodeURIComponent(f.id)}`}>its indicators</To>
      </Head>
      <div className="stack">
        {f.error ? <Failed error={new Error(f.error)} /> : null}
        <div className="halves">
          <Panel title="Last sync">
            <Facts
              of={[
                ["Synced", isSet(f.synced) ? `${when(f.synced)} UTC` : "never"],
                ["Tried", isSet(f.tried) ? `${when(f.tried)} UTC` : "never"],
                ["Read", count(f.read)],
                ["Added", count(f.added)],
                ["Changed", count(f.changed)],
                ["Expired", count(f.expired)],
                ["Refused", count(f.refused)],
                ["Ignored", count(f.ignored)],
                ...Object.entries(f.reasons ?? {}).map(([why, n]): [string, string] => [
                  `· ${words(why)}`,
                  count(n),
                ]),
              ]}
            />
          </Panel>
          <Panel title="Settings">
            <Facts
              of={[
                ["Kind", f.kind],
                [
                  "From",
                  <span className="mono">
                    <Text of={f.url} max={200} />
                  </span>,
                ],
                ["Every", f.every_minutes && f.every_minutes > 0 ? span(f.every_minutes * 60) : "by hand"],
                ["Confidence", f.confidence],
                ["Lives for", f.ttl_hours && f.ttl_hours > 0 ? span(f.ttl_hours * 3600) : ""],
                ["Active", count(f.active)],
                ["Held", count(f.indicators)],
              ]}
            />
          </Panel>
        </div>
        <Panel title="Seen in our events" note="newest first" flush>
          <Loaded q={sightings} rows={4}>
            {({ items }) =>
              items.length === 0 ? (
                <Empty title="Nothing of this feed was seen in our events" />
              ) : (
                <Table
                  label="Sightings"
                  rows={items}
                  id={(s) => s.event_id + s.indicator}
                  columns={[
                    {
                      name: "Time (UTC)",
                      cell: (s) => (
                        <To
                          className="mono nowrap"
                          to={`/search?${new URLSearchParams({ q: `id:${s.event_id}`, t: "all", e: s.event_id })}`}
                        >
                          {when(s.time)}
                        </To>
                      ),
                    },
                    { name: "Value", className: "mono", cell: (s) => <Text of={s.value} max={120} /> },
                    { name: "Source", cell: (s) => <Value field="source" of={s.source} /> },
                  ]}
                />
              )
            }
          </Loaded>
        </Panel>
      </div>
    </>
  );
}
