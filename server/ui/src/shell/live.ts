import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { queries, refresh } from "../api/queries";
import { type Permission, type Topic, topics } from "../api/schema.gen";
import { Live } from "../lib/live";

/** How long changes of a topic are gathered before its queries read again. */
const gather = 500;
const staleAfter = 5_000;

/** Listens to every topic the role may read. Returns since when the screen is stale, or null. */
export function useLive(may: (permission: Permission) => boolean, from: string): number | null {
  const client = useQueryClient();
  const [stale, setStale] = useState<number | null>(null);
  // Only the offset of the first page counts: the connection knows the later ones.
  const [since] = useState(from);
  const wanted = (Object.keys(topics) as Topic[]).filter((t) => may(topics[t])).join(",");
  useEffect(() => {
    const waiting = new Map<Topic, ReturnType<typeof setTimeout>>();
    let lost: ReturnType<typeof setTimeout> | undefined;
    let cut = 0;
    const changed = (topic: Topic) => {
      if (waiting.has(topic)) return;
      const later = () => {
        waiting.delete(topic);
        refresh(client, topic);
      };
      waiting.set(topic, setTimeout(later, gather));
    };
    const state = (connected: boolean) => {
      if (connected) {
        clearTimeout(lost);
        lost = undefined;
        setStale(null);
      } else if (lost === undefined) {
        cut = Date.now();
        lost = setTimeout(() => setStale(cut), staleAfter);
      }
    };
    const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/live`;
    const ended = () => void client.invalidateQueries({ queryKey: queries.me().queryKey });
    const live = new Live({ url, topics: wanted.split(",") as Topic[], since, changed, state, ended });
    return () => {
      live.close();
      clearTimeout(lost);
      waiting.forEach((t) => clearTimeout(t));
    };
  }, [wanted, client, since]);
  return stale;
}
