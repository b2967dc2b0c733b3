import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { call, get, post, Problem } from "./api";
import { Live } from "./live";
import { Failed, Loaded, To, useRoute } from "./parts";
import { Alerts, Approvals, Audit, Home, Incidents, Playbooks, Rules, Sources, Users } from "./screens";
import { Search } from "./search";
import type { Home as HomeView, Me } from "./types";

interface Screen { path: string; key: string; name: string; need: string; topics: string[]; view: (p: ScreenProps) => React.ReactNode }
export interface ScreenProps { id?: string; params: URLSearchParams; go: (to: string) => void; may: (p: string) => boolean }

/** The one table that navigation, keys and help come from. */
const screens: Screen[] = [
  { path: "", key: "h", name: "Home", need: "read:home", topics: ["alerts", "incidents", "approvals", "sources"], view: (p) => <Home {...p} /> },
  { path: "search", key: "s", name: "Search", need: "read:events", topics: [], view: (p) => <Search {...p} /> },
  { path: "alerts", key: "a", name: "Alerts", need: "read:alerts", topics: ["alerts"], view: (p) => <Alerts {...p} /> },
  { path: "incidents", key: "i", name: "Incidents", need: "read:incidents", topics: ["incidents", "runs", "approvals"], view: (p) => <Incidents {...p} /> },
  { path: "approvals", key: "p", name: "Approvals", need: "read:approvals", topics: ["approvals"], view: (p) => <Approvals {...p} /> },
  { path: "sources", key: "o", name: "Sources", need: "read:sources", topics: ["sources"], view: (p) => <Sources {...p} /> },
  { path: "detections", key: "d", name: "Detections", need: "read:rules", topics: [], view: (p) => <Rules {...p} /> },
  { path: "playbooks", key: "b", name: "Playbooks", need: "read:playbooks", topics: [], view: () => <Playbooks /> },
  { path: "audit", key: "u", name: "Audit", need: "read:audit", topics: ["audit"], view: () => <Audit /> },
  { path: "users", key: "m", name: "Users", need: "admin:users", topics: [], view: () => <Users /> },
];

export function App() {
  const [path, params, go] = useRoute();
  const me = useQuery({ queryKey: ["me"], queryFn: () => get<Me>("/me"), retry: false, staleTime: 60_000 });
  if (path[0] === "link") return <SignIn link={location.hash.slice(1)} done={() => { go("/"); void me.refetch(); }} />;
  if (me.isPending) return <div className="center" role="status">Loading…</div>;
  if (me.error instanceof Problem && me.error.status === 401) return <SignIn done={() => void me.refetch()} />;
  if (me.error || !me.data) return <div className="center"><div className="panel"><Failed error={me.error} /><button onClick={() => void me.refetch()}>Try again</button></div></div>;
  return <Shell me={me.data} path={path} params={params} go={go} />;
}

function SignIn({ link, done }: { link?: string; done: () => void }) {
  const [user, setUser] = useState("admin");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>(null);
  const submit = async (e: React.FormEvent) => {
    e.preventDefault();
    setError(null);
    try {
      if (link) await post("/login/link", { token: link, password });
      else await post("/login", { user, password });
      done();
    } catch (err) { setError(err); }
  };
  return (
    <main className="center">
      <form className="panel" onSubmit={(e) => void submit(e)}>
        <h1>Vigil</h1>
        {link ? <p className="dim">This one-time link makes you the admin. Choose a password of at least 12 characters; the user is <b>admin</b>.</p>
          : <label>User<input value={user} onChange={(e) => setUser(e.target.value)} autoComplete="username" required /></label>}
        <label>Password<input type="password" value={password} minLength={link ? 12 : 1} onChange={(e) => setPassword(e.target.value)} autoComplete={link ? "new-password" : "current-password"} required autoFocus /></label>
        <Failed error={error} />
        <button className="primary" type="submit">{link ? "Set password and sign in" : "Sign in"}</button>
      </form>
    </main>
  );
}

