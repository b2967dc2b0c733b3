import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";
import { refresh, type Stale } from "../api/queries";
import { useCommand } from "./keyboard";
import { useToast } from "./toast";

/** Makes a change, reads again what it touched, and tells what refused it. */
export function useChange<A, R>(
  topics: Stale[],
  fn: (arg: A) => Promise<R>,
  done?: (result: R, arg: A) => void,
) {
  const client = useQueryClient();
  const toast = useToast();
  return useMutation({
    mutationFn: fn,
    onSuccess: (result, arg) => done?.(result, arg),
    onError: (e) => toast({ text: e.message, bad: true }),
    onSettled: () => topics.forEach((t) => refresh(client, t)),
  });
}

/** The time, every so often: for countdowns and "ago". */
export function useNow(every = 1000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const t = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(t);
  }, [every]);
  return now;
}

/** j and k over a list; the row that has the cursor also has the focus. */
export function useCursor(ids: string[], active: string, activate: (id: string) => void) {
  const step = useCallback(
    (by: number) => {
      if (ids.length === 0) return;
      const i = ids.indexOf(active);
      const to = ids[i < 0 ? 0 : Math.max(0, Math.min(ids.length - 1, i + by))];
      if (to === undefined) return;
      activate(to);
      // At once, so that an Enter right behind goes to this row; a row that is not drawn
      // yet gets the focus when it is.
      if (!focusRow(to)) requestAnimationFrame(() => focusRow(to));
    },
    [ids, active, activate],
  );
  useCommand("next", () => step(1));
  useCommand("previous", () => step(-1));
}

function focusRow(id: string): boolean {
  const row = [...document.querySelectorAll<HTMLElement>("[data-row]")].find((r) => r.dataset.row === id);
  row?.scrollIntoView({ block: "nearest" });
  row?.querySelector<HTMLElement>("[data-row-button]")?.focus({ preventScroll: true });
  return row !== undefined;
}
