import { useQuery } from "@tanstack/react-query";
import { Check, Download, GitCompare, Play, X } from "lucide-react";
import { useEffect, useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import type { HuntState, RuleCheck } from "../api/types";
import { State } from "../kit/badges";
import { Code } from "../kit/code";
import { Editor } from "../kit/editor";
import { useChange } from "../kit/hooks";
import { Choice, Facts, Head, Meter, Panel, To } from "../kit/layout";
import { useMay } from "../kit/may";
import { Failed, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { keepRule } from "../lib/rulefile";
import { bytes, count, plural } from "../lib/format";
import { newRule } from "../lib/rulewords";
import { useRoute } from "../lib/router";
import { EventView } from "./event";
import { RuleDeploy } from "./rule-deploy";

/** Edits a rule in use, or a new one. */
export default function RuleEditor({ id }: { id: string }) {
  const { params } = useRoute();
  const q = useQuery({ ...queries.rule(id), enabled: id !== "new" });
  if (id === "new") return <Edit start={newRule(params.get("from") ?? "")} />;
  return <Loaded q={q}>{(r) => <Edit start={r.yaml ?? ""} deployed={r.yaml ?? ""} />}</Loaded>;
}

const wait = 250;

/** What the server says of the text, asked anew whenever the person pauses. */
function useCheck(text: string) {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const t = setTimeout(() => setSettled(text), wait);
    return () => clearTimeout(t);
  }, [text]);
  const q = useQuery({
    queryKey: ["check", settled],
    queryFn: ({ signal }) => api.checkRule(settled, signal),
    placeholderData: (old) => old,
    staleTime: Infinity,
    gcTime: 60_000,
  });
  return { ...q, fresh: settled === text && !q.isPlaceholderData && !q.isPending };
}

function Edit({ start, deployed }: { start: string; deployed?: string }) {
  const [text, setText] = useState(start);
  const [differs, setDiffers] = useState(false);
  const [at, setAt] = useState<{ line: number; column: number }>();
  const words = useQuery(queries.ruleLanguage());
  const check = useCheck(text);
  const [next, setNext] = useState("");
  const c = check.data;
  const good = check.fresh && c?.rule !== undefined && c.problems.length === 0;
  return (
    <>
      <Head
        title={c?.rule ? <Text of={c.rule.title} max={100} /> : "Rule"}
        actions={
          <>
            {deployed === undefined ? null : (
              <button aria-pressed={differs} onClick={() => setDiffers(!differs)}>
                <GitCompare size={14} aria-hidden /> What changed
              </button>
            )}
            <button disabled={!good} onClick={() => setNext(keepRule(c?.rule?.id ?? "rule", text).next)}>
              <Download size={14} aria-hidden /> Rule file
            </button>
          </>
        }
      >
        <span role="status" className="dim">
          {!check.fresh ? "checking…" : good ? "no problem" : plural(c?.problems.length ?? 0, "problem")}
          {c?.changes ? " · differs from the rule in use" : ""}
        </span>
      </Head>
      <Failed error={check.error} />
      {next ? (
        <Panel title="To use it">
          <Code text={next} copy label="Command" />
        </Panel>
      ) : null}
      <div className="editor">
        <Editor
          text={start}
          change={setText}
          problems={c?.problems ?? []}
          words={words.data?.items ?? []}
          before={differs ? deployed : undefined}
          label="Rule in YAML"
          at={at}
        />
        <aside className="stack" aria-label="What the rule does">
          <Problems c={c} go={(line, column) => setAt({ line, column })} />
          <Tests c={c} go={(line) => setAt({ line, column: 1 })} />
          <Replay yaml={text} ready={good} />
          <RuleDeploy yaml={text} ready={good} />
        </aside>
      </div>
    </>
  );
}

