import { useQuery } from "@tanstack/react-query";
import { CornerDownLeft, Radar, Search, Terminal } from "lucide-react";
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from "react";
import { queries } from "../api/queries";
import { Keys, useKeyboard } from "../kit/keyboard";
import { useMay } from "../kit/may";
import { Text } from "../kit/text";
import { commands, fuzzy } from "../lib/commands";
import { goTo } from "../lib/router";
import type { Screen } from "../screens";

interface Entry {
  id: string;
  name: string;
  kind: string;
  keys: readonly string[];
  icon: typeof Search;
  run: () => void;
}

const shownAtMost = 12;

/** What can be done now: screens, the commands something answers to, rules, and a search. */
function useEntries(mine: Screen[], text: string): Entry[] {
  const keyboard = useKeyboard();
  const may = useMay();
  const rules = useQuery({ ...queries.rules(), enabled: may("read:rules") });
  const all = useMemo(() => {
    const bound = keyboard.bound();
    const list: Entry[] = mine.map((s) => ({
      id: `screen-${s.path}`,
      name: s.name,
      kind: "Screen",
      keys: [`g ${s.key}`],
      icon: s.icon,
      run: () => goTo(`/${s.path}`),
    }));
    for (const c of commands) {
      if (!bound.has(c.id) || c.id === "palette" || c.group === "Lists") continue;
      list.push({
        id: c.id,
        name: c.name,
        kind: c.group,
        keys: c.keys,
        icon: Terminal,
        run: () => void keyboard.call(c.id),
      });
    }
    for (const r of rules.data?.items ?? []) {
      const run = () => goTo(`/detections/${encodeURIComponent(r.id)}`);
      list.push({ id: `rule-${r.id}`, name: r.title, kind: "Rule", keys: [], icon: Radar, run });
    }
    return list;
  }, [mine, rules.data, keyboard]);
  const typed = text.trim();
  const fits = all
    .map((e) => ({ e, score: fuzzy(typed, e.name) }))
    .filter((x): x is { e: Entry; score: number } => x.score !== undefined);
  if (typed) fits.sort((a, b) => b.score - a.score);
  const entries = fits.slice(0, shownAtMost).map((x) => x.e);
  if (typed && may("read:events")) {
    const run = () => goTo(`/search?${new URLSearchParams({ q: typed, t: "all" })}`);
    entries.push({
      id: "search",
      name: `Search events for ${typed}`,
      kind: "Search",
      keys: [],
      icon: Search,
      run,
    });
  }
  return entries;
}

export function Palette({ mine, close }: { mine: Screen[]; close: () => void }) {
  const box = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const entries = useEntries(mine, text);
  const active = Math.min(at, entries.length - 1);
  useEffect(() => {
    box.current?.showModal();
    box.current?.querySelector("input")?.focus();
  }, []);
  useEffect(() => {
    box.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [active]);
  const choose = (e: Entry | undefined) => {
    close();
    // After the dialog is gone: keys and commands are dead while one is open.
    if (e) setTimeout(e.run);
  };
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key === "ArrowDown") setAt((active + 1) % Math.max(1, entries.length));
    else if (e.key === "ArrowUp") setAt((active - 1 + entries.length) % Math.max(1, entries.length));
    else if (e.key === "Enter") choose(entries[active]);
    else return;
    e.preventDefault();
  };
  return (
    <dialog ref={box} className="palette" aria-label="Command palette" onCancel={close} onClose={close}>
      <div className="palette-input">
        <Search size={16} aria-hidden />
        <input
          role="combobox"
          aria-label="Screen, command, rule or search"
          aria-expanded="true"
          aria-controls="palette-list"
          aria-activedescendant={entries[active] ? `palette-${entries[active].id}` : undefined}
          placeholder="Screen, command, rule or search"
          value={text}
          onChange={(e) => {
            setText(e.target.value);
            setAt(0);
          }}
          onKeyDown={onKeyDown}
        />
      </div>
      <div role="listbox" id="palette-list" aria-label="Results">
        {entries.map((e, i) => (
          <div
            key={e.id}
            id={`palette-${e.id}`}
            role="option"
            aria-selected={i === active}
            onMouseMove={() => setAt(i)}
            onClick={() => choose(e)}
          >
            <e.icon size={15} aria-hidden />
            <span className="grow">
              <Text of={e.name} max={90} />
            </span>
            <span className="dim">{e.kind}</span>
            <Keys keys={e.keys} />
            {i === active ? <CornerDownLeft size={13} aria-hidden /> : null}
          </div>
        ))}
      </div>
    </dialog>
  );
}
