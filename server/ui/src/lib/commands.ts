// The one registry of keys. The palette and the help render from this table, and the
// dispatcher looks here: there is no second list that could say something else.

export interface Command {
  id: string;
  keys: string[];
  name: string;
  group: "Anywhere" | "Lists" | "Search" | "Alerts" | "Approvals" | "Incidents" | "Go to";
}

export const commands = [
  { id: "palette", keys: ["ctrl+k"], name: "Command palette", group: "Anywhere" },
  { id: "help", keys: ["?"], name: "Keys", group: "Anywhere" },
  { id: "theme", keys: [], name: "Switch between dark and light", group: "Anywhere" },
  { id: "undo", keys: ["u"], name: "Undo the last change", group: "Anywhere" },
  { id: "escape", keys: ["Escape"], name: "Close what is open", group: "Anywhere" },
  { id: "query", keys: ["/"], name: "To the query", group: "Search" },
  { id: "time", keys: ["d"], name: "Choose the time range", group: "Search" },
  { id: "next", keys: ["j", "ArrowDown"], name: "Next row", group: "Lists" },
  { id: "previous", keys: ["k", "ArrowUp"], name: "Previous row", group: "Lists" },
  { id: "expand", keys: ["Enter"], name: "Expand the row in place", group: "Lists" },
  { id: "drawer", keys: ["o"], name: "Open the row in the drawer", group: "Lists" },
  { id: "page", keys: ["O"], name: "Open the row as a page", group: "Lists" },
  { id: "select", keys: ["x"], name: "Select the row", group: "Lists" },
  { id: "acknowledge", keys: ["e"], name: "Acknowledge the group", group: "Alerts" },
  { id: "close", keys: ["c"], name: "Close with a verdict and a reason", group: "Alerts" },
  { id: "mine", keys: ["m"], name: "Assign to me", group: "Alerts" },
  { id: "incident", keys: ["i"], name: "Open its incident", group: "Alerts" },
  { id: "rule", keys: ["t"], name: "Open its rule", group: "Alerts" },
  { id: "comment", keys: ["n"], name: "Write a comment", group: "Incidents" },
  {
    id: "approve",
    keys: ["y"],
    name: "Open the approve dialog (it never decides by itself)",
    group: "Approvals",
  },
  { id: "deny", keys: ["Y"], name: "Open the deny dialog", group: "Approvals" },
] as const satisfies Command[];

export type CommandID = (typeof commands)[number]["id"];

/** The key of an event as the table writes it. */
export function keyOf(e: { key: string; ctrlKey: boolean; metaKey: boolean; altKey: boolean }): string {
  if (e.altKey) return "";
  return e.ctrlKey || e.metaKey ? `ctrl+${e.key.toLowerCase()}` : e.key;
}

export interface Match {
  /** The command that the key calls, or the screen that g and the key go to. */
  command?: CommandID;
  screen?: string;
  /** Whether the next key completes a chord. */
  pending: boolean;
}

/**
 * Matches a key. While a person types, only chords with ctrl and Escape count;
 * `g` and a letter go to a screen.
 */
export function match(key: string, pending: boolean, typing: boolean, screens: Map<string, string>): Match {
  const plain = !key.startsWith("ctrl+") && key !== "Escape";
  if (typing && plain) return { pending: false };
  if (pending && screens.has(key)) return { screen: screens.get(key), pending: false };
  if (key === "g" && !pending) return { pending: true };
  const hit = commands.find((c) => (c.keys as readonly string[]).includes(key));
  return { command: hit?.id, pending: false };
}

/** Ranks names against what was typed: every letter in order; starts of words count more. Undefined: no fit. */
export function fuzzy(text: string, name: string): number | undefined {
  const [t, n] = [text.toLowerCase().trim(), name.toLowerCase()];
  let score = 0;
  let from = 0;
  for (const c of t) {
    if (c === " ") continue;
    const i = n.indexOf(c, from);
    if (i < 0) return undefined;
    score += i === from ? 2 : i === 0 || n[i - 1] === " " ? 3 : 0;
    from = i + 1;
  }
  return score - n.length / 100;
}
