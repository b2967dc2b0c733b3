// Shapes of the API's answers: schema/nouns.go, schema/flow/inputs.go and server/*.go.

export const severities = ["critical", "high", "medium", "low", "informational"] as const;
export type Severity = (typeof severities)[number];
export type Values = Record<string, string>;

export interface Page<T> {
  items: T[];
  next: string;
}

export interface Me {
  user: string;
  org: string;
  full_name: string;
  role: string;
  permissions: string[];
  version: string;
}

/** How one can sign in. */
export interface LoginOptions {
  passkeys: boolean;
  providers: { id: string; name: string }[];
}

export interface Passkey {
  id: string;
  name: string;
  site: string;
  works: boolean;
  synced: boolean;
  cloned: boolean;
  created: string;
  used?: string;
}

/** One reason a rule fired: a named part of the rule with the values that made it true. */
export interface Why {
  part: string;
  expr: string;
  values?: Values;
}

export interface Alert {
  id: string;
  rule: string;
  rule_version: string;
  title: string;
  author?: string;
  license?: string;
  kind: string;
  severity: Severity;
  risk: number;
  attack?: string[];
  dedup_key: string;
  entities?: Values;
  source: string;
  dataset: string;
  first_seen: string;
  last_seen: string;
  created: string;
  count: number;
  status: string;
  verdict?: string;
  reason?: string;
  assignee?: string;
  incident?: string;
  incident_role?: string;
  incident_why?: string;
  criticality?: string;
  tags?: string[];
  sample_event: string;
  why?: Why[];
  response?: string;
}

export interface Detection {
  id: string;
  rule: string;
  rule_version: string;
  kind: string;
  event_id: string;
  dataset: string;
  time: string;
  entities?: Values;
  why?: Why[];
}

export interface AlertDetail {
  alert: Alert;
  detections: Detection[] | null;
  events: StoredEvent[];
}

export interface TimelineEntry {
  time: string;
  kind: string;
  by: string;
  text: string;
  ref?: string;
}

export interface RunStep {
  id: string;
  name: string;
  type: string;
  action: string;
  status: string;
  next?: string[];
  started?: string;
  ended?: string;
  approval?: string;
  error?: string;
  attempts?: number;
  inputs?: Values;
  outputs?: Values;
}

export interface Run {
  id: string;
  incident?: string;
  playbook: string;
  version: string;
  title: string;
  requester: string;
  status: string;
  started: string;
  ended?: string;
  steps: RunStep[] | null;
}

export interface RunDetail {
  run: Run;
  temporal_url?: string;
}

export interface Incident {
  id: string;
  key: string;
  title: string;
  severity: Severity;
  risk: number;
  status: string;
  opened: string;
  first_seen: string;
  last_seen: string;
  closed?: string;
  alerts: string[] | null;
  entities?: Values;
  attack?: string[];
  assignee?: string;
  verdict?: string;
  timeline: TimelineEntry[] | null;
  score?: number;
  long?: string;
  clocks?: Clock[];
  tasks?: Task[];
  attachments?: Attachment[];
  links?: IncidentLink[];
}

/** A deadline that an incident has to keep. */
export interface Clock {
  name: string;
  due: string;
  met?: string;
  breached?: string;
}

export interface Task {
  id: string;
  title: string;
  owner?: string;
  due?: string;
  state: string;
  by: string;
  approval?: string;
}

export interface Attachment {
  hash: string;
  name: string;
  size: number;
  by: string;
  time: string;
}

export interface IncidentLink {
  kind: string;
  id: string;
  by: string;
}

export interface Likeness {
  incident: string;
  title: string;
  status: string;
  verdict?: string;
  score: number;
  why: string[];
}

export interface KPI {
  name: string;
  text: string;
  count: number;
  median: number;
  p90: number;
}

/** An incident as of a time, with what held then. */
export interface Then {
  at: string;
  incident: Incident;
  alerts: Alert[] | null;
  pins: { rule_set: string; intel: string; models: string; tables: string; since: string };
  rules: { rule: string; version: string; title: string; now: string }[];
  exceptions: { id: string; rule: string; reason: string }[];
  off: string[];
  indicators: { feed: string; type: string; value: string; name: string }[];
  models: { id: string; detector: string }[];
  assets: { kind: string; name: string; criticality: string; owner: string }[];
  missing?: string[];
}

export interface IncidentDetail {
  incident: Incident;
  alerts: Alert[] | null;
  runs: Run[] | null;
  approvals: Approval[];
}

export interface Decision {
  user: string;
  verdict: string;
  reason: string;
  channel: string;
  time: string;
  passkey?: string;
}

