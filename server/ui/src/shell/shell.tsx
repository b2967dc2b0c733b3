import { useQuery } from "@tanstack/react-query";
import { Keyboard as KeyboardIcon, LogOut, Moon, Search, Sun, WifiOff } from "lucide-react";
import { Suspense, useEffect, useMemo, useRef, useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import { KeyboardProvider, useCommand } from "../kit/keyboard";
import { To } from "../kit/layout";
import { useMay, useMe } from "../kit/may";
import { Empty, Skeleton } from "../kit/state";
import { Toasts } from "../kit/toast";
import { ValueMenus } from "../kit/value";
import { useRoute } from "../lib/router";
import { runScreen as Run, type Screen, screens } from "../screens";
import { Boundary } from "./boundary";
import { Help } from "./help";
import { useLive } from "./live";
import { Mark } from "./mark";
import { Palette } from "./palette";
import type { Theme } from "./theme";

export function Shell({ theme }: { theme: Theme }) {
  const may = useMay();
  const mine = useMemo(() => screens.filter((s) => may(s.need)), [may]);
  const chords = useMemo(() => new Map(mine.map((s) => [s.key, `/${s.path}`])), [mine]);
  return (
    <KeyboardProvider screens={chords}>
      <Toasts>
        <ValueMenus>
          <Frame mine={mine} theme={theme} />
        </ValueMenus>
      </Toasts>
    </KeyboardProvider>
  );
}

function Frame({ mine, theme }: { mine: Screen[]; theme: Theme }) {
  const { path } = useRoute();
  const stale = useLive(useMay(), useMe().live);
  const [over, setOver] = useState<"palette" | "help" | null>(null);
  useCommand("palette", () => setOver("palette"));
  useCommand("help", () => setOver("help"));
  useCommand("theme", theme.toggle);
  const screen = mine.find((s) => s.path === (path[0] ?? ""));
  const title = path[0] === "runs" ? "Run" : (screen?.name ?? "Not found");
  useEffect(() => {
    document.title = `${path[1] ? `${path[1].slice(0, 40)} · ` : ""}${title} · Vigil`;
  }, [title, path]);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        To the content
      </a>
      <Rail
        mine={mine}
        current={screen}
        theme={theme}
        stale={stale}
        openPalette={() => setOver("palette")}
        openHelp={() => setOver("help")}
      />
      <main id="main" tabIndex={-1}>
        {stale === null ? null : <Stale since={stale} />}
        <Boundary key={path.join("/")}>
          <Suspense fallback={<Skeleton />}>
            <Current path={path} screen={screen} />
          </Suspense>
        </Boundary>
      </main>
      {over === "palette" ? <Palette mine={mine} close={() => setOver(null)} /> : null}
      {over === "help" ? <Help mine={mine} close={() => setOver(null)} /> : null}
    </div>
  );
}

function Current({ path, screen }: { path: string[]; screen?: Screen }) {
  const may = useMay();
  if (path[0] === "runs" && path[1] && may("read:incidents")) return <Run id={path[1]} />;
  if (!screen)
    return (
      <Empty title="There is no such screen for you">
        The address may be wrong, or your role may not see it.
      </Empty>
    );
  return <screen.view id={path[1]} />;
}

function Stale({ since }: { since: number }) {
  return (
    <div className="notice is-warn" role="status">
      <WifiOff size={16} aria-hidden />
      <span>
        The live connection is lost; what you see is as of{" "}
        <b>{new Date(since).toISOString().slice(11, 19)} UTC</b>. Reconnecting…
      </span>
    </div>
  );
}

interface RailProps {
  mine: Screen[];
  current?: Screen;
  theme: Theme;
  stale: number | null;
  openPalette: () => void;
  openHelp: () => void;
}

function Rail({ mine, current, theme, stale, openPalette, openHelp }: RailProps) {
  const me = useMe();
  const may = useMay();
  const home = useQuery({ ...queries.home(), enabled: may("read:home") });
  const badges: Record<string, number | undefined> = {
    alerts: home.data?.alerts_open,
    incidents: home.data?.incidents_open,
    approvals: home.data?.approvals_pending,
  };
  const list = useRef<HTMLDivElement>(null);
  // On a phone the screens are a strip: the current one is scrolled into it.
  useEffect(() => {
    const link = list.current?.querySelector<HTMLElement>("[aria-current]");
    if (link) list.current?.scrollTo({ left: link.offsetLeft - innerWidth / 3 });
  }, [current]);
  const signOut = () =>
    void api.logout().then(
      (out) => location.assign(out.redirect ?? "/"),
      () => location.assign("/"),
    );
  const groups = [...new Set(mine.map((s) => s.group))];
  return (
    <nav className="rail" aria-label="Screens">
      <div className="brand">
        <Mark /> <span>Vigil</span>
        <span className={`live-dot ${stale === null ? "is-live" : "is-stale"}`} role="status">
          {stale === null ? "live" : "stale"}
        </span>
      </div>
      <button className="rail-search" onClick={openPalette}>
        <Search size={14} aria-hidden />
        <span>Go to…</span>
        <kbd>ctrl K</kbd>
      </button>
      <div className="rail-screens" ref={list}>
        {groups.map((g) => (
          <div key={g} className="rail-group">
            <div className="rail-title">{g}</div>
            {mine
              .filter((s) => s.group === g)
              .map((s) => (
                <To key={s.path} to={`/${s.path}`} aria-current={s === current ? "page" : undefined}>
                  <s.icon size={16} aria-hidden />
                  <span>{s.name}</span>
                  {badges[s.path] ? (
                    <span className={`badge ${s.path === "approvals" ? "is-hot" : ""}`}>
                      {badges[s.path]}
                    </span>
                  ) : null}
                </To>
              ))}
          </div>
        ))}
      </div>
      <div className="rail-foot">
        <div className="who">
          <b>{me.full_name || me.user}</b>
          <span className="dim">{me.role}</span>
        </div>
        <button className="ghost icon" aria-label="Keys" title="Keys (?)" onClick={openHelp}>
          <KeyboardIcon size={16} aria-hidden />
        </button>
        <button
          className="ghost icon"
          aria-label={theme.name === "dark" ? "Light theme" : "Dark theme"}
          title={theme.name === "dark" ? "Light theme" : "Dark theme"}
          onClick={theme.toggle}
        >
          {theme.name === "dark" ? <Sun size={16} aria-hidden /> : <Moon size={16} aria-hidden />}
        </button>
        <button className="ghost icon" aria-label="Sign out" title="Sign out" onClick={signOut}>
          <LogOut size={16} aria-hidden />
        </button>
      </div>
    </nav>
  );
}
