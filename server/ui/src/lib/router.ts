import { createContext, useContext, useEffect, useMemo, useState } from "react";

/** Where the app is. The URL holds the whole state of the screen. */
export interface Route {
  /** The parts of the path, decoded: ["alerts", "id"]. */
  path: string[];
  params: URLSearchParams;
  /** Goes to a place in the app. */
  go: (to: string) => void;
  /** Changes some parameters of the URL; "" removes one. Replaces, unless the change is a step back-worthy. */
  set: (change: Record<string, string>, push?: boolean) => void;
}

function navigate(to: string, replace: boolean) {
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  dispatchEvent(new PopStateEvent("popstate"));
}

export function goTo(to: string) {
  navigate(to, false);
}

/** A parameter that is one of a few words; the first of them when it is none. */
export function word<T extends string>(of: readonly [T, ...T[]], text: string | null): T {
  return of.find((w) => w === text) ?? of[0];
}

/** The URL with some parameters changed. */
export function changed(href: string, change: Record<string, string>): string {
  const url = new URL(href);
  for (const [k, v] of Object.entries(change)) {
    if (v === "") url.searchParams.delete(k);
    else url.searchParams.set(k, v);
  }
  return url.pathname + url.search;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const RouteContext = createContext<Route | null>(null);

export function useRoute(): Route {
  const route = useContext(RouteContext);
  if (!route) throw new Error("useRoute outside of the app");
  return route;
}

/** Follows the URL of the page. */
export function useLocation(): Route {
  const [href, setHref] = useState(location.href);
  useEffect(() => {
    const on = () => setHref(location.href);
    addEventListener("popstate", on);
    return () => removeEventListener("popstate", on);
  }, []);
  return useMemo(() => {
    const url = new URL(href);
    return {
      path: url.pathname.split("/").filter(Boolean).map(decode),
      params: url.searchParams,
      go: goTo,
      set: (change, push) => navigate(changed(location.href, change), !push),
    };
  }, [href]);
}
