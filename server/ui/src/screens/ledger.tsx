import { useQuery } from "@tanstack/react-query";
import { queries } from "../api/queries";
import { Facts, Panel, Table, To } from "../kit/layout";
import { Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { count } from "../lib/format";

/** What the evaluation ledger proves: which rule versions have seen which chunks. */
export function Ledger() {
  const q = useQuery(queries.ledger());
  return (
    <Loaded q={q}>
      {(l) => (
        <div className="stack">
          <Panel title="Evaluation ledger">
            <Facts
              of={[
                ["Chunks committed", count(l.chunks)],
                ["Cells evaluated", count(l.evaluated)],
                ["Judged again for late events", count(l.late)],
                ["Failed", count(l.failed)],
                [
                  "Unproven",
                  <span className={l.unproven.length > 0 ? "tone-bad" : "tone-good"}>
                    {count(l.unproven.length)}
                  </span>,
                ],
              ]}
            />
          </Panel>
          {l.unproven.length > 0 ? (
            <Panel title="Not proven" flush>
              <Table
                label="Cells that the ledger does not prove"
                rows={l.unproven}
                id={(u) => `${u.rule} ${u.version} ${u.chunk} ${u.why}`}
                columns={[
                  {
                    name: "Rule",
                    cell: (u) =>
                      u.rule === "*" || u.rule === "" ? (
                        "all rules"
                      ) : (
                        <To to={`/detections/${encodeURIComponent(u.rule)}`}>{u.rule}</To>
                      ),
                  },
                  { name: "Version", cell: (u) => <span className="mono">{u.version.slice(0, 12)}</span> },
                  {
                    name: "Chunk",
                    cell: (u) => (
                      <span className="mono">
                        <Text of={u.chunk} max={40} />
                      </span>
                    ),
                  },
                  { name: "Why", cell: (u) => <Text of={u.why} /> },
                ]}
              />
            </Panel>
          ) : null}
        </div>
      )}
    </Loaded>
  );
}
