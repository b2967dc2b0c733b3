import type { Routes } from "./schema.gen";

/** A refused request, with what the server says to do about it. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
    readonly hint = "",
  ) {
    super(detail);
  }
}

/** Makes the Problem of an answer that is not ok. */
export function problemOf(status: number, statusText: string, text: string): Problem {
  let body: { detail?: string; hint?: string } = {};
  try {
    body = (JSON.parse(text) ?? {}) as typeof body;
  } catch {
    // Not JSON (a proxy's page, a plain text): its start is all we can tell.
  }
  return new Problem(status, body.detail ?? (text.slice(0, 200) || statusText), body.hint);
}

/** A route of the API: method and path. */
export type Route = keyof Routes;
export type Answer<R extends Route> = Routes[R]["answer" & keyof Routes[R]];
export type Query<R extends Route> = Routes[R]["query" & keyof Routes[R]];
export type Body<R extends Route> = Routes[R]["body" & keyof Routes[R]];
export type Path<R extends Route> = Routes[R]["path" & keyof Routes[R]];

/** What names a place: the parameters in a route's path, and its query. */
type Place<R extends Route> = (Routes[R] extends { path: infer P } ? { path: P } : { path?: undefined }) &
  (Routes[R] extends { query: infer Q }
    ? {} extends Q
      ? { query?: Q }
      : { query: Q }
    : { query?: undefined });

/** A place without what the compiler knows of its route. */
interface Named {
  path?: Record<string, string>;
  query?: Record<string, string | number | boolean | undefined>;
}

/** What a route takes. */
type Asking<R extends Route> = Place<R> &
  (Routes[R] extends { body: infer B } ? { body: B } : { body?: undefined });

/** The address of a route. */
export function urlOf<R extends Route>(route: R, place: Place<R>): string {
  const { path: named = {}, query = {} } = place as Named;
  const path = route
    .slice(route.indexOf(" ") + 1)
    .replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(named[name] ?? ""));
  return `/api/v1${path}${params(query)}`;
}

/** Query parameters of a path; empty ones are left out. */
export function params(of: Record<string, string | number | boolean | undefined>): string {
  const set = Object.entries(of).filter(([, v]) => v !== undefined && v !== "");
  return set.length === 0 ? "" : `?${new URLSearchParams(set.map(([k, v]) => [k, String(v)]))}`;
}

