import { commands } from "../lib/commands";
import { Dialog } from "../kit/dialog";
import { Keys } from "../kit/keyboard";
import type { Screen } from "../screens";

/** Every key, from the registry and the table of screens. */
export function Help({ mine, close }: { mine: Screen[]; close: () => void }) {
  const rows = [
    ...commands.filter((c) => c.keys.length > 0),
    ...mine.map((s) => ({ id: s.path, keys: [`g ${s.key}`], name: s.name, group: "Go to" })),
  ];
  const groups = [...new Set(rows.map((r) => r.group))];
  return (
    <Dialog title="Keys" close={close} wide>
      <div className="help">
        {groups.map((g) => (
          <section key={g}>
            <h3>{g}</h3>
            {rows
              .filter((r) => r.group === g)
              .map((r) => (
                <div key={r.id} className="help-row">
                  <span>{r.name}</span>
                  <Keys keys={r.keys} />
                </div>
              ))}
          </section>
        ))}
      </div>
    </Dialog>
  );
}