/** Listens to what the screen shows; a change makes its queries read again. */
function useLive(topics: string): boolean {
  const client = useQueryClient();
  const [stale, setStale] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    let waiting: ReturnType<typeof setTimeout> | undefined;
    const live = new Live({
      url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/live`, topics: topics.split(","),
      changed: () => { waiting ??= setTimeout(() => { waiting = undefined; void client.invalidateQueries(); }, 400); },
      state: (connected) => {
        clearTimeout(timer.current);
        if (connected) setStale(false);
        else timer.current = setTimeout(() => setStale(true), 5_000);
      },
    });
    return () => { live.close(); clearTimeout(waiting); clearTimeout(timer.current); };
  }, [topics, client]);
  return stale;
}

function Shell({ me, path, params, go }: { me: Me; path: string[]; params: URLSearchParams; go: (to: string) => void }) {
  const may = (p: string) => me.permissions.includes(p);
  const mine = screens.filter((s) => may(s.need));
  const screen = mine.find((s) => s.path === (path[0] ?? "")) ?? mine[0];
  const stale = useLive([...new Set(["alerts", "approvals", ...(screen?.topics ?? [])])].join(","));
  const home = useQuery({ queryKey: ["home"], queryFn: () => get<HomeView>("/home"), enabled: may("read:home") });
  const [theme, setTheme] = useState(() => localStorage.getItem("theme") ?? "dark");
  const help = useRef<HTMLDialogElement>(null);
  useEffect(() => { document.documentElement.dataset.theme = theme; localStorage.setItem("theme", theme); }, [theme]);
  useEffect(() => {
    let g = false;
    const on = (e: KeyboardEvent) => {
      if (e.target instanceof HTMLElement && /INPUT|TEXTAREA|SELECT/.test(e.target.tagName) || e.ctrlKey || e.metaKey || e.altKey) return;
      const hit = g ? mine.find((s) => s.key === e.key) : undefined;
      g = e.key === "g";
      if (hit) { go(`/${hit.path}`); e.preventDefault(); }
      if (e.key === "?") help.current?.showModal();
      if (e.key === "/") { document.querySelector<HTMLInputElement>("input[type=search]")?.focus(); e.preventDefault(); }
    };
    addEventListener("keydown", on);
    return () => removeEventListener("keydown", on);
  });
  const badge: Record<string, number | undefined> = { alerts: home.data?.alerts_open, approvals: home.data?.approvals_pending, incidents: home.data?.incidents_open };
  const title = screen?.name ?? "";
  useEffect(() => { document.title = `${title} · Vigil`; }, [title]);
  return (
    <div className="shell">
      <nav aria-label="Screens">
        <div className="brand">Vigil</div>
        {mine.map((s) => <To key={s.path} to={`/${s.path}`} aria-current={s === screen ? "page" : undefined}>{s.name}{badge[s.path] ? <span className="n">{badge[s.path]}</span> : null}</To>)}
        <div className="foot">
          <span role="status" className={stale ? "bad" : "ok"}>{stale ? "● stale, reconnecting" : "● live"}</span>
          <span>{me.user} · {me.role}</span>
          <button onClick={() => setTheme(theme === "dark" ? "light" : "dark")}>{theme === "dark" ? "Light" : "Dark"} theme</button>
          <button onClick={() => void call("POST", "/logout").finally(() => location.assign("/"))}>Sign out</button>
        </div>
      </nav>
      <main>{screen ? screen.view({ id: path[1] ? decodeURIComponent(path[1]) : undefined, params, go, may }) : <Loaded q={{ isPending: false, error: null }} empty="Your role may see nothing here."> </Loaded>}</main>
      <dialog ref={help} aria-label="Keys"><h2>Keys</h2><table><tbody>{mine.map((s) => <tr key={s.key}><td className="mono">g {s.key}</td><td>{s.name}</td></tr>)}<tr><td className="mono">/</td><td>to the query</td></tr><tr><td className="mono">?</td><td>this help</td></tr></tbody></table><form method="dialog"><button>Close</button></form></dialog>
    </div>
  );
}