function Problems({ c, go }: { c?: RuleCheck; go: (line: number, column: number) => void }) {
  const list = c?.problems ?? [];
  if (list.length === 0) return null;
  return (
    <Panel title="Problems" note={count(list.length)}>
      <ul className="plain editor-problems">
        {list.map((p, i) => (
          <li key={i}>
            <button className="ghost" onClick={() => go(p.line, p.column)}>
              <span className="mono dim">
                {p.line}:{p.column}
              </span>
              <span>
                <Text of={p.message} max={400} />
                {p.hint ? (
                  <span className="dim">
                    {" "}
                    (<Text of={p.hint} max={200} />)
                  </span>
                ) : null}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Tests({ c, go }: { c?: RuleCheck; go: (line: number) => void }) {
  const list = c?.tests ?? [];
  const failed = list.filter((t) => !t.ok).length;
  return (
    <Panel
      title="Tests"
      note={
        list.length === 0 ? "none" : failed === 0 ? `${list.length} pass` : `${failed} of ${list.length} fail`
      }
    >
      {list.length === 0 ? (
        <p className="dim">Write at least one event that must fire and one that must not.</p>
      ) : null}
      <ul className="plain editor-problems">
        {list.map((t) => (
          <li key={`${t.line} ${t.name}`}>
            <button className="ghost" onClick={() => go(t.line)}>
              {t.ok ? (
                <span className="state tone-ok">
                  <Check size={13} aria-hidden /> ok
                </span>
              ) : (
                <span className="state tone-bad">
                  <X size={13} aria-hidden /> fails
                </span>
              )}
              <span>
                <Text of={t.name} max={100} />{" "}
                <span className="dim">{t.match ? "fires" : "stays quiet"}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

const spans = [
  { id: "24", name: "24 h" },
  { id: "168", name: "7 d" },
  { id: "720", name: "30 d" },
  { id: "0", name: "all" },
];

/** Asks the stored events what the rule would have found: a hunt that raises nothing. */
function Replay({ yaml, ready }: { yaml: string; ready: boolean }) {
  const may = useMay();
  const [hours, setHours] = useState("24");
  const [asked, setAsked] = useState<{ id: string; hours: number; yaml: string }>();
  const start = useChange(
    [],
    () => {
      const n = Number(hours);
      const to = new Date();
      const range = n
        ? { from: new Date(to.getTime() - n * 3_600_000).toISOString(), to: to.toISOString() }
        : {};
      return api.startHunt({ yaml, ...range, limit: 10 });
    },
    (started) => setAsked({ id: started.workflow, hours: Number(hours), yaml }),
  );
  if (!may("run:hunts")) return null;
  return (
    <Panel title="Replay" note="on stored events; raises nothing">
      <div className="bar">
        <Choice label="How far back" of={spans} value={hours} choose={setHours} />
        <button disabled={!ready || start.isPending} onClick={() => start.mutate(undefined)}>
          <Play size={14} aria-hidden /> Replay
        </button>
      </div>
      {asked ? <Replayed {...asked} stale={asked.yaml !== yaml} /> : null}
    </Panel>
  );
}

const ended = ["completed", "failed", "cancelled"];

function Replayed({ id, hours, stale }: { id: string; hours: number; stale: boolean }) {
  const [open, setOpen] = useState("");
  const q = useQuery({
    ...queries.hunt(id),
    refetchInterval: (x) => (ended.includes(x.state.data?.status ?? "") ? false : 400),
    retry: 5,
  });
  return (
    <Loaded q={q} rows={2}>
      {(h: HuntState) => (
        <div className="replay">
          {stale ? <p className="dim">The rule was changed since.</p> : null}
          {ended.includes(h.status) ? null : (
            <Meter label="Replay" value={h.all ? (100 * h.windows) / h.all : 0} />
          )}
          <Facts
            of={[
              ["State", <State of={h.status} />],
              ["Events that fit", count(h.result.hits)],
              ["Detections", count(h.result.fires)],
              ["A day", hours ? `about ${forecast(h.result.fires, hours)}` : ""],
              ["Read", `${count(h.result.scanned)} rows, ${bytes(h.result.bytes)}`],
            ]}
          />
          {h.error ? (
            <p className="tone-bad">
              <Text of={h.error} max={300} />
            </p>
          ) : null}
          <ul className="plain">
            {(h.result.samples ?? []).map((s) => (
              <li key={s}>
                <button
                  className="ghost mono"
                  aria-expanded={open === s}
                  onClick={() => setOpen(open === s ? "" : s)}
                >
                  {s.slice(0, 16)}
                </button>
                {open === s ? <EventView id={s} /> : null}
              </li>
            ))}
          </ul>
          {ended.includes(h.status) ? <To to={`/hunts?id=${encodeURIComponent(id)}`}>The hunt</To> : null}
        </div>
      )}
    </Loaded>
  );
}

/** How many a day, from how many in some hours. */
function forecast(fires: number, hours: number): string {
  const day = (fires * 24) / hours;
  return day >= 10 || Number.isInteger(day) ? count(Math.round(day)) : day.toFixed(1);
}
