import { QueryClient } from "@tanstack/react-query";
import { api, type EntityKind } from "./client";
import type { SavedKind, Topic } from "./schema.gen";

/** What queries are read again for: the live topics, and what only its owner changes. */
export type Stale = Topic | "users" | "passkeys" | "saved" | "reports";

// The one table of what is cached under which key. A key's first word is its noun:
// live notes of a topic make every query of the topic's nouns read again.
export const queries = {
  me: () => ({ queryKey: ["me"], queryFn: api.me }),
  loginOptions: () => ({ queryKey: ["login-options"], queryFn: api.loginOptions }),
  passkeys: () => ({ queryKey: ["passkeys"], queryFn: api.passkeys }),
  userPasskeys: (user: string) => ({
    queryKey: ["passkeys", "of", user],
    queryFn: () => api.userPasskeys(user),
  }),
  home: () => ({ queryKey: ["home"], queryFn: api.home }),
  newestAlerts: () => ({
    queryKey: ["alerts", "newest"],
    queryFn: () => api.alerts({ status: "open" }, 50),
  }),
  alert: (id: string) => ({ queryKey: ["alerts", "one", id], queryFn: () => api.alert(id) }),
  ruleAlerts: (rule: string) => ({
    queryKey: ["alerts", "of-rule", rule],
    queryFn: () => api.alerts({ rule }, 20),
  }),
  incidents: (status: string, limit: number) => ({
    queryKey: ["incidents", status, limit],
    queryFn: () => api.incidents({ status, limit }),
  }),
  actions: (id: string) => ({ queryKey: ["incidents", "actions", id], queryFn: () => api.actions(id) }),
  incident: (id: string) => ({ queryKey: ["incidents", "one", id], queryFn: () => api.incident(id) }),
  similar: (id: string) => ({
    queryKey: ["incidents", "similar", id],
    queryFn: () => api.similarIncidents(id),
  }),
  then: (id: string, time: string) => ({
    queryKey: ["incidents", "then", id, time],
    queryFn: () => api.incidentThen(id, time),
  }),
  kpis: (days: number) => ({ queryKey: ["incidents", "kpis", days], queryFn: () => api.kpis(days) }),
  run: (id: string) => ({ queryKey: ["runs", id], queryFn: () => api.run(id) }),
  approvals: (status: string, limit: number) => ({
    queryKey: ["approvals", status, limit],
    queryFn: () => api.approvals(status, limit),
  }),
  approval: (id: string) => ({ queryKey: ["approvals", "one", id], queryFn: () => api.approval(id) }),
  sources: () => ({ queryKey: ["sources"], queryFn: api.sources }),
  source: (id: string) => ({ queryKey: ["sources", "one", id], queryFn: () => api.source(id) }),
  event: (id: string) => ({ queryKey: ["event", id], queryFn: () => api.event(id), staleTime: Infinity }),
  around: (id: string, n: number) => ({
    queryKey: ["event", "around", id, n],
    queryFn: () => api.around(id, n),
    staleTime: Infinity,
  }),
  prevalence: (id: string) => ({
    queryKey: ["event", "prevalence", id],
    queryFn: () => api.prevalence(id),
    staleTime: 60_000,
  }),
  entities: (kind: EntityKind, q: string) => ({
    queryKey: ["entities", kind, q],
    queryFn: () => api.entities(kind, q),
    staleTime: 30_000,
  }),
  entity: (kind: EntityKind, name: string) => ({
    queryKey: ["entities", "one", kind, name],
    queryFn: () => api.entity(kind, name),
  }),
  alertsOf: (q: string) => ({ queryKey: ["alerts", "of", q], queryFn: () => api.alerts({ q }, 20) }),
  /** The nth that was asked for on this screen. */
  deployment: (n: number) => ({ queryKey: ["deployment", n], queryFn: api.deployment, gcTime: 0 }),
  ruleLanguage: () => ({ queryKey: ["language"], queryFn: api.ruleLanguage, staleTime: Infinity }),
  hunts: () => ({ queryKey: ["hunts"], queryFn: api.hunts, refetchInterval: 5_000 }),
  hunt: (id: string) => ({ queryKey: ["hunts", id], queryFn: () => api.hunt(id) }),
  saved: (kind: SavedKind) => ({ queryKey: ["saved", kind], queryFn: () => api.saved(kind) }),
  dashboards: () => ({ queryKey: ["saved", "dashboards"], queryFn: api.dashboards }),
  dashboard: (id: string) => ({ queryKey: ["saved", "dashboards", id], queryFn: () => api.dashboard(id) }),
  reports: (of: string) => ({ queryKey: ["reports", of], queryFn: () => api.reports(of) }),
  fields: () => ({ queryKey: ["fields"], queryFn: api.fields, staleTime: Infinity }),
  rules: () => ({ queryKey: ["rules"], queryFn: api.rules, staleTime: 60_000 }),
  ruleHealth: () => ({ queryKey: ["rules", "of-all", "health"], queryFn: api.ruleHealth }),
  tuning: (id: string) => ({ queryKey: ["alerts", "tuning", id], queryFn: () => api.tuning(id) }),
  ledger: () => ({ queryKey: ["rules", "of-all", "ledger"], queryFn: api.ledger }),
  exceptions: () => ({ queryKey: ["exceptions"], queryFn: api.exceptions }),
  rule: (id: string) => ({ queryKey: ["rules", id], queryFn: () => api.rule(id) }),
  playbooks: () => ({ queryKey: ["playbooks"], queryFn: api.playbooks, staleTime: 60_000 }),
  audit: (limit: number) => ({ queryKey: ["audit", limit], queryFn: () => api.audit(limit) }),
  feeds: () => ({ queryKey: ["intel", "feeds"], queryFn: api.feeds }),
  sightings: (feed: string) => ({
    queryKey: ["intel", "sightings", feed],
    queryFn: () => api.sightings({ feed, limit: 20 }),
  }),
  models: () => ({ queryKey: ["models"], queryFn: api.models }),
  model: (id: string) => ({ queryKey: ["models", id], queryFn: () => api.model(id) }),
  posture: () => ({ queryKey: ["posture"], queryFn: api.posture }),
  coverage: () => ({ queryKey: ["posture", "coverage"], queryFn: api.coverage }),
  users: () => ({ queryKey: ["users"], queryFn: api.users }),
};

/** The nouns that each makes stale. */
export const staleBy: Record<Stale, string[]> = {
  alerts: ["alerts", "home", "incidents"],
  incidents: ["incidents", "home"],
  approvals: ["approvals", "incidents", "home", "runs"],
  runs: ["runs", "incidents"],
  sources: ["sources", "home"],
  audit: ["audit"],
  intel: ["intel"],
  models: ["models"],
  posture: ["posture"],
  rules: ["rules"],
  tables: [],
  exceptions: ["exceptions"],
  users: ["users"],
  passkeys: ["passkeys"],
  saved: ["saved"],
  reports: ["reports"],
};

/** Makes the queries of a topic read again. */
export function refresh(client: QueryClient, topic: Stale): void {
  for (const noun of staleBy[topic]) void client.invalidateQueries({ queryKey: [noun] });
}

export function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // A refusal stays a refusal; only a network or server fault is worth a second try.
        retry: (n, error) => n < 1 && !("status" in error && Number(error.status) < 500),
        staleTime: 5_000,
        refetchOnWindowFocus: true,
      },
    },
  });
}
