import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef } from "react";
import { type CommandID, keyOf, match } from "../lib/commands";
import { goTo } from "../lib/router";

type Handler = () => void;

interface Keyboard {
  bind: (id: CommandID, fn: Handler) => () => void;
  /** Calls what is bound to a command now; false when nothing is. */
  call: (id: CommandID) => boolean;
  /** The commands that something on screen answers to. */
  bound: () => Set<CommandID>;
}

const Context = createContext<Keyboard | null>(null);

/** The handlers of commands: the newest binding wins, so that a dialog goes before its screen. */
function makeKeyboard(): Keyboard {
  const handlers = new Map<CommandID, Handler[]>();
  return {
    bind(id, fn) {
      handlers.set(id, [...(handlers.get(id) ?? []), fn]);
      return () => {
        handlers.set(
          id,
          (handlers.get(id) ?? []).filter((f) => f !== fn),
        );
      };
    },
    call(id) {
      const fn = handlers.get(id)?.at(-1);
      fn?.();
      return fn !== undefined;
    },
    bound: () => new Set([...handlers].filter(([, fns]) => fns.length > 0).map(([id]) => id)),
  };
}

const typed = "input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]";
/** Where Enter and the arrows have a meaning of their own. */
const ownKeys = "button, a, summary, pre, [role=menu], [role=tablist], [role=listbox]";

export function KeyboardProvider({
  screens,
  children,
}: {
  screens: Map<string, string>;
  children: ReactNode;
}) {
  const keyboard = useMemo(makeKeyboard, []);
  const pending = useRef(false);
  useEffect(() => {
    const on = (e: KeyboardEvent) => {
      const target = e.target instanceof Element ? e.target : null;
      if (e.defaultPrevented || e.isComposing || document.querySelector("dialog[open]")) return;
      if (["Shift", "Control", "Alt", "Meta"].includes(e.key)) return;
      if (e.key === "Enter" && target?.closest(ownKeys)) return;
      if (e.key.startsWith("Arrow") && target?.closest("pre, [role=menu], [role=tablist], [role=listbox]"))
        return;
      const m = match(keyOf(e), pending.current, !!target?.closest(typed), screens);
      pending.current = m.pending;
      if (m.screen !== undefined) {
        e.preventDefault();
        goTo(m.screen);
      } else if (m.command && keyboard.call(m.command)) e.preventDefault();
    };
    addEventListener("keydown", on);
    return () => removeEventListener("keydown", on);
  }, [keyboard, screens]);
  return <Context.Provider value={keyboard}>{children}</Context.Provider>;
}

export function useKeyboard(): Keyboard {
  const k = useContext(Context);
  if (!k) throw new Error("useKeyboard outside of the app");
  return k;
}

/** Answers a command while the component is on screen; nothing when fn is undefined. */
export function useCommand(id: CommandID, fn: Handler | undefined): void {
  const keyboard = useKeyboard();
  const latest = useRef(fn);
  latest.current = fn;
  const bound = fn !== undefined;
  useEffect(() => (bound ? keyboard.bind(id, () => latest.current?.()) : undefined), [id, keyboard, bound]);
}

/** The keys of a command as caps. */
export function Keys({ keys }: { keys: readonly string[] }) {
  return (
    <span className="keys">
      {keys.map((k) => (
        <kbd key={k}>{k.replace("ctrl+", "ctrl ").replace("ArrowDown", "↓").replace("ArrowUp", "↑")}</kbd>
      ))}
    </span>
  );
}