export interface Approval {
  id: string;
  workflow: string;
  run: string;
  step: string;
  incident?: string;
  playbook: string;
  action: string;
  target: string;
  arguments: Values;
  risk: string;
  reason: string;
  undo: string;
  requester: string;
  needed: number;
  payload: string;
  binding: string;
  created: string;
  deadline: string;
  expires: string;
  status: string;
  stage: number;
  terms: ApprovalTerms;
  facts: { targets: number; criticality?: string; authors?: string[]; owner?: string; score: number };
  kinds?: Record<string, string>;
  preview?: string;
  blast?: string;
  if_silent?: string;
  claim?: { user: string; until: string };
  snoozes?: Record<string, string>;
  moves?: { kind: string; by: string; text?: string; time: string }[];
  review?: { state: string; by?: string; reason?: string; time?: string };
  decisions?: Decision[];
}

export interface ApprovalTerms {
  policy: string;
  mode: string;
  stages?: { name: string; quorum: number; deadline_minutes: number }[];
  on_timeout: string;
  denials: number;
  break_glass?: object;
  step_up?: boolean;
}

export interface ActionRecord {
  key: string;
  action: string;
  target: string;
  outcome: string;
  undo: string;
  at: string;
  expires?: string;
  undone?: string;
  undone_by?: string;
  undo_result?: string;
}

export interface UndoResult {
  steps: { action: string; target: string; outcome: string; kept?: string; error?: string }[];
  left?: string[];
}

export interface Act {
  verdict: string;
  reason?: string;
  binding?: string;
  args?: Record<string, string>;
  assertion?: unknown;
}

export interface Progress {
  status: string;
  objects: number;
  objects_all: number;
  size: number;
  size_all: number;
  bytes: number;
  records: number;
  events: number;
  failures: number;
  detections: number;
  alerts: number;
  waiting?: number;
  object: string;
  started: string;
  error?: string;
  problems?: string[];
}

export interface Source {
  id: string;
  kind: string;
  status: string;
  formats: string[] | null;
  objects: number;
  objects_all: number;
  bytes: number;
  bytes_all: number;
  records: number;
  events: number;
  failures: number;
  detections: number;
  /** Events a second, over the last five minutes, and over the last seven days. */
  rate: number;
  usual: number;
  bytes_day: number;
  lag: number;
  last: string;
  proved?: string;
  proof?: string;
  error?: string;
  progress?: Progress;
  receive?: Receive;
  /** What can be asked of it: pause, resume, rewind, backfill, schedule. */
  controls: string[];
}

/** A back-fill that runs. */
export interface SourceWork {
  workflow: string;
  progress: Progress;
}

/** What the receiver of a push source did since its process started; pending is bytes that wait in its spool. */
export interface Receive {
  kind: string;
  limits: { quota?: number; rate?: number; weight?: number };
  records: number;
  duplicates: number;
  suspected: number;
  refused: number;
  invalid: number;
  dropped: number;
  pending: number;
  error?: string;
}

export interface FailureSample {
  object: string;
  offset: number;
  format: string;
  reason: string;
  raw: string;
  size: number;
}

export interface Chunk {
  id: string;
  object: string;
  format: string;
  from: number;
  to: number;
  records: number;
  events: number;
  failures: number;
  detections: number;
}

export interface SourceDetail extends Source {
  samples: FailureSample[];
  chunks: Chunk[];
  paths?: string[];
  work: SourceWork[];
}

export interface Proof {
  source: string;
  ok: boolean;
  chunks: number;
  records: number;
  events: number;
  failures: number;
  reread: number;
  /** Followed files that cannot be read again. */
  gone?: string[];
  problems: string[] | null;
}

export interface SearchBody {
  id: string;
  query: string;
  from?: string;
  to?: string;
  limit?: number;
  cursor?: string;
  histogram?: boolean;
  /** Only what was ingested from then on: a live tail. */
  since?: string;
}

export interface Estimate {
  rows: number;
  parts: number;
  /** Why the query cannot be read. */
  problem?: string;
}

export interface TableColumn {
  name: string;
  kind: "text" | "number" | "time";
}

export type TableCell = string | number | null;

/** What a statistic or SQL gives (internal/store/table.go). */
export interface Table {
  columns: TableColumn[];
  rows: TableCell[][];
  chart: "" | "bar" | "time";
  truncated?: boolean;
}

export interface Prevalence {
  field: string;
  value: string;
  events: number;
  hosts: number;
  first: string;
  last: string;
}

export interface Saved {
  kind: "search" | "dashboard";
  id: string;
  title: string;
  owner: string;
  shared: boolean;
  doc: string;
  range?: string;
  columns?: string[] | null;
  updated: string;
}

export interface SavedInput {
  id: string;
  title?: string;
  doc: string;
  shared: boolean;
  range?: string;
  columns?: string[];
}

export interface Entity {
  kind: string;
  name: string;
  risk: number;
  open: number;
  alerts: number;
  rules: number;
  events: number;
  first?: string;
  last?: string;
}