/** Asks a route; paths, parameters and fields that the API does not have are errors of the compiler. */
async function call<R extends Route>(route: R, asking: Asking<R>, signal?: AbortSignal): Promise<Answer<R>> {
  const body: unknown = asking.body;
  const file = body instanceof Blob;
  const res = await fetch(urlOf(route, asking), {
    method: route.slice(0, route.indexOf(" ")),
    signal,
    credentials: "same-origin",
    headers:
      body !== undefined ? { "Content-Type": file ? "application/octet-stream" : "application/json" } : {},
    body: file ? body : body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await res.text();
  if (!res.ok) throw problemOf(res.status, res.statusText, text);
  return (text === "" ? undefined : JSON.parse(text)) as Answer<R>;
}

export type AlertFilter = Pick<Query<"GET /alerts">, "status" | "severity" | "rule" | "q">;
export type IndicatorFilter = Pick<Query<"GET /intel/indicators">, "feed" | "type" | "status" | "q">;

/** What people do with an incident. */
export type IncidentVerb = Path<"POST /incidents/{id}/{verb}">["verb"];
export type IncidentChange = Body<"POST /incidents/{id}/{verb}">;
/** What people do with an approval. */
export type Act = Body<"POST /approvals/{id}/decide">;

export type EntityKind = Path<"GET /entities/{kind}/{name}">["kind"];
type SavedKind = Path<"GET /saved/{kind}">["kind"];

/** Every call this app makes, by name. */
export const api = {
  me: () => call("GET /me", {}),
  login: (org: string, user: string, password: string) =>
    call("POST /login", { body: { org, user, password } }),
  loginLink: (token: string, password: string) => call("POST /login/link", { body: { token, password } }),
  loginOptions: () => call("GET /login/options", {}),
  beginLinkPasskey: (token: string) => call("POST /login/link/passkey/begin", { body: { token } }),
  linkPasskey: (token: string, ceremony: string, answer: unknown, name: string) =>
    call("POST /login/link/passkey", { body: { token, ceremony, answer, name } }),
  beginPasskeySignIn: () => call("POST /login/passkey/begin", {}),
  passkeySignIn: (ceremony: string, answer: unknown) =>
    call("POST /login/passkey", { body: { ceremony, answer } }),
  passkeys: () => call("GET /passkeys", {}),
  beginPasskey: () => call("POST /passkeys/begin", {}),
  addPasskey: (ceremony: string, answer: unknown, name: string) =>
    call("POST /passkeys", { body: { ceremony, answer, name } }),
  renamePasskey: (id: string, name: string) => call("POST /passkeys/{id}", { path: { id }, body: { name } }),
  removePasskey: (id: string) => call("DELETE /passkeys/{id}", { path: { id } }),
  userPasskeys: (user: string) => call("GET /users/{user}/passkeys", { path: { user } }),
  removeUserPasskey: (user: string, id: string) =>
    call("DELETE /users/{user}/passkeys/{id}", { path: { user, id } }),
  logout: () => call("POST /logout", {}),
  home: () => call("GET /home", {}),

  alerts: (f: AlertFilter, limit: number, cursor = "") =>
    call("GET /alerts", { query: { ...f, limit, cursor } }),
  alert: (id: string) => call("GET /alerts/{id}", { path: { id } }),
  updateAlerts: (ids: string[], change: Omit<Body<"POST /alerts/update">, "ids">) =>
    call("POST /alerts/update", { body: { ids, ...change } }),

  incidents: (query: Query<"GET /incidents">) => call("GET /incidents", { query }),
  incident: (id: string) => call("GET /incidents/{id}", { path: { id } }),
  changeIncident: (id: string, verb: IncidentVerb, body: IncidentChange = {}) =>
    call("POST /incidents/{id}/{verb}", { path: { id, verb }, body }),
  similarIncidents: (id: string) => call("GET /incidents/{id}/similar", { path: { id } }),
  incidentThen: (id: string, at: string) => call("GET /incidents/{id}/then", { path: { id }, query: { at } }),
  kpis: (days: number) => call("GET /kpis", { query: { days } }),
  fileURL: (id: string, hash: string) => urlOf("GET /incidents/{id}/files/{hash}", { path: { id, hash } }),
  attach: (id: string, file: File) =>
    call("POST /incidents/{id}/files", { path: { id }, query: { name: file.name }, body: file }),
  reportURL: (id: string, format: Query<"GET /incidents/{id}/report">["format"]) =>
    urlOf("GET /incidents/{id}/report", { path: { id }, query: { format } }),
  changeRun: (id: string, verb: Path<"POST /runs/{verb}">["verb"], reason: string) =>
    call("POST /runs/{verb}", { path: { verb }, query: { id }, body: { reason } }),
  runPlaybook: (name: string, incident: string, dry_run: boolean) =>
    call("POST /playbooks/{name}/run", { path: { name }, body: { incident, dry_run } }),
  actions: (id: string) => call("GET /incidents/{id}/actions", { path: { id } }),
  undo: (id: string, reason: string) => call("POST /incidents/{id}/undo", { path: { id }, body: { reason } }),
  run: (id: string) => call("GET /runs", { query: { id } }),

  approvals: (status: string, limit: number) =>
    call("GET /approvals", { query: status === "review" ? { review: "pending", limit } : { status, limit } }),
  approval: (id: string) => call("GET /approvals/{id}", { path: { id } }),
  stepUp: (id: string, body: Act) => call("POST /approvals/{id}/step-up", { path: { id }, body }),
  decide: (id: string, body: Act) => call("POST /approvals/{id}/decide", { path: { id }, body }),
  look: (id: string, body: Act) => call("POST /approvals/{id}/look", { path: { id }, body }),
  review: (id: string, verdict: Body<"POST /approvals/{id}/review">["verdict"], reason: string) =>
    call("POST /approvals/{id}/review", { path: { id }, body: { verdict, reason } }),

  sources: () => call("GET /sources", {}),
  source: (id: string) => call("GET /sources/{id}", { path: { id } }),
  ingest: (source: string, paths: string[]) => call("POST /sources/ingest", { body: { source, paths } }),
  changeSource: (id: string, verb: Path<"POST /sources/{id}/{verb}">["verb"]) =>
    call("POST /sources/{id}/{verb}", { path: { id, verb } }),
  addSource: (body: Body<"POST /sources">) => call("POST /sources", { body }),
  removeSource: (id: string) => call("DELETE /sources/{id}", { path: { id } }),
  rewindSource: (id: string, body: Body<"POST /sources/{id}/rewind">) =>
    call("POST /sources/{id}/rewind", { path: { id }, body }),
  backfillSource: (id: string, body: Body<"POST /sources/{id}/backfill">) =>
    call("POST /sources/{id}/backfill", { path: { id }, body }),
  scheduleSource: (id: string, every_seconds: number) =>
    call("POST /sources/{id}/schedule", { path: { id }, body: { every_seconds } }),

  search: (body: Body<"POST /searches">, signal?: AbortSignal) => call("POST /searches", { body }, signal),
  searchProgress: (id: string) => call("GET /searches/{id}", { path: { id } }),
  cancelSearch: (id: string) => call("DELETE /searches/{id}", { path: { id } }),
  estimate: (body: Body<"POST /searches/estimate">, signal?: AbortSignal) =>
    call("POST /searches/estimate", { body }, signal),
  event: (id: string) => call("GET /events/{id}", { path: { id } }),
  around: (id: string, n: number) => call("GET /events/{id}/around", { path: { id }, query: { n } }),
  prevalence: (id: string) => call("GET /events/{id}/prevalence", { path: { id } }),
  values: (name: string, prefix: string, signal?: AbortSignal) =>
    call("GET /fields/{name}/values", { path: { name }, query: { prefix, limit: 8 } }, signal),
  exportURL: (query: Query<"GET /export">) => urlOf("GET /export", { query }),
  entities: (kind: EntityKind, q: string) => call("GET /entities", { query: { kind, q, limit: 200 } }),
  entity: (kind: EntityKind, name: string) => call("GET /entities/{kind}/{name}", { path: { kind, name } }),
  checkRule: (yaml: string, signal?: AbortSignal) => call("POST /rules/check", { body: { yaml } }, signal),
  deployRule: (yaml: string, reason: string, back_hunt: number) =>
    call("POST /rules/deploy", { body: { yaml, reason, back_hunt } }),
  deployment: () => call("GET /rules/deploy", {}),
  ruleLanguage: () => call("GET /rules/language", {}),
  hunts: () => call("GET /hunts", {}),
  startHunt: (body: Body<"POST /hunts">) => call("POST /hunts", { body }),
  hunt: (id: string) => call("GET /hunts/{id}", { path: { id } }),
  cancelHunt: (id: string) => call("DELETE /hunts/{id}", { path: { id } }),
  saved: (kind: SavedKind) => call("GET /saved/{kind}", { path: { kind } }),
  putSaved: (kind: SavedKind, body: Body<"POST /saved/{kind}">) =>
    call("POST /saved/{kind}", { path: { kind }, body }),
  deleteSaved: (kind: SavedKind, id: string) => call("DELETE /saved/{kind}/{id}", { path: { kind, id } }),
  dashboards: () => call("GET /dashboards", {}),
  reports: (of: string) => call("GET /reports", { query: { of } }),
  putReport: (body: Body<"POST /reports">) => call("POST /reports", { body }),
  sendReport: (id: string) => call("POST /reports/{id}/send", { path: { id } }),
  deleteReport: (id: string) => call("DELETE /reports/{id}", { path: { id } }),
  dashboard: (id: string) => call("GET /dashboards/{id}", { path: { id } }),
  fields: () => call("GET /fields", {}),

  rules: () => call("GET /rules", {}),
  rule: (id: string) => call("GET /rules/{id}", { path: { id } }),
  ruleHealth: () => call("GET /rules/health", {}),
  tuning: (id: string) => call("GET /rules/{id}/tuning", { path: { id } }),
  ledger: () => call("GET /rules/coverage", {}),
  exceptions: () => call("GET /exceptions", {}),
  tryException: (rule: string, when: string) => call("POST /exceptions/try", { body: { rule, when } }),
  addException: (body: Body<"POST /exceptions">) => call("POST /exceptions", { body }),
  endException: (id: string, reason: string) =>
    call("POST /exceptions/{id}/remove", { path: { id }, body: { reason } }),
  playbooks: () => call("GET /playbooks", {}),

  audit: (limit: number, cursor?: string) => call("GET /audit", { query: { limit, cursor } }),
  verifyAudit: () => call("GET /audit/verify", {}),
  feeds: () => call("GET /intel/feeds", {}),
  syncFeed: (id: string) => call("POST /intel/feeds/{id}/{verb}", { path: { id, verb: "sync" } }),
  indicators: (f: IndicatorFilter, limit: number, cursor = "") =>
    call("GET /intel/indicators", { query: { ...f, limit, cursor } }),
  sightings: (query: Query<"GET /intel/sightings">) => call("GET /intel/sightings", { query }),

  models: () => call("GET /models", {}),
  model: (id: string) => call("GET /models/{id}", { path: { id } }),
  trainModel: (detector: string) => call("POST /models/train", { body: { detector } }),
  rollBackModel: (detector: string, reason: string) =>
    call("POST /models/{detector}/rollback", { path: { detector }, body: { reason } }),

  posture: () => call("GET /posture", {}),
  coverage: () => call("GET /posture/coverage", {}),
  assess: () => call("POST /posture/assess", { body: {} }),
  testDetections: () => call("POST /samples/test", { body: {} }),

  users: () => call("GET /users", {}),
  putUser: (body: Body<"POST /users">) => call("POST /users", { body }),
};
