import type { Asked } from "../lib/passkey";
import type * as T from "./types";

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

interface ProblemBody {
  detail?: string;
  hint?: string;
  errors?: { message: string }[];
}

/** Makes the Problem of an answer that is not ok. */
export function problemOf(status: number, statusText: string, text: string): Problem {
  let body: ProblemBody = {};
  try {
    body = (JSON.parse(text) ?? {}) as ProblemBody;
  } catch {
    // Not JSON (a proxy's page, a plain text): its start is all we can tell.
  }
  const detail = body.detail ?? (text.slice(0, 200) || statusText);
  return new Problem(status, detail, body.hint ?? body.errors?.map((e) => e.message).join("; "));
}

async function call<R>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<R> {
  const res = await fetch(`/api/v1${path}`, {
    method,
    signal,
    credentials: "same-origin",
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await res.text();
  if (!res.ok) throw problemOf(res.status, res.statusText, text);
  return (text === "" ? undefined : JSON.parse(text)) as R;
}

/** Query parameters of a path; empty ones are left out. */
export function params(of: Record<string, string | number | undefined>): string {
  const set = Object.entries(of).filter(([, v]) => v !== undefined && v !== "");
  return set.length === 0 ? "" : `?${new URLSearchParams(set.map(([k, v]) => [k, String(v)]))}`;
}

const at = (id: string) => encodeURIComponent(id);
const get = <R>(path: string, signal?: AbortSignal) => call<R>("GET", path, undefined, signal);
const post = <R>(path: string, body: object = {}, signal?: AbortSignal) =>
  call<R>("POST", path, body, signal);

export interface AlertFilter {
  status: string;
  severity: string;
  rule: string;
  q: string;
}

export interface IndicatorFilter {
  feed: string;
  type: string;
  status: string;
  q: string;
}

/** What people do with an incident. */
export type IncidentVerb =
  "ack" | "comment" | "close" | "run" | "assign" | "task" | "qualify" | "merge" | "split";

/** Every call this app makes, by name. */
export const api = {
  me: () => get<T.Me>("/me"),
  login: (user: string, password: string) => post<T.Me>("/login", { user, password }),
  loginLink: (token: string, password: string) => post<T.Me>("/login/link", { token, password }),
  loginOptions: () => get<T.LoginOptions>("/login/options"),
  beginLinkPasskey: (token: string) => post<Asked>("/login/link/passkey/begin", { token }),
  linkPasskey: (token: string, ceremony: string, answer: unknown, name: string) =>
    post<T.Me>("/login/link/passkey", { token, ceremony, answer, name }),
  beginPasskeySignIn: () => post<Asked>("/login/passkey/begin"),
  passkeySignIn: (ceremony: string, answer: unknown) => post<T.Me>("/login/passkey", { ceremony, answer }),
  passkeys: () => get<T.Page<T.Passkey>>("/passkeys"),
  beginPasskey: () => post<Asked>("/passkeys/begin"),
  addPasskey: (ceremony: string, answer: unknown, name: string) =>
    post<unknown>("/passkeys", { ceremony, answer, name }),
  renamePasskey: (id: string, name: string) => post<unknown>(`/passkeys/${at(id)}`, { name }),
  removePasskey: (id: string) => call<unknown>("DELETE", `/passkeys/${at(id)}`),
  userPasskeys: (user: string) => get<T.Page<T.Passkey>>(`/users/${at(user)}/passkeys`),
  removeUserPasskey: (user: string, id: string) =>
    call<unknown>("DELETE", `/users/${at(user)}/passkeys/${at(id)}`),
  logout: () => post<{ redirect?: string }>("/logout"),
  home: () => get<T.Home>("/home"),

  alerts: (f: Partial<AlertFilter>, limit: number, cursor = "") =>
    get<T.Page<T.Alert>>(`/alerts${params({ ...f, limit, cursor })}`),
  alert: (id: string) => get<T.AlertDetail>(`/alerts/${at(id)}`),
  updateAlerts: (
    ids: string[],
    change: { status?: string; verdict?: string; reason?: string; assignee?: string },
  ) => post<{ updated: number }>("/alerts/update", { ids, ...change }),

  incidents: (status: string, limit: number, cursor = "", sort = "") =>
    get<T.Page<T.Incident>>(`/incidents${params({ status, limit, cursor, sort })}`),
  incident: (id: string) => get<T.IncidentDetail>(`/incidents/${at(id)}`),
  changeIncident: (id: string, verb: IncidentVerb, body: object = {}) =>
    post<unknown>(`/incidents/${at(id)}/${verb}`, body),
  similarIncidents: (id: string) => get<T.Page<T.Likeness>>(`/incidents/${at(id)}/similar`),
  incidentThen: (id: string, time: string) => get<T.Then>(`/incidents/${at(id)}/then${params({ at: time })}`),
  kpis: (days: number) => get<T.Page<T.KPI>>(`/kpis${params({ days })}`),
  fileURL: (id: string, hash: string) => `/api/v1/incidents/${at(id)}/files/${at(hash)}`,
  attach: async (id: string, file: File) => {
    const res = await fetch(`/api/v1/incidents/${at(id)}/files${params({ name: file.name })}`, {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/octet-stream" },
      body: file,
    });
    const text = await res.text();
    if (!res.ok) throw problemOf(res.status, res.statusText, text);
    return JSON.parse(text) as T.Attachment;
  },
  reportURL: (id: string, format: string) => `/api/v1/incidents/${at(id)}/report${params({ format })}`,
  changeRun: (id: string, verb: "cancel" | "terminate" | "reset" | "rerun", reason: string) =>
    post<{ run: string }>(`/runs/${verb}${params({ id })}`, { reason }),
  runPlaybook: (name: string, incident: string, dry_run: boolean) =>
    post<{ run: string }>(`/playbooks/${at(name)}/run`, { incident, dry_run }),
  actions: (id: string) => get<T.Page<T.ActionRecord>>(`/incidents/${at(id)}/actions`),
  undo: (id: string, reason: string) => post<T.UndoResult>(`/incidents/${at(id)}/undo`, { reason }),
  run: (id: string) => get<T.RunDetail>(`/runs${params({ id })}`),

  approvals: (status: string, limit: number) =>
    get<T.Page<T.Approval>>(
      `/approvals${params(status === "review" ? { review: "pending", limit } : { status, limit })}`,
    ),
  approval: (id: string) => get<T.Approval>(`/approvals/${at(id)}`),
  stepUp: (id: string, act: T.Act) =>
    post<{ statement: string; options: object }>(`/approvals/${at(id)}/step-up`, act),
  decide: (id: string, act: T.Act) => post<unknown>(`/approvals/${at(id)}/decide`, act),
  look: (id: string, act: T.Act) => post<unknown>(`/approvals/${at(id)}/look`, act),
  review: (id: string, verdict: string, reason: string) =>
    post<unknown>(`/approvals/${at(id)}/review`, { verdict, reason }),

  sources: () => get<T.Page<T.Source>>("/sources"),
  source: (id: string) => get<T.SourceDetail>(`/sources/${at(id)}`),
  ingest: (source: string, paths: string[]) =>
    post<{ workflow: string }>("/sources/ingest", { source, paths }),
  changeSource: (id: string, verb: "pause" | "resume" | "prove") =>
    post<{ progress?: T.Progress; proof?: T.Proof }>(`/sources/${at(id)}/${verb}`),
  addSource: (body: { source: string; kind: string; paths?: string[]; settings?: string }) =>
    post<{ workflow: string }>("/sources", body),
  removeSource: (id: string) => call<unknown>("DELETE", `/sources/${at(id)}`),
  rewindSource: (id: string, body: { to: string; again: boolean }) =>
    post<unknown>(`/sources/${at(id)}/rewind`, body),
  backfillSource: (id: string, body: { paths: string[]; from?: string; to?: string }) =>
    post<unknown>(`/sources/${at(id)}/backfill`, body),
  scheduleSource: (id: string, every_seconds: number) =>
    post<unknown>(`/sources/${at(id)}/schedule`, { every_seconds }),

  search: (body: T.SearchBody, signal?: AbortSignal) => post<T.SearchResult>("/searches", body, signal),
  searchProgress: (id: string) => get<T.SearchProgress>(`/searches/${at(id)}`),
  cancelSearch: (id: string) => call<void>("DELETE", `/searches/${at(id)}`),
  estimate: (body: { query: string; from?: string; to?: string }, signal?: AbortSignal) =>
    post<T.Estimate>("/searches/estimate", body, signal),
  event: (id: string) => get<T.StoredEvent>(`/events/${at(id)}`),
  around: (id: string, n: number) => get<T.Page<T.SearchRow>>(`/events/${at(id)}/around${params({ n })}`),
  prevalence: (id: string) => get<T.Page<T.Prevalence>>(`/events/${at(id)}/prevalence`),
  values: (field: string, prefix: string, signal?: AbortSignal) =>
    get<T.Page<T.FacetValue>>(`/fields/${at(field)}/values${params({ prefix, limit: 8 })}`, signal),
  exportURL: (of: { query: string; from?: string; to?: string; format: string; columns?: string }) =>
    `/api/v1/export${params(of)}`,
  entities: (kind: string, q: string) => get<T.Page<T.Entity>>(`/entities${params({ kind, q, limit: 200 })}`),
  entity: (kind: string, name: string) => get<T.Entity>(`/entities/${kind}/${at(name)}`),
  checkRule: (yaml: string, signal?: AbortSignal) => post<T.RuleCheck>("/rules/check", { yaml }, signal),
  deployRule: (yaml: string, reason: string, backHunt: number) =>
    post<{ workflow: string }>("/rules/deploy", { yaml, reason, back_hunt: backHunt }),
  deployment: () => get<T.Deployment>("/rules/deploy"),
  ruleLanguage: () => get<T.Page<T.Word>>("/rules/language"),
  hunts: () => get<T.Page<T.Hunt>>("/hunts"),
  startHunt: (hunt: {
    rule?: string;
    rules?: string[];
    yaml?: string;
    when?: string;
    datasets?: string[];
    from?: string;
    to?: string;
    limit?: number;
    raise?: boolean;
    preview?: boolean;
  }) => post<{ workflow: string }>("/hunts", hunt),
  hunt: (id: string) => get<T.HuntState>(`/hunts/${at(id)}`),
  cancelHunt: (id: string) => call<void>("DELETE", `/hunts/${at(id)}`),
  saved: (kind: T.Saved["kind"]) => get<T.Page<T.Saved>>(`/saved/${kind}`),
  putSaved: (kind: T.Saved["kind"], doc: T.SavedInput) => post<T.Saved>(`/saved/${kind}`, doc),
  deleteSaved: (kind: T.Saved["kind"], id: string) => call<void>("DELETE", `/saved/${kind}/${at(id)}`),
  dashboards: () => get<T.Page<T.Dashboard>>("/dashboards"),
  dashboard: (id: string) => get<T.Dashboard>(`/dashboards/${at(id)}`),
  fields: () => get<T.Page<T.Field>>("/fields"),

  rules: () => get<T.Page<T.Rule>>("/rules"),
  rule: (id: string) => get<T.Rule>(`/rules/${at(id)}`),
  ruleHealth: () => get<T.Page<T.RuleHealth>>("/rules/health"),
  tuning: (id: string) => get<T.Tuning>(`/rules/${at(id)}/tuning`),
  ledger: () => get<T.Ledger>("/rules/coverage"),
  exceptions: () => get<T.Page<T.Exception>>("/exceptions"),
  tryException: (rule: string, when: string) => post<T.ExceptionTrial>("/exceptions/try", { rule, when }),
  addException: (x: { id: string; rule: string; when: string; reason: string; expires: string }) =>
    post<{ workflow: string }>("/exceptions", x),
  endException: (id: string, reason: string) =>
    post<{ changed: number }>(`/exceptions/${at(id)}/remove`, { reason }),
  playbooks: () => get<T.Page<T.Playbook>>("/playbooks"),

  audit: (limit: number, cursor = "") => get<T.Page<T.AuditRecord>>(`/audit${params({ limit, cursor })}`),
  verifyAudit: () => get<Record<string, unknown>>("/audit/verify"),
  feeds: () => get<T.Page<T.Feed>>("/intel/feeds"),
  syncFeed: (id: string) => post<{ workflow: string }>(`/intel/feeds/${at(id)}/sync`),
  indicators: (f: IndicatorFilter, limit: number, cursor = "") =>
    get<T.Page<T.Indicator>>(`/intel/indicators${params({ ...f, limit, cursor })}`),
  sightings: (f: { feed?: string; value?: string }, limit: number) =>
    get<T.Page<T.Sighting>>(`/intel/sightings${params({ ...f, limit })}`),

  models: () => get<T.Page<T.Model>>("/models"),
  model: (id: string) => get<T.ModelDetail>(`/models/${at(id)}`),
  trainModel: (detector: string) => post<{ workflow: string }>("/models/train", { detector }),
  rollBackModel: (detector: string, reason: string) =>
    post<{ champion: string }>(`/models/${at(detector)}/rollback`, { reason }),

  posture: () => get<T.Posture>("/posture"),
  coverage: () => get<T.Coverage>("/posture/coverage"),
  assess: () => post<unknown>("/posture/assess"),
  testDetections: () => post<T.SampleTest>("/samples/test", {}),

  users: () => get<T.Page<T.User>>("/users"),
  putUser: (user: {
    name: string;
    role: string;
    password?: string;
    full_name?: string;
    disabled?: boolean;
  }) => post<T.User>("/users", user),
};
