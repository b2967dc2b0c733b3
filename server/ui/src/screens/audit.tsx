import { useInfiniteQuery } from "@tanstack/react-query";
import { ShieldCheck } from "lucide-react";
import { useState } from "react";
import { api } from "../api/client";
import type { AuditRecord, AuditReport, Page } from "../api/types";
import { State } from "../kit/badges";
import { CopyButton } from "../kit/code";
import { useChange } from "../kit/hooks";
import { Head, Table } from "../kit/layout";
import { Empty, Failed, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { plural, when, words } from "../lib/format";

const pageSize = 100;

export default function Audit() {
  const q = useInfiniteQuery({
    queryKey: ["audit", "trail"],
    queryFn: ({ pageParam }) => api.audit(pageSize, pageParam),
    initialPageParam: "",
    getNextPageParam: (last: Page<AuditRecord>) => last.next || undefined,
  });
  const rows = q.data?.pages.flatMap((p) => p.items) ?? [];
  const [report, setReport] = useState<AuditReport | null>(null);
  const verify = useChange(["audit"], api.verifyAudit, setReport);
  return (
    <>
      <Head
        title="Audit"
        actions={
          <button className="primary" disabled={verify.isPending} onClick={() => verify.mutate(undefined)}>
            <ShieldCheck size={14} aria-hidden /> {verify.isPending ? "Verifying…" : "Verify the chain"}
          </button>
        }
      >
        <span className="dim">every change, decision, sign-in and refusal, in hash chains</span>
      </Head>
      <Failed error={verify.error} />
      {report ? <Report of={report} /> : null}
      <Loaded q={q}>
        {() => (rows.length === 0 ? <Empty title="Nothing is recorded yet" /> : <Rows rows={rows} />)}
      </Loaded>
      {q.hasNextPage ? (
        <button className="more" disabled={q.isFetchingNextPage} onClick={() => void q.fetchNextPage()}>
          {q.isFetchingNextPage ? "Reading…" : "Read older records"}
        </button>
      ) : null}
    </>
  );
}

/** What the verifier found; its numbers are shown as it names them. */
function Report({ of }: { of: AuditReport }) {
  const ok = of.ok;
  const numbers = Object.entries(of).filter((e): e is [string, number] => typeof e[1] === "number");
  return (
    <div className={`notice ${ok ? "is-ok" : "is-bad"}`} role="status">
      <ShieldCheck size={18} aria-hidden />
      <div>
        <b>{ok ? "Every link holds." : "The trail was changed."}</b>
        <div className="dim">{numbers.map(([k, v]) => plural(v, words(k).replace(/s$/, ""))).join(", ")}</div>
        {ok
          ? null
          : (of.problems ?? []).map((p, i) => (
              <div key={i}>
                <Text of={`${p.writer} ${p.seq}: ${p.text}`} />
              </div>
            ))}
      </div>
    </div>
  );
}

function Rows({ rows }: { rows: AuditRecord[] }) {
  return (
    <Table
      label="Audit trail"
      rows={rows}
      id={(r) => `${r.writer}/${r.seq}`}
      columns={[
        { name: "Time (UTC)", cell: (r) => <span className="mono nowrap">{when(r.time)}</span> },
        { name: "Who", className: "nowrap", cell: (r) => <Text of={r.actor} max={24} /> },
        {
          name: "What",
          cell: (r) => (
            <span className="mono nowrap">
              <Text of={r.verb} />
            </span>
          ),
        },
        {
          name: "Object",
          className: "cell-object",
          cell: (r) => (
            <span className="mono">
              <Text of={r.object} max={60} />
            </span>
          ),
        },
        { name: "Outcome", cell: (r) => <State of={r.outcome} /> },
        { name: "Details", cell: (r) => <Details of={r.details} /> },
        {
          name: "Hash",
          cell: (r) => (
            <span className="mono nowrap dim">
              {r.hash.slice(0, 8)} <CopyButton text={r.hash} label={`Copy the hash of record ${r.seq}`} />
            </span>
          ),
        },
      ]}
    />
  );
}

/** What the record holds besides; long digests are cut, the whole is in the title. */
function Details({ of }: { of?: Record<string, string> }) {
  const set = Object.entries(of ?? {}).filter(([, v]) => v !== "");
  return (
    <span className="details">
      {set.map(([k, v]) => (
        <span key={k}>
          <span className="dim">
            <Text of={k} />
          </span>{" "}
          <Text of={v} max={/^[0-9a-f]{32,}$/.test(v) ? 12 : 120} />
        </span>
      ))}
    </span>
  );
}
