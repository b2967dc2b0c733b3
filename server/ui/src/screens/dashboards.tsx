import { useQuery } from "@tanstack/react-query";
import { Download, FileUp, LayoutDashboard, Pencil, Trash2 } from "lucide-react";
import { useRef, useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import type { Dashboard, DashboardPanel } from "../api/types";
import { Answer } from "../kit/answer";
import { Dialog } from "../kit/dialog";
import { useChange } from "../kit/hooks";
import { Head, Table, To } from "../kit/layout";
import { useMay, useMe } from "../kit/may";
import { RangePicker } from "../kit/range";
import { Empty, Failed, Loaded, Skeleton } from "../kit/state";
import { Text } from "../kit/text";
import { useToast } from "../kit/toast";
import { idOf, yamlOf } from "../lib/dashboard";
import { saveFile } from "../lib/download";
import { bytes, count, plural } from "../lib/format";
import { isStatistic, timesOf } from "../lib/query";
import { useRoute } from "../lib/router";
import { MailReports } from "./report-mail";

export default function Dashboards({ id }: { id?: string }) {
  return id ? <Board id={id} /> : <List />;
}

const at = (id: string) => `/dashboards/${encodeURIComponent(id)}`;

function List() {
  const q = useQuery(queries.dashboards());
  const may = useMay();
  return (
    <>
      <Head title="Dashboards" actions={may("write:saved") ? <Import /> : null} />
      <Loaded q={q}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty title="No dashboard yet" command="vigil dashboards import FILE" />
          ) : (
            <Table
              label="Dashboards"
              rows={page.items}
              id={(d) => d.id}
              columns={[
                {
                  name: "Dashboard",
                  cell: (d) => (
                    <>
                      <To to={at(d.id)}>
                        <b>
                          <Text of={d.title} />
                        </b>
                      </To>
                      <div className="dim">
                        <Text of={d.description} max={200} />
                      </div>
                    </>
                  ),
                },
                { name: "Panels", num: true, cell: (d) => count(d.panels.length) },
                {
                  name: "From",
                  cell: (d) =>
                    d.origin === "file" ? "file" : `${d.shared ? "shared by" : "only"} ${d.owner}`,
                },
              ]}
            />
          )
        }
      </Loaded>
    </>
  );
}

