import { Bell, BellOff, Copy, Crosshair, Filter, FilterX, Fingerprint, Group, Search } from "lucide-react";
import { createContext, type ReactNode, useContext, useEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";
import type { Permission } from "../api/types";
import { useMay } from "./may";
import { entityKind, entityPath } from "../lib/entity";
import { filterIn, filterOut, term, withStages } from "../lib/query";
import { goTo, useRoute } from "../lib/router";
import { Text } from "./text";
import { useToast } from "./toast";

/** The rule whose alert the values belong to, "" for none. */
export const AboutRule = createContext("");

interface Asked {
  rule: string;
  field: string;
  value: string;
  at: DOMRect;
  from: HTMLElement;
}

const Context = createContext<(a: Asked) => void>(() => {});

/** The same menu for every value of every screen. */
export function ValueMenus({ children }: { children: ReactNode }) {
  const [asked, setAsked] = useState<Asked | null>(null);
  return (
    <Context.Provider value={setAsked}>
      {children}
      {asked ? (
        <ValueMenu key={`${asked.field}${asked.value}`} {...asked} close={() => setAsked(null)} />
      ) : null}
    </Context.Provider>
  );
}

interface Item {
  name: string;
  icon: typeof Copy;
  need: Permission | "";
  run: () => void;
}

function useItems(rule: string, field: string, value: string): Item[] {
  const { path, params, set } = useRoute();
  const toast = useToast();
  const may = useMay();
  const here = path[0] === "search";
  const query = here ? (params.get("q") ?? "") : "";
  const search = (q: string) =>
    here ? set({ q, e: "" }, true) : goTo(`/search?${new URLSearchParams({ q, t: "all" })}`);
  const copy = async () => {
    await navigator.clipboard.writeText(value);
    toast({ text: "Copied" });
  };
  const entity: Item = {
    name: "Open the entity",
    icon: Fingerprint,
    need: "read:alerts",
    run: () => goTo(entityPath(field, value)),
  };
  const items: Item[] = [
    {
      name: "Filter in",
      icon: Filter,
      need: "read:events",
      run: () => search(filterIn(query, field, value)),
    },
    {
      name: "Filter out",
      icon: FilterX,
      need: "read:events",
      run: () => search(filterOut(query, field, value)),
    },
    { name: "Only this", icon: Search, need: "read:events", run: () => search(term(field, value)) },
    {
      name: "Group by this field",
      icon: Group,
      need: "read:events",
      run: () => search(withStages(query, `top 20 ${field}`)),
    },
    ...(entityKind(field) ? [entity] : []),
    {
      name: "Alerts with this value",
      icon: Bell,
      need: "read:alerts",
      run: () => goTo(`/alerts?${new URLSearchParams({ q: value, status: "any" })}`),
    },
    {
      name: "Look up in intel",
      icon: Crosshair,
      need: "read:intel",
      run: () => goTo(`/intel?${new URLSearchParams({ q: value })}`),
    },
    { name: "Copy", icon: Copy, need: "", run: () => void copy() },
  ];
  if (rule && isField(field)) {
    const when = `e.${field} == ${JSON.stringify(value)}`;
    items.push({
      name: "Exception from this value…",
      icon: BellOff,
      need: "write:exceptions",
      run: () => goTo(`/detections?${new URLSearchParams({ view: "exceptions", rule, when })}`),
    });
  }
  return items.filter((i) => i.need === "" || may(i.need));
}

/** Whether a name can be written as a field of an event in a condition. */
function isField(name: string): boolean {
  return /^[a-z_]\w*(\.[a-z_]\w*)+$/i.test(name);
}

function ValueMenu({ rule, field, value, at, from, close }: Asked & { close: () => void }) {
  const box = useRef<HTMLDivElement>(null);
  const items = useItems(rule, field, value);
  const leave = () => {
    close();
    from.focus();
  };
  useEffect(() => {
    const menu = box.current;
    if (!menu) return;
    menu.showPopover();
    const { width, height } = menu.getBoundingClientRect();
    menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
    menu.style.top = `${at.bottom + height + 8 > innerHeight ? Math.max(8, at.top - height - 4) : at.bottom + 4}px`;
    menu.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const outside = (e: Event) => {
      if (e.target instanceof Node && !menu.contains(e.target)) close();
    };
    addEventListener("pointerdown", outside);
    addEventListener("wheel", outside, { passive: true });
    return () => {
      removeEventListener("pointerdown", outside);
      removeEventListener("wheel", outside);
    };
  }, [at, close]);
  const onKeyDown = (e: React.KeyboardEvent) => {
    const all = [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
    const i = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: all.length - 1 }[e.key];
    if (to !== undefined) all[(to + all.length) % all.length]?.focus();
    else if (e.key === "Escape" || e.key === "Tab") leave();
    else if (e.key !== "Enter" && e.key !== " ") return;
    else return e.stopPropagation();
    e.preventDefault();
    e.stopPropagation();
  };
  // In main, so that it belongs to a landmark; as a popover it is above everything anyway.
  return createPortal(
    <div
      ref={box}
      popover="manual"
      className="menu"
      role="menu"
      aria-label={`Value of ${field}`}
      onKeyDown={onKeyDown}
    >
      <div className="menu-head" role="presentation">
        <span className="dim">{field}</span>
        <span className="mono clamp">
          <Text of={value} max={120} />
        </span>
      </div>
      {items.map((i) => (
        <button
          key={i.name}
          role="menuitem"
          tabIndex={-1}
          onClick={() => {
            leave();
            i.run();
          }}
        >
          <i.icon size={14} aria-hidden />
          {i.name}
        </button>
      ))}
    </div>,
    document.getElementById("main") ?? document.body,
  );
}

/** A value of a field: inert text whose menu filters, pivots and copies. */
export function Value({ field, of, max }: { field: string; of: string | undefined; max?: number }) {
  const ask = useContext(Context);
  const rule = useContext(AboutRule);
  if (of === undefined || of === "") return <span className="dim">–</span>;
  return (
    <button
      type="button"
      className="value"
      aria-haspopup="menu"
      title={field}
      onClick={(e) => {
        e.stopPropagation();
        ask({ rule, field, value: of, at: e.currentTarget.getBoundingClientRect(), from: e.currentTarget });
      }}
    >
      <Text of={of} max={max} />
    </button>
  );
}

/** The names that entity kinds have as fields. */
export function fieldOf(kind: string): string {
  return { host: "host.name", user: "user.name", domain: "dns.question.name" }[kind] ?? kind;
}

/** Entities as small labels; each has the menu. */
export function Entities({ of }: { of?: Record<string, string> }) {
  return (
    <span className="entities">
      {Object.entries(of ?? {}).map(([kind, value]) => (
        <span key={kind} className="entity">
          <span className="dim">{kind}</span>
          <Value field={fieldOf(kind)} of={value} max={48} />
        </span>
      ))}
    </span>
  );
}
