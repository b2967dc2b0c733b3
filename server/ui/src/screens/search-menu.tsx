import { useQuery } from "@tanstack/react-query";
import { Bookmark, BookmarkPlus, Download, LayoutDashboard, Radar, Trash2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import type { Dashboard, Saved } from "../api/types";
import { Dialog } from "../kit/dialog";
import { useChange } from "../kit/hooks";
import { To } from "../kit/layout";
import { useMay, useMe } from "../kit/may";
import { Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { useToast } from "../kit/toast";
import { addPanel, idOf } from "../lib/dashboard";
import { plural, short } from "../lib/format";
import { isSQL, isStatistic, rangeName, timesOf } from "../lib/query";
import { useRoute, word } from "../lib/router";

interface MenuProps {
  query: string;
  range: string;
  columns: string[];
}

type Open = "saved" | "save" | "board" | "export" | "";

/** What can be done with a query: keep it, find a kept one, put it on a dashboard, export it. */
export function SearchMenu(p: MenuProps) {
  const may = useMay();
  const [open, setOpen] = useState<Open>("");
  const close = () => setOpen("");
  return (
    <>
      <button onClick={() => setOpen("saved")}>
        <Bookmark size={14} aria-hidden /> Saved
      </button>
      {may("write:saved") ? (
        <button onClick={() => setOpen("save")}>
          <BookmarkPlus size={14} aria-hidden /> Save
        </button>
      ) : null}
      {may("write:saved") && isStatistic(p.query) ? (
        <button onClick={() => setOpen("board")}>
          <LayoutDashboard size={14} aria-hidden /> To a dashboard
        </button>
      ) : null}
      {p.query.trimStart().startsWith("cel:") && !isStatistic(p.query) ? (
        <To className="button" to={`/detections/new?${new URLSearchParams({ from: p.query })}`}>
          <Radar size={14} aria-hidden /> Make a rule
        </To>
      ) : null}
      <button onClick={() => setOpen("export")}>
        <Download size={14} aria-hidden /> Export
      </button>
      {open === "saved" ? <SavedDialog close={close} /> : null}
      {open === "save" ? <SaveDialog {...p} close={close} /> : null}
      {open === "board" ? <BoardDialog {...p} close={close} /> : null}
      {open === "export" ? <ExportDialog {...p} close={close} /> : null}
    </>
  );
}

function SavedDialog({ close }: { close: () => void }) {
  const { go } = useRoute();
  const me = useMe();
  const q = useQuery(queries.saved("search"));
  const [text, setText] = useState("");
  const remove = useChange(["saved"], (id: string) => api.deleteSaved("search", id));
  const open = (d: Saved) => {
    close();
    const params = new URLSearchParams({ q: d.doc, t: d.range || "24h" });
    if (d.columns?.length) params.set("cols", d.columns.join(","));
    go(`/search?${params}`);
  };
  return (
    <Dialog title="Saved searches" close={close} wide>
      <input
        data-first
        type="search"
        aria-label="Find a saved search"
        placeholder="Title or query"
        value={text}
        onChange={(e) => setText(e.target.value)}
      />
      <Loaded q={q} rows={4}>
        {(page) => {
          const rows = page.items.filter((d) =>
            `${d.title} ${d.doc}`.toLowerCase().includes(text.toLowerCase()),
          );
          if (rows.length === 0)
            return <p className="dim">{page.items.length === 0 ? "Nothing is saved yet." : "None fits."}</p>;
          return (
            <ul className="plain saved-list">
              {rows.map((d) => (
                <li key={d.id}>
                  <button type="button" className="ghost grow" onClick={() => open(d)}>
                    <b>
                      <Text of={d.title} max={80} />
                    </b>
                    <span className="mono dim clamp">
                      <Text of={d.doc} max={160} />
                    </span>
                  </button>
                  <span className="dim nowrap">
                    {d.shared ? "shared" : "private"} · {d.owner}
                  </span>
                  {d.owner === me.user || me.role === "admin" ? (
                    <button
                      type="button"
                      className="ghost icon"
                      aria-label={`Delete ${d.title}`}
                      onClick={() => remove.mutate(d.id)}
                    >
                      <Trash2 size={14} aria-hidden />
                    </button>
                  ) : null}
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
    </Dialog>
  );
}

function SaveDialog({ query, range, columns, close }: MenuProps & { close: () => void }) {
  const toast = useToast();
  const [title, setTitle] = useState("");
  const [shared, setShared] = useState(false);
  const save = useChange(
    ["saved"],
    () => api.putSaved("search", { id: idOf(title), title, doc: query, shared, range, columns }),
    () => {
      toast({ text: `Saved as ${title}` });
      close();
    },
  );
  return (
    <Ask
      title="Save the search"
      close={close}
      ready={title.trim() !== ""}
      name="Save"
      submit={() => save.mutate(undefined)}
    >
      <label>
        Title
        <input data-first value={title} maxLength={200} onChange={(e) => setTitle(e.target.value)} required />
      </label>
      <label className="check">
        <input type="checkbox" checked={shared} onChange={(e) => setShared(e.target.checked)} /> Show it to
        everybody
      </label>
      <p className="mono dim">
        <Text of={query || "every event"} max={300} />
      </p>
    </Ask>
  );
}

/** A dialog that asks for something and does it. */
function Ask(p: {
  title: string;
  name: string;
  ready: boolean;
  close: () => void;
  submit: () => void;
  children: ReactNode;
}) {
  return (
    <Dialog
      title={p.title}
      close={p.close}
      submit={() => (p.ready ? p.submit() : undefined)}
      footer={
        <>
          <button type="button" onClick={p.close}>
            Cancel
          </button>
          <button className="primary" disabled={!p.ready}>
            {p.name}
          </button>
        </>
      }
    >
      {p.children}
    </Dialog>
  );
}

function BoardDialog({ query, close }: MenuProps & { close: () => void }) {
  const { go } = useRoute();
  const me = useMe();
  const boards = useQuery(queries.dashboards());
  const [title, setTitle] = useState("");
  const [board, setBoard] = useState("");
  const [fresh, setFresh] = useState("");
  const mine = (boards.data?.items ?? []).filter(
    (b) => b.origin === "saved" && (b.owner === me.user || me.role === "admin"),
  );
  const add = useChange(
    ["saved"],
    async () => {
      const panel = { title, query };
      const old: Dashboard | undefined = mine.find((b) => b.id === board);
      const to = addPanel(
        old ?? { id: idOf(fresh), title: fresh, panels: [], shared: false, origin: "saved" },
        panel,
      );
      await api.putSaved("dashboard", { id: to.id, doc: to.yaml, shared: old?.shared ?? false });
      return to.id;
    },
    (id) => go(`/dashboards/${id}`),
  );
  const ready = title.trim() !== "" && (board !== "" || fresh.trim() !== "");
  return (
    <Ask
      title="Put it on a dashboard"
      close={close}
      ready={ready}
      name="Add the panel"
      submit={() => add.mutate(undefined)}
    >
      <label>
        Title of the panel
        <input data-first value={title} maxLength={200} onChange={(e) => setTitle(e.target.value)} required />
      </label>
      <label>
        Dashboard
        <select value={board} onChange={(e) => setBoard(e.target.value)}>
          <option value="">a new one</option>
          {mine.map((b) => (
            <option key={b.id} value={b.id}>
              {b.title}
            </option>
          ))}
        </select>
      </label>
      {board === "" ? (
        <label>
          Title of the dashboard
          <input value={fresh} maxLength={200} onChange={(e) => setFresh(e.target.value)} required />
        </label>
      ) : null}
    </Ask>
  );
}

const formatIDs = ["csv", "ndjson", "parquet"] as const;
const formats: { id: (typeof formatIDs)[number]; name: string }[] = [
  { id: "csv", name: "CSV, safe for spreadsheets" },
  { id: "ndjson", name: "NDJSON, one event a line" },
  { id: "parquet", name: "Parquet, with types" },
];

/** What an export would read and hold, and the file. */
function ExportDialog({ query, range, columns, close }: MenuProps & { close: () => void }) {
  const [format, setFormat] = useState<(typeof formatIDs)[number]>("csv");
  const [all, setAll] = useState(false);
  const times = timesOf(range, Date.now());
  const q = useQuery({
    queryKey: ["estimate", query, range],
    queryFn: () => api.estimate({ query, ...times }),
    enabled: !isSQL(query),
    retry: false,
  });
  const fields = columns.filter((c) => c !== "summary");
  const url = api.exportURL({
    query,
    ...times,
    format,
    columns: all || isStatistic(query) ? undefined : [...fields, "message"].join(","),
  });
  return (
    <Dialog
      title="Export"
      close={close}
      footer={
        <>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <a className="button primary" href={url} download onClick={close}>
            Download
          </a>
        </>
      }
    >
      <label>
        Format
        <select data-first value={format} onChange={(e) => setFormat(word(formatIDs, e.target.value))}>
          {formats.map((f) => (
            <option key={f.id} value={f.id}>
              {f.name}
            </option>
          ))}
        </select>
      </label>
      {isStatistic(query) ? null : (
        <label className="check">
          <input type="checkbox" checked={all} onChange={(e) => setAll(e.target.checked)} /> Every field and
          the record as it arrived
        </label>
      )}
      <p className="dim" role="status">
        {rangeName(range)}; at most 1,000,000 events.{" "}
        {q.data && !q.data.problem
          ? `Reads up to ${short(q.data.rows)} rows of ${plural(q.data.parts, "part")}.`
          : ""}{" "}
        The export is written into the audit trail.
      </p>
    </Dialog>
  );
}