/** Takes a dashboard file. The server checks it and says what is wrong. */
function Import() {
  const { go } = useRoute();
  const file = useRef<HTMLInputElement>(null);
  const put = useChange(
    ["saved"],
    async (f: File) => {
      const doc = await f.text();
      const id = /^id:\s*["']?([a-z0-9-]+)/m.exec(doc)?.[1] ?? "";
      return api.putSaved("dashboard", { id, doc, shared: true });
    },
    (d) => go(at(d.id)),
  );
  return (
    <>
      <button onClick={() => file.current?.click()}>
        <FileUp size={14} aria-hidden /> Import a file
      </button>
      <input
        ref={file}
        className="sr"
        type="file"
        accept=".yaml,.yml"
        aria-label="Dashboard file"
        tabIndex={-1}
        onChange={(e) => {
          const f = e.target.files?.[0];
          if (f) put.mutate(f);
          e.target.value = "";
        }}
      />
    </>
  );
}

function Board({ id }: { id: string }) {
  const q = useQuery(queries.dashboard(id));
  const { params, set } = useRoute();
  return (
    <Loaded q={q}>
      {(d) => {
        const range = params.get("t") ?? (d.range || "24h");
        return (
          <>
            <Head
              title={<Text of={d.title} />}
              actions={
                <>
                  <RangePicker value={range} choose={(t) => set({ t }, true)} />
                  <Actions d={d} />
                </>
              }
            >
              <span className="dim clamp">
                <Text of={d.description} max={200} />
              </span>
            </Head>
            <div className="board">
              {d.panels.map((p, i) => (
                <Panel key={`${i} ${p.title}`} p={p} range={range} />
              ))}
            </div>
          </>
        );
      }}
    </Loaded>
  );
}

function Actions({ d }: { d: Dashboard }) {
  const may = useMay();
  const me = useMe();
  const { go } = useRoute();
  const [edits, setEdits] = useState(false);
  const own = d.origin === "saved" && (d.owner === me.user || me.role === "admin");
  const remove = useChange(
    ["saved"],
    () => api.deleteSaved("dashboard", d.id),
    () => go("/dashboards"),
  );
  return (
    <>
      <button onClick={() => saveFile(`${d.id}.yaml`, d.yaml ?? yamlOf(d), "application/yaml")}>
        <Download size={14} aria-hidden /> File
      </button>
      {may("write:reports") ? <MailReports d={d} /> : null}
      {may("write:saved") ? (
        <button onClick={() => setEdits(true)}>
          <Pencil size={14} aria-hidden /> {own ? "Edit" : "Copy"}
        </button>
      ) : null}
      {own ? (
        <button
          className="icon"
          aria-label="Delete the dashboard"
          title="Delete"
          onClick={() => remove.mutate(undefined)}
        >
          <Trash2 size={14} aria-hidden />
        </button>
      ) : null}
      {edits ? <Edit d={d} own={own} close={() => setEdits(false)} /> : null}
    </>
  );
}

/** A dashboard is a file: it is edited as one. */
function Edit({ d, own, close }: { d: Dashboard; own: boolean; close: () => void }) {
  const { go } = useRoute();
  const toast = useToast();
  const copy = idOf(`${d.id}-copy`);
  const start = d.yaml ?? yamlOf(d);
  const [text, setText] = useState(own ? start : start.replace(/^id:.*$/m, `id: ${copy}`));
  const [shared, setShared] = useState(own ? d.shared : false);
  const save = useChange(
    ["saved"],
    () => {
      const id = /^id:\s*["']?([a-z0-9-]+)/m.exec(text)?.[1] ?? "";
      return api.putSaved("dashboard", { id, doc: text, shared });
    },
    (kept) => {
      toast({ text: `Saved ${kept.title}` });
      close();
      go(at(kept.id));
    },
  );
  return (
    <Dialog
      title={own ? "Edit the dashboard" : "Copy the dashboard"}
      close={close}
      wide
      submit={() => save.mutate(undefined)}
      footer={
        <>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button className="primary">Save</button>
        </>
      }
    >
      <label>
        File (YAML)
        <textarea
          data-first
          className="mono"
          rows={22}
          spellCheck={false}
          value={text}
          onChange={(e) => setText(e.target.value)}
        />
      </label>
      <label className="check">
        <input type="checkbox" checked={shared} onChange={(e) => setShared(e.target.checked)} /> Show it to
        everybody
      </label>
      <Failed error={save.error} />
    </Dialog>
  );
}

/** One query and its picture. Panels ask one by one as they come into sight of the browser. */
function Panel({ p, range }: { p: DashboardPanel; range: string }) {
  const q = useQuery({
    queryKey: ["panel", p.query, range],
    queryFn: ({ signal }) =>
      api.search(
        { id: crypto.randomUUID(), query: p.query, ...timesOf(range, Date.now()), limit: 50 },
        signal,
      ),
    staleTime: 60_000,
    retry: false,
  });
  const search = `/search?${new URLSearchParams({ q: p.query, t: range })}`;
  return (
    <section className={`panel board-panel span-${p.width || 2}`} aria-label={p.title}>
      <div className="panel-head">
        <h2>
          <Text of={p.title} max={100} />
        </h2>
        <To className="dim" to={search} title="Open in Search">
          <LayoutDashboard size={13} aria-hidden /> <span className="sr">Open {p.title} in Search</span>
        </To>
      </div>
      {q.isPending ? <Skeleton rows={4} /> : null}
      <Failed error={q.error} retry={() => void q.refetch()} />
      {q.data?.table ? <Answer table={q.data.table} show={p.show} label={`${p.title}: the answer`} /> : null}
      {q.data && !isStatistic(p.query) ? (
        <p className="dim">
          <To to={search}>{plural(q.data.rows.length, "event")}</To>
        </p>
      ) : null}
      {q.data ? (
        <p className="board-cost dim">
          read {count(q.data.stats.rows)} rows, {bytes(q.data.stats.bytes)} in {count(q.data.stats.ms)} ms
        </p>
      ) : null}
    </section>
  );
}