export interface RuleProblem {
  line: number;
  column: number;
  message: string;
  hint?: string;
}

export interface RuleTest {
  name: string;
  match: boolean;
  ok: boolean;
  line: number;
}

export interface RuleCheck {
  rule?: Rule;
  problems: RuleProblem[];
  tests: RuleTest[];
  changes: boolean;
}

/** A name of the rule language. */
export interface Word {
  name: string;
  kind: "field" | "function" | "key";
  detail: string;
  doc: string;
}

export interface HuntResult {
  rule: string;
  kind: string;
  hits: number;
  fires: number;
  samples: string[] | null;
  scanned: number;
  bytes: number;
  millis: number;
  detections: number;
  alerts: number;
  rules?: number;
  found?: HuntRule[];
  skipped?: string[];
  preview?: HuntPreview;
}

/** What one of many rules found. */
export interface HuntRule {
  rule: string;
  title: string;
  severity: Severity;
  fires: number;
  samples: string[] | null;
}

/** What a hunt will cost and find, judged by its newest events. */
export interface HuntPreview {
  events: number;
  rows: number;
  bytes: number;
  millis: number;
  fires: number;
  alerts: number;
  from: string;
  to: string;
  sample_events: number;
  sample_fires: number;
  sample_alerts: number;
}

export interface HuntState {
  status: string;
  events: number;
  from: string;
  to: string;
  windows: number;
  all: number;
  result: HuntResult;
  error?: string;
}

export interface Hunt {
  workflow: string;
  status: string;
  started: string;
  ended?: string;
}

export interface DashboardPanel {
  title: string;
  query: string;
  show?: string;
  width?: number;
}

export interface Dashboard {
  id: string;
  title: string;
  description?: string;
  range?: string;
  panels: DashboardPanel[];
  origin: "file" | "saved";
  owner?: string;
  shared: boolean;
  yaml?: string;
}

export interface SearchRow {
  id: string;
  time: string;
  source: string;
  dataset: string;
  fields: Values;
}

export interface Bucket {
  time: string;
  count: number;
  by: Record<string, number>;
}

export interface FacetValue {
  value: string;
  count: number;
}

export interface SearchStats {
  rows: number;
  bytes: number;
  ms: number;
}

export interface SearchProgress extends SearchStats {
  running: boolean;
}

export interface SearchResult {
  id: string;
  rows: SearchRow[];
  next: string;
  total: number;
  from: string;
  to: string;
  step: number;
  histogram: Bucket[];
  facets: Record<string, FacetValue[]>;
  table?: Table;
  at: string;
  stats: SearchStats;
}

export interface StoredEvent {
  id: string;
  source: string;
  chunk: string;
  offset: number;
  time: string;
  ingested: string;
  fields: Values;
  extras: Values | null;
  raw: string;
}

export interface Field {
  name: string;
  type: string;
  multi: boolean;
  doc: string;
}

export interface Rule {
  id: string;
  title: string;
  kind: string;
  status: string;
  severity: Severity;
  risk: number;
  dataset: string[] | null;
  attack: string[] | null;
  author: string;
  playbook: string;
  version: string;
  yaml?: string;
}

/** How a rule does: what it found, and what people said of it. */
export interface RuleHealth {
  rule: string;
  detections: number;
  hidden: number;
  alerts: number;
  per_day: number;
  verdicts: Record<string, number> | null;
  /** True positives among the verdicts; -1 without any. */
  precision: number;
  silent_since?: string;
  cost: number;
  off?: string;
}

/** Where a deployment of rules stands. What was not looked at yet is null. */
export interface Deployment {
  status: string;
  set: string;
  version?: number;
  approval?: string;
  hunt?: string;
  report: {
    rules: number;
    problems: string[] | null;
    warnings: string[] | null;
    reasons: string[] | null;
    changes: unknown[] | null;
    per_day: number;
  };
}

export interface Exception {
  id: string;
  rule: string;
  when: string;
  owner: string;
  reason: string;
  created: string;
  expires: string;
  status: string;
  ended?: string;
  ended_by?: string;
  hidden: number;
  last_hit?: string;
}

/** What an exception would have hidden of what is stored. */
export interface ExceptionTrial {
  detections: number;
  hidden: number;
  alerts: { id: string; rule: string; verdict?: string; hidden: number; count: number }[];
}

export interface Ledger {
  chunks: number;
  evaluated: number;
  late: number;
  failed: number;
  unproven: { rule: string; version: string; chunk: string; why: string }[];
}

export interface PlaybookStep {
  type: string;
  name?: string;
  description?: string;
  on_completion?: string;
  on_success?: string;
  on_failure?: string;
  condition?: string;
  on_true?: string;
  on_false?: string;
  next_steps?: string[];
  commands?: { type: string; command: string; arguments?: Values; content?: string }[];
  approval?: { reason?: string; deadline_minutes?: number; needed?: number };
}

export interface Playbook {
  id: string;
  title: string;
  description: string;
  version: string;
  start: string;
  steps: Record<string, PlaybookStep>;
}

export interface AuditRecord {
  writer: string;
  seq: number;
  time: string;
  actor: string;
  verb: string;
  object: string;
  outcome: string;
  details?: Values;
  hash: string;
}

export interface User {
  name: string;
  role: string;
  full_name?: string;
  email?: string;
  provider?: string;
  disabled: boolean;
  created: string;
}

export interface Home {
  alerts_open: number;
  by_severity: Record<string, number>;
  incidents_open: number;
  approvals_pending: number;
  events_24h: number;
  sources: Source[] | null;
  top_rules: { rule: string; title: string; count: number }[] | null;
}

/** One "something changed" message of the live connection. */
export interface Note {
  offset: string;
  topic: string;
  kind: string;
  id: string;
  data: string;
  time: string;
}

export interface Feed {
  id: string;
  kind: string;
  url: string;
  confidence?: number;
  ttl_hours?: number;
  every_minutes?: number;
  status: string;
  error?: string;
  synced?: string;
  tried?: string;
  indicators: number;
  active: number;
  read: number;
  added: number;
  changed: number;
  expired: number;
  refused: number;
  ignored: number;
  reasons?: Record<string, number>;
}

export interface Indicator {
  id: string;
  feed: string;
  type: string;
  value: string;
  name: string;
  confidence: number;
  labels?: string[] | null;
  valid_from: string;
  valid_until: string;
  revoked: boolean;
}

export interface Sighting {
  indicator: string;
  value: string;
  feed: string;
  event_id: string;
  source: string;
  time: string;
}

/** One check of the gate that a model passes to be put in force. */
export interface GateCheck {
  name: string;
  measured: number;
  limit: number;
  at_most?: boolean;
  pass: boolean;
}

export interface Model {
  id: string;
  detector: string;
  status: string;
  created: string;
  train_from: string;
  train_to: string;
  rows: number;
  features: string[] | null;
  threshold: number;
  metrics: Record<string, number> | null;
  checks?: GateCheck[] | null;
  decision: string;
  dataset?: string;
  replaces?: string;
}

export interface ModelDetail extends Model {
  size: number;
  scores_kept: number;
  scores_above: number;
}

export interface ObjectiveResult {
  id: string;
  title: string;
  metric: string;
  unit: string;
  comparator: string;
  severity: Severity;
  status: "met" | "missed" | "unknown";
  target: number;
  measured: number;
  text: string;
  evidence?: string[];
}

export interface Presence {
  id: string;
  state: string;
  last_event: string;
  last_ingest: string;
  silence: number;
  stale_after: number;
  events?: number;
}

export interface RulePresence {
  id: string;
  title: string;
  severity: Severity;
  state: string;
  datasets: string[] | null;
  fired: number;
  last_fired?: string;
  tests: number;
}

export interface TechniqueCoverage {
  id: string;
  name?: string;
  tactics?: string[];
  state: string;
  rules?: string[];
  fired?: number;
  last_fired?: string;
  /** What the daily test by attack samples says. */
  proof?: { state: "green" | "red" | "stale"; sample: string; rules?: string[]; time: string };
}

/** How a test of the rules in force by attack samples went. */
export interface SampleTest {
  samples: number;
  passed: number;
  failed: string[] | null;
  green: number;
  red: number;
}

/** An exception that false alerts of a rule suggest, with what it would have removed. */
export interface TuneProposal {
  when: string;
  removed: number;
  false_positives: number;
  true_positives: number;
  undecided: number;
  share: number;
  precision: number;
}

export interface Tuning {
  rule: string;
  alerts: number;
  false_positives: number;
  true_positives: number;
  precision: number;
  proposals: TuneProposal[] | null;
}

export interface Assessment {
  id: string;
  objectives: string;
  title: string;
  time: string;
  window_days: number;
  status: "met" | "missed" | "unknown";
  met: number;
  missed: number;
  unknown: number;
  results: ObjectiveResult[] | null;
  sources: Presence[] | null;
  datasets: Presence[] | null;
  rules: RulePresence[] | null;
}

export interface Finding {
  id: string;
  kind: string;
  subject: string;
  severity: Severity;
  status: string;
  text: string;
  time: string;
}

export interface ObjectivePoint {
  time: string;
  status: string;
  measured: number;
}

export interface Posture {
  assessment: Assessment;
  findings: Finding[] | null;
  history: Record<string, ObjectivePoint[]> | null;
}

export interface Coverage {
  assessment: string;
  objectives: string;
  time: string;
  items: TechniqueCoverage[] | null;
}
