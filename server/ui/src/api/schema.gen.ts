// Written from the API (server/routes.go) by `go test ./server -run TestTypeScript -update`; a test
// holds it true. Do not edit.

export interface ActionRecord {
  action: string;
  approval?: string;
  arguments: Record<string, string> | null;
  at: string;
  binding?: string;
  expires?: string;
  incident?: string;
  key: string;
  org: string;
  outcome: string;
  run: string;
  step: string;
  target: string;
  undo: string;
  undo_result?: string;
  undone?: string;
  undone_by?: string;
  version: number;
}

export interface AddExceptionInputBody {
  expires: string;
  id: string;
  /** default: who asks */
  owner?: string;
  reason: string;
  /** rule id; * is every rule */
  rule: string;
  /** condition over e */
  when: string;
}

export interface AddOrgInputBody {
  /** name of its first admin */
  admin: string;
  /** small letters and digits; never changes */
  name: string;
  /** of the first admin */
  password: string;
  title?: string;
}

export interface AddPasskeyInputBody {
  answer: unknown;
  ceremony: string;
  /** for people */
  name: string;
}

export interface AddSourceInputBody {
  format?: string;
  /** whose worker reads; default: the server's */
  host?: string;
  kind: "tail" | "pull";
  /** of tail: files and globs */
  paths?: string[] | null;
  /** of pull: its YAML document */
  settings?: string;
  source: string;
  zone?: string;
}

export interface Alert {
  acknowledged?: string;
  assignee?: string;
  attack?: string[];
  author?: string;
  count: number;
  created: string;
  criticality?: string;
  dataset: string;
  dedup_key: string;
  entities?: Record<string, string>;
  first_seen: string;
  id: string;
  incident?: string;
  incident_role?: string;
  incident_why?: string;
  kind: string;
  last_seen: string;
  license?: string;
  org: string;
  reason?: string;
  response?: string;
  risk: number;
  rule: string;
  rule_version: string;
  sample_event: string;
  severity: Severity;
  source: string;
  status: AlertStatus;
  tags?: string[];
  title: string;
  verdict?: string;
  version: number;
  why?: Why[];
}

export interface AlertDetail {
  alert: Alert;
  detections: Detection[] | null;
  events: StoreStoredEvent[];
}

export type AlertStatus = "open" | "acknowledged" | "closed";

export interface Answered {
  /** what navigator.credentials answered, as its toJSON writes it */
  answer: unknown;
  ceremony: string;
}

export interface ApiToken {
  expires: string;
  name: string;
  token: string;
}

export interface Approval {
  action: string;
  arguments: Record<string, string> | null;
  binding: string;
  blast?: string;
  claim?: ApprovalClaim;
  created: string;
  deadline: string;
  decided?: string;
  decisions?: Decision[];
  delegations?: ApprovalDelegation[];
  expires: string;
  facts: ApprovalFacts;
  id: string;
  if_silent?: string;
  incident?: string;
  kinds?: Record<string, string>;
  moves?: ApprovalMove[];
  needed: number;
  org: string;
  payload: string;
  playbook: string;
  playbook_version: string;
  preview?: string;
  reason: string;
  requester: string;
  review?: ApprovalReview;
  revision: number;
  risk: string;
  run: string;
  snoozes?: Record<string, string>;
  stage: number;
  status: ApprovalStatus;
  step: string;
  target: string;
  target_argument?: string;
  terms: ApprovalTerms;
  undo: string;
  views?: ApprovalView[];
  voided?: Decision[];
  workflow: string;
}

export interface ApprovalClaim {
  until: string;
  user: string;
}

export interface ApprovalDelegation {
  from: string;
  time: string;
  to: string;
  until: string;
}

export interface ApprovalFacts {
  action: string;
  authors?: string[];
  criticality: string;
  owner?: string;
  playbook: string;
  requester: string;
  reversible: boolean;
  risk: string;
  score: number;
  severity: string;
  target: string;
  targets: number;
  team?: string;
  time: string;
}

export interface ApprovalMetrics {
  approved: number;
  approvers: Record<string, ApprovalTally> | null;
  automated: number;
  automatic: number;
  break_glass: number;
  decision: ApprovalSpread;
  denied: number;
  escalated: number;
  expired: number;
  first_view: ApprovalSpread;
  longest_open: number;
  open: number;
  overturn: number;
  overturned: number;
  per_policy: Record<string, number> | null;
  requests: number;
  stages: Record<string, ApprovalTally> | null;
  to_review: number;
}

export interface ApprovalMove {
  by: string;
  kind: string;
  text?: string;
  time: string;
}

export interface ApprovalReview {
  by?: string;
  reason?: string;
  state: string;
  time?: string;
}

export interface ApprovalSmaller {
  action: string;
  arguments: Record<string, string> | null;
}

export interface ApprovalSpread {
  count: number;
  max: number;
  median: number;
  p95: number;
}

export interface ApprovalStage {
  deadline_minutes: number;
  eligible?: ApprovalWho;
  name: string;
  quorum: number;
}

export type ApprovalStatus = "pending" | "approved" | "denied" | "expired" | "void";

export interface ApprovalTally {
  approved: number;
  denied: number;
  median: number;
  other: number;
}

export interface ApprovalTerms {
  break_glass?: ApprovalWho;
  denials: number;
  different_teams?: boolean;
  every_stage?: boolean;
  mode: string;
  on_timeout: string;
  policy: string;
  smaller?: ApprovalSmaller;
  stages?: ApprovalStage[];
  step_up?: boolean;
  version: string;
}

export interface ApprovalView {
  time: string;
  user: string;
}

export interface ApprovalWho {
  groups?: string[];
  owner?: boolean;
  roles?: string[];
  users?: string[];
}

export interface Asked {
  ceremony: string;
  options: unknown;
}

export interface AssessInputBody {
  /** YAML; default: the built-in objectives */
  objectives?: string;
  window_days?: number;
}

export interface Assessment {
  coverage: TechniqueCoverage[] | null;
  datasets: Presence[] | null;
  id: string;
  met: number;
  missed: number;
  objectives: string;
  org: string;
  results: ObjectiveResult[] | null;
  rules: RulePresence[] | null;
  sources: Presence[] | null;
  status: ObjectiveStatus;
  time: string;
  title: string;
  unknown: number;
  window_days: number;
}

export interface Attachment {
  by: string;
  hash: string;
  name: string;
  size: number;
  time: string;
}

export interface AuditProblem {
  kind: string;
  seq: number;
  text: string;
  writer: string;
}

export interface AuditRecord {
  actor: string;
  details?: Record<string, string>;
  hash: string;
  id: string;
  object: string;
  org: string;
  outcome: string;
  prev: string;
  seq: number;
  time: string;
  verb: string;
  writer: string;
}

export interface AuditReport {
  heads: number;
  ok: boolean;
  problems: AuditProblem[] | null;
  records: number;
  writers: number;
}

export interface BackfillInputBody {
  from?: string;
  paths?: string[] | null;
  to?: string;
}

export interface Board {
  description?: string;
  id: string;
  /** file or saved */
  origin: "file" | "saved";
  owner?: string;
  panels: DashboardPanel[];
  range?: string;
  shared: boolean;
  title: string;
  yaml?: string;
}

export interface ChangeIncidentInputBody {
  /** split: those that leave */
  alerts?: string[] | null;
  due?: string;
  /** merge: the incident that takes the alerts */
  into?: string;
  owner?: string;
  playbook?: string;
  reason?: string;
  state?: "open" | "done" | "dropped";
  /** task: id of the one to change */
  task?: string;
  text?: string;
  title?: string;
  /** assign: a user */
  to?: string;
  verdict?: string;
}

export interface ChangeOrgInputBody {
}

export interface ChangeRunInputBody {
  reason?: string;
}

export interface Changed {
  updated: number;
}

export interface Check {
  at_most?: boolean;
  limit: number;
  measured: number;
  name: string;
  pass: boolean;
}

export interface ChunkRow {
  detections: number;
  events: number;
  failures: number;
  format: string;
  from: number;
  id: string;
  object: string;
  records: number;
  to: number;
}

export interface Clock {
  breached?: string;
  due: string;
  met?: string;
  name: string;
}

export interface Coverage {
  chunks: number;
  evaluated: number;
  failed: number;
  late: number;
  unproven: UnprovenCell[];
}

export type CoverageState = "covered" | "unproven" | "silent" | "not-covered";

export interface CoverageView {
  assessment: string;
  items: TechniqueCoverage[] | null;
  objectives: string;
  time: string;
}

export interface DashboardPanel {
  query: string;
  show?: string;
  title: string;
  width?: number;
}

export interface DecideInputBody {
  /** delegate: to, until; claim and snooze: until; narrow: the smaller arguments */
  args?: Record<string, string>;
  /** the passkey's signature, where the policy asks for one: what navigator.credentials.get answered, as its toJSON writes it */
  assertion?: unknown;
  /** the hash that was shown; refused when it is not the one that waits */
  binding?: string;
  reason?: string;
  verdict: "approve" | "deny" | "abstain" | "break-glass" | "narrow" | "delegate" | "claim" | "release" | "snooze" | "view";
}

export interface Decision {
  args?: Record<string, string>;
  binding: string;
  channel: string;
  on_behalf?: string;
  passkey?: string;
  reason: string;
  stage: number;
  team?: string;
  time: string;
  token?: string;
  user: string;
  verdict: string;
}

export interface DeployRuleInputBody {
  /** days of stored events that the rule is then asked of, raising alerts */
  back_hunt?: number;
  /** why, for the audit trail */
  reason: string;
  /** one rule document */
  yaml: string;
}

export interface Detection {
  attack?: string[];
  chunk: string;
  dataset: string;
  dedup_key: string;
  entities?: Record<string, string>;
  event_id: string;
  events?: string[];
  exception?: string;
  id: string;
  ingested: string;
  kind: string;
  org: string;
  risk: number;
  rule: string;
  rule_author?: string;
  rule_license?: string;
  rule_title: string;
  rule_version: string;
  severity: Severity;
  source: string;
  steps?: number[];
  time: string;
  why?: Why[];
}

export interface EndExceptionInputBody {
  reason: string;
}

export interface Entity {
  criticality: string;
  facts: Record<string, string> | null;
  kind: string;
  name: string;
  org: string;
  owner: string;
  version: number;
}

export interface Estimate {
  parts: number;
  problem?: string;
  rows: number;
}

export interface Exception {
  created: string;
  end_reason?: string;
  ended?: string;
  ended_by?: string;
  expires: string;
  hidden: number;
  id: string;
  last_hit?: string;
  org: string;
  owner: string;
  reason: string;
  rule: string;
  status: ExceptionStatus;
  version: number;
  when: string;
}

export type ExceptionStatus = "active" | "expired" | "removed";

export interface FailureSample {
  format: string;
  object: string;
  offset: number;
  raw: string;
  reason: string;
  size: number;
}

export interface Feed {
  active: number;
  added: number;
  changed: number;
  columns?: Record<string, string>;
  confidence?: number;
  error?: string;
  etag?: string;
  every_minutes?: number;
  expired: number;
  id: string;
  ignored: number;
  indicators: number;
  kind: string;
  modified?: string;
  org: string;
  part?: string;
  read: number;
  reasons?: Record<string, number>;
  refused: number;
  run?: string;
  secret?: string;
  status: string;
  synced?: string;
  tried?: string;
  ttl_hours?: number;
  type?: string;
  url: string;
  version: number;
}

export interface FeedInputBody {
  /** CSV column → value, type, name, confidence, labels, valid_from or valid_until */
  columns?: Record<string, string>;
  confidence?: number;
  every_minutes?: number;
  feed: string;
  kind?: "stix" | "csv" | "text" | "zeek-intel" | "misp" | "";
  /** env:VIGIL_INTEL_… */
  secret?: string;
  ttl_hours?: number;
  type?: "ip" | "cidr" | "domain" | "url" | "md5" | "sha1" | "sha256" | "email" | "";
  /** http(s)://… or a path on the worker's host */
  url?: string;
}

export interface FieldRow {
  doc: string;
  multi: boolean;
  name: string;
  type: string;
}

export interface Finding {
  id: string;
  kind: string;
  org: string;
  severity: Severity;
  status: string;
  subject: string;
  text: string;
  time: string;
  version: number;
}

export interface FlowAssessPostureResult {
  assessment: string;
  closed: number;
  met: number;
  missed: number;
  objectives: string;
  opened: number;
  status: string;
  unknown: number;
}

export interface FlowDeployRulesResult {
  approval?: string;
  before: string;
  hunt?: string;
  report: FlowRulesReport;
  set: string;
  status: string;
  version?: number;
}

export interface FlowHuntPreview {
  alerts: number;
  bytes: number;
  events: number;
  fires: number;
  from: string;
  millis: number;
  rows: number;
  sample_alerts: number;
  sample_events: number;
  sample_fires: number;
  sample_millis: number;
  to: string;
}

export interface FlowHuntResult {
  alerts: number;
  bytes: number;
  detections: number;
  fires: number;
  found?: FlowHuntRule[];
  hits: number;
  kind: string;
  millis: number;
  preview?: FlowHuntPreview;
  rule: string;
  rules?: number;
  samples: string[] | null;
  scanned: number;
  skipped?: string[];
  version: string;
}

export interface FlowHuntRule {
  fires: number;
  rule: string;
  samples: string[] | null;
  severity: "informational" | "low" | "medium" | "high" | "critical";
  title: string;
}

export interface FlowHuntState {
  all: number;
  error?: string;
  events: number;
  from: string;
  result: FlowHuntResult;
  status: string;
  to: string;
  windows: number;
}

export interface FlowIncidentState {
  id: string;
  other?: string;
  run?: string;
  status: string;
  task?: string;
  version: number;
}

export interface FlowIngestProgress {
  alerts: number;
  bytes: number;
  chunks: number;
  cursor?: string;
  detections: number;
  error?: string;
  events: number;
  failures: number;
  object: string;
  objects: number;
  objects_all: number;
  problems?: string[];
  records: number;
  size: number;
  size_all: number;
  started: string;
  status: string;
  waiting?: number;
}

export interface FlowProof {
  bytes: number;
  chunks: number;
  events: number;
  failures: number;
  gaps?: number;
  gone?: string[];
  lost?: number;
  objects: number;
  ok: boolean;
  problems: string[];
  records: number;
  reread: number;
  source: string;
  suspected: number;
  waiting: number;
}

export interface FlowReportResult {
  at: string;
  before?: boolean;
  bytes: number;
  message_id: string;
  panels: number;
  problems: number;
  report: string;
  to: string[];
}

export interface FlowRuleChange {
  added: number;
  after: number;
  before: number;
  capped?: boolean;
  error?: string;
  lost: number;
  precision: number;
  removed: number;
  rule: string;
  severity: string;
  title: string;
  verdicts: Record<string, number> | null;
  what: string;
}

export interface FlowRulesReport {
  added: string[] | null;
  alerts: number;
  changed: string[] | null;
  changes: FlowRuleChange[] | null;
  from: string;
  per_day: number;
  problems: string[] | null;
  reasons: string[] | null;
  removed: string[] | null;
  requester: string;
  rules: number;
  set: string;
  tests: number;
  to: string;
  untried: number;
  warnings: string[] | null;
}

export interface FlowTestDetectionsResult {
  failed: string[] | null;
  green: number;
  passed: number;
  red: number;
  rule_set: string;
  samples: number;
}

export interface FlowUndoResult {
  by: string;
  incident: string;
  left?: string[];
  steps: FlowUndoStep[];
}

export interface FlowUndoStep {
  action: string;
  error?: string;
  kept?: string;
  outcome: string;
  target: string;
}

export interface FlowVoteResult {
  approval: string;
  binding: string;
  have: number;
  needed: number;
  stage: string;
  status: string;
}

export interface Frame {
  op: "sub" | "unsub";
  since?: string;
  topic: string;
}

export interface HomeView {
  alerts_open: number;
  approvals_pending: number;
  by_severity: Record<string, number>;
  events_24h: number;
  incidents_open: number;
  sources: SourceStatus[] | null;
  top_rules: RuleCount[] | null;
}

export interface HuntRow {
  ended?: string;
  started: string;
  status: string;
  workflow: string;
}

export interface Incident {
  acknowledged?: string;
  alerts: string[] | null;
  assignee?: string;
  attachments?: Attachment[];
  attack?: string[];
  clocks?: Clock[];
  closed?: string;
  entities?: Record<string, string>;
  first_seen: string;
  id: string;
  key: string;
  last_seen: string;
  links?: IncidentLink[];
  long?: string;
  opened: string;
  org: string;
  qualified?: string;
  reason?: string;
  risk: number;
  rules?: Record<string, number>;
  runs?: Run[];
  score?: number;
  severity: Severity;
  status: IncidentStatus;
  tasks?: Task[];
  timeline: TimelineEntry[] | null;
  title: string;
  triaged?: string;
  verdict?: string;
  version: number;
  workflow: string;
}

export interface IncidentDetail {
  alerts: Alert[] | null;
  approvals: Approval[];
  incident: Incident;
  runs: Run[] | null;
}

export interface IncidentLink {
  by: string;
  id: string;
  kind: string;
  time: string;
}

export type IncidentStatus = "open" | "responding" | "awaiting-approval" | "contained" | "closed";

export interface Indicator {
  confidence: number;
  feed: string;
  id: string;
  labels?: string[];
  name: string;
  org: string;
  revoked: boolean;
  type: string;
  valid_from?: string;
  valid_until?: string;
  value: string;
  version: number;
}

export interface IngestInputBody {
  format?: string;
  paths: string[] | null;
  source: string;
  zone?: string;
}

export interface KPI {
  count: number;
  mean: number;
  median: number;
  name: string;
  p90: number;
  text: string;
}

export interface LanguageRow {
  detail: string;
  doc: string;
  kind: "field" | "function" | "key";
  name: string;
}

export interface Likeness {
  incident: string;
  score: number;
  status: string;
  title: string;
  verdict?: string;
  why: string[];
}

export interface LinkBeginInputBody {
  token: string;
}

export interface LinkInputBody {
  /** the admin's password from now on */
  password: string;
  token: string;
}

export interface LinkPasskeyInputBody {
  answer: unknown;
  ceremony: string;
  /** of the passkey, for people */
  name: string;
  token: string;
}

export interface ListActionRecord {
  items: ActionRecord[];
  next: string;
}

export interface ListAlert {
  items: Alert[];
  next: string;
}

export interface ListApproval {
  items: Approval[];
  next: string;
}

export interface ListAuditRecord {
  items: AuditRecord[];
  next: string;
}

export interface ListBoard {
  items: Board[];
  next: string;
}

export interface ListEntity {
  items: Entity[];
  next: string;
}

export interface ListEntityRow {
  items: StoreEntityRow[];
  next: string;
}

export interface ListException {
  items: Exception[];
  next: string;
}

export interface ListFacetValue {
  items: StoreFacetValue[];
  next: string;
}

export interface ListFeed {
  items: Feed[];
  next: string;
}

export interface ListFieldRow {
  items: FieldRow[];
  next: string;
}

export interface ListFinding {
  items: Finding[];
  next: string;
}

export interface ListHuntRow {
  items: HuntRow[];
  next: string;
}

export interface ListIncident {
  items: Incident[];
  next: string;
}

export interface ListIndicator {
  items: Indicator[];
  next: string;
}

export interface ListKPI {
  items: KPI[];
  next: string;
}

export interface ListLanguageRow {
  items: LanguageRow[];
  next: string;
}

export interface ListLikeness {
  items: Likeness[];
  next: string;
}

export interface ListModel {
  items: Model[];
  next: string;
}

export interface ListOcsfEvent {
  items: (Record<string, unknown>)[];
  next: string;
}

export interface ListOrg {
  items: Org[];
  next: string;
}

export interface ListPasskeyRow {
  items: PasskeyRow[];
  next: string;
}

export interface ListPlaybookRow {
  items: PlaybookRow[];
  next: string;
}

export interface ListPrevalence {
  items: StorePrevalence[];
  next: string;
}

export interface ListReportView {
  items: ReportView[];
  next: string;
}

export interface ListRuleDeployment {
  items: RuleDeployment[];
  next: string;
}

export interface ListRuleHealth {
  items: RuleHealth[];
  next: string;
}

export interface ListRuleRow {
  items: RuleRow[];
  next: string;
}

export interface ListSampleRow {
  items: SampleRow[];
  next: string;
}

export interface ListSaved {
  items: Saved[];
  next: string;
}

export interface ListSearchRow {
  items: StoreSearchRow[];
  next: string;
}

export interface ListSighting {
  items: Sighting[];
  next: string;
}

export interface ListSourceView {
  items: SourceView[];
  next: string;
}

export interface ListTableVersion {
  items: TableVersion[];
  next: string;
}

export interface ListUser {
  items: User[];
  next: string;
}

export interface LoginInputBody {
  /** whose user it is; default: the org that runs this installation */
  org?: string;
  password: string;
  user: string;
}

export interface LoginOptions {
  /** there are several orgs: who signs in by password says whose user it is */
  orgs: boolean;
  passkeys: boolean;
  providers: ProviderRow[];
}

export interface LogoutOutputBody {
  /** where to sign out at the provider too */
  redirect?: string;
}

export interface Me {
  full_name: string;
  /** offset from which on the live socket tells what changes from now on */
  live: string;
  org: string;
  permissions: Permission[];
  /** of the org that runs this installation */
  platform: boolean;
  role: "viewer" | "analyst" | "approver" | "admin";
  user: string;
  version: string;
}

export interface Model {
  checks?: Check[];
  created: string;
  dataset: string;
  decision: string;
  detector: string;
  features: string[] | null;
  id: string;
  metrics: Record<string, number> | null;
  org: string;
  replaces: string;
  rows: number;
  status: string;
  threshold: number;
  train_from: string;
  train_to: string;
  version: number;
}

export interface ModelDetail {
  checks?: Check[];
  created: string;
  dataset: string;
  decision: string;
  detector: string;
  features: string[] | null;
  id: string;
  metrics: Record<string, number> | null;
  org: string;
  replaces: string;
  rows: number;
  scores_above: number;
  scores_kept: number;
  size: number;
  status: string;
  threshold: number;
  train_from: string;
  train_to: string;
  version: number;
}

export interface Note {
  data: string;
  id: string;
  kind: string;
  offset: string;
  org: string;
  time: string;
  topic: string;
}

export interface ObjectiveResult {
  comparator: string;
  evidence?: string[];
  id: string;
  measured: number;
  metric: string;
  severity: Severity;
  status: ObjectiveStatus;
  target: number;
  text: string;
  title: string;
  unit: string;
}

export type ObjectiveStatus = "met" | "missed" | "unknown";

export interface Org {
  added: string;
  by: string;
  closed: boolean;
  created: string;
  name: string;
  title: string;
  version: number;
}

export interface PanelAnswer {
  problem?: string;
  rows: number;
  title: string;
}

export interface PasskeyRow {
  cloned: boolean;
  created: string;
  id: string;
  name: string;
  site: string;
  synced: boolean;
  used?: string;
  works: boolean;
}

export type Permission = "read:home" | "read:alerts" | "read:incidents" | "read:approvals" | "read:sources" | "read:events" | "read:rules" | "read:playbooks" | "read:intel" | "read:models" | "read:posture" | "read:entities" | "write:alerts" | "write:incidents" | "write:sources" | "attach:sources" | "write:saved" | "write:reports" | "read:audit" | "run:hunts" | "run:posture" | "write:exceptions" | "decide:approvals" | "admin:users" | "admin:models" | "admin:intel" | "attach:feeds" | "admin:rules" | "admin:entities" | "admin:orgs" | "read:payloads";

export interface Pins {
  intel: string;
  models: string;
  rule_set: string;
  since: string;
  tables: string;
}

export interface PlaybookApproval {
  deadline_minutes?: number;
  needed?: number;
  reason?: string;
}

export interface PlaybookCommand {
  arguments?: Record<string, string>;
  command: string;
  content?: string;
  content_b64?: string;
  description?: string;
  headers?: Record<string, string[]>;
  type: string;
}

export interface PlaybookRow {
  description: string;
  id: string;
  start: string;
  steps: Record<string, PlaybookStep>;
  title: string;
  version: string;
}

export interface PlaybookStep {
  approval?: PlaybookApproval;
  cases?: Record<string, string>;
  commands?: PlaybookCommand[];
  condition?: string;
  delay?: number;
  description?: string;
  in_args?: string[];
  name?: string;
  next_steps?: string[];
  on_completion?: string;
  on_failure?: string;
  on_false?: string;
  on_success?: string;
  on_true?: string;
  out_args?: string[];
  playbook_id?: string;
  playbook_version?: string;
  step_variables?: Record<string, PlaybookVariable>;
  switch?: string;
  targets?: string[];
  timeout?: number;
  type: string;
}

export interface PlaybookVariable {
  constant?: boolean;
  description?: string;
  external?: boolean;
  type: string;
  value?: string;
}

export interface PostureView {
  assessment: Assessment;
  findings: Finding[] | null;
  history: Record<string, StoreObjectivePoint[]> | null;
}

export interface Presence {
  events?: number;
  id: string;
  last_event: string;
  last_ingest: string;
  silence: number;
  stale_after: number;
  state: PresenceState;
}

export type PresenceState = "present" | "stale" | "silent";

export interface Problem {
  code: string;
  detail: string;
  hint?: string;
  status: number;
  title: string;
}

export interface Progress {
  bytes: number;
  ms: number;
  rows: number;
  running: boolean;
}

export type ProofState = "green" | "red" | "stale";

export interface ProviderRow {
  id: string;
  name: string;
}

export interface ReceiveView {
  bytes: number;
  disk: number;
  dropped: number;
  duplicates: number;
  error?: string;
  invalid: number;
  kind: string;
  limits: SpoolLimits;
  pending: number;
  records: number;
  refused: number;
  segments: number;
  suspected: number;
}

export interface RenamePasskeyInputBody {
  name: string;
}

export interface Reply {
  data?: Note;
  dropped?: number;
  gap?: boolean;
  items?: Note[];
  message?: string;
  offset?: string;
  op: "subd" | "pub" | "batch" | "err";
  topic?: string;
}

export interface ReportHistory {
  cron: string;
  deleted?: boolean;
  id: string;
  kind: SavedKind;
  last?: Sending;
  next?: string;
  of: string;
  org: string;
  owner: string;
  paused?: boolean;
  range?: string;
  sendings: Sending[];
  to: string[];
  updated: string;
  version: number;
  zone: string;
}

export interface ReportInputBody {
  /** minute, hour, day, month, day of week; once an hour at most */
  cron: string;
  id: string;
  kind: "dashboard" | "search";
  /** id of the dashboard or search */
  of: string;
  /** 15m, 1h, 24h, 7d, 30d or all; default: that of the dashboard */
  range?: string;
  /** addresses, of domains that the operator allows */
  to: string[] | null;
  /** IANA time zone; default UTC */
  zone?: string;
}

export interface ReportView {
  cron: string;
  deleted?: boolean;
  id: string;
  kind: SavedKind;
  last?: Sending;
  next?: string;
  of: string;
  org: string;
  owner: string;
  paused?: boolean;
  range?: string;
  to: string[];
  updated: string;
  version: number;
  zone: string;
}

export interface ReviewInputBody {
  reason: string;
  verdict: "justified" | "unjustified";
}

export interface RewindInputBody {
  /** store again what is stored, under the next epoch */
  again?: boolean;
  /** to when */
  to: string;
}

export interface Rollback {
  champion: string;
}

export interface RollbackInputBody {
  reason: string;
}

export interface RollbackTableInputBody {
  number: number;
}

export interface RuleCheck {
  /** a rule of that id is in use and differs */
  changes: boolean;
  problems: RuleProblem[];
  rule?: RuleRow;
  tests: RuleTest[];
}

export interface RuleCheckInputBody {
  yaml: string;
}

export interface RuleCount {
  count: number;
  rule: string;
  title: string;
}

export interface RuleDeployment {
  by: string;
  org: string;
  reason: string;
  report?: string;
  set: string;
  time: string;
  version: number;
}

export interface RuleHealth {
  alerts: number;
  cost: number;
  detections: number;
  hidden: number;
  off?: string;
  per_day: number;
  precision: number;
  rule: string;
  silent_since?: string;
  verdicts: Record<string, number> | null;
}

export interface RulePresence {
  datasets: string[] | null;
  fired: number;
  id: string;
  last_fired?: string;
  severity: Severity;
  state: PresenceState;
  tests: number;
  title: string;
}

export interface RuleProblem {
  column: number;
  hint?: string;
  line: number;
  message: string;
}

export interface RuleRow {
  attack: string[];
  author: string;
  dataset: string[] | null;
  id: string;
  kind: string;
  playbook: string;
  risk: number;
  severity: Severity;
  status: string;
  title: string;
  version: string;
  yaml?: string;
}

export interface RuleTest {
  line: number;
  /** what the test expects */
  match: boolean;
  name: string;
  ok: boolean;
}

export interface Run {
  dry_run?: boolean;
  ended?: string;
  id: string;
  incident?: string;
  org: string;
  outputs?: Record<string, string>;
  playbook: string;
  requester: string;
  started: string;
  status: string;
  steps: RunStep[] | null;
  title: string;
  version: string;
}

export interface RunDetail {
  run: Run;
  temporal_url?: string;
}

export interface RunPlaybookInputBody {
  /** go through the steps without acting or asking */
  dry_run?: boolean;
  /** open, or for a dry run also closed */
  incident: string;
}

export interface RunStarted {
  run: string;
}

export interface RunStep {
  action: string;
  approval?: string;
  attempts?: number;
  ended?: string;
  error?: string;
  id: string;
  inputs?: Record<string, string>;
  name: string;
  next?: string[];
  outputs?: Record<string, string>;
  started?: string;
  status: string;
  type: string;
}

export interface SampleInputBody {
  /** techniques that must be found */
  attack: string[] | null;
  /** ids of stored events; or name a source */
  events?: string[] | null;
  id: string;
  /** all events of this source */
  source?: string;
  title: string;
}

export interface SampleResult {
  attack: string[] | null;
  error?: string;
  found: string[] | null;
  hidden: string[] | null;
  org: string;
  other: string[] | null;
  passed?: string;
  rule_set: string;
  rules: string[] | null;
  sample: string;
  time: string;
  title: string;
  version: number;
}

export interface SampleRow {
  attack: string[];
  built_in: boolean;
  by: string;
  id: string;
  ok: boolean;
  records: number;
  result?: SampleResult;
  title: string;
}

export interface Saved {
  columns?: string[];
  deleted?: boolean;
  doc: string;
  id: string;
  kind: SavedKind;
  org: string;
  owner: string;
  range?: string;
  shared: boolean;
  title: string;
  updated: string;
  version: number;
}

export interface SavedInputBody {
  columns?: string[] | null;
  /** the query, or the dashboard's YAML */
  doc: string;
  id: string;
  range?: string;
  shared?: boolean;
  /** of a search; a dashboard's is in its document */
  title?: string;
}

export type SavedKind = "search" | "dashboard";

export interface ScheduleInputBody {
  cron?: string;
  /** 0 without cron ends the schedule */
  every_seconds?: number;
}

export interface SearchBody {
  from?: string;
  query?: string;
  to?: string;
}

export interface SearchInputBody {
  /** next of the page before */
  cursor?: string;
  from?: string;
  histogram?: boolean;
  /** chosen by the caller, to cancel by */
  id?: string;
  limit?: number;
  query?: string;
  /** only what was ingested from then on, newest arrivals first: a live tail */
  since?: string;
  to?: string;
}

export interface Sending {
  at: string;
  by: string;
  bytes: number;
  ended: string;
  error?: string;
  id: string;
  message_id?: string;
  org: string;
  panels: PanelAnswer[] | null;
  report: string;
  status: "sent" | "failed";
  subject: string;
  to: string[];
  version: number;
}

export type Severity = "informational" | "low" | "medium" | "high" | "critical";

export interface Sighting {
  chunk: string;
  event_id: string;
  feed: string;
  indicator: string;
  ingested: string;
  org: string;
  source: string;
  time: string;
  value: string;
}

export interface Signature {
  command: string;
  expires: string;
  token: string;
}

export interface SourceChange {
  progress?: FlowIngestProgress;
  proof?: FlowProof;
  workflow?: string;
}

export interface SourceDetail {
  bytes: number;
  bytes_all: number;
  bytes_day: number;
  chunks: ChunkRow[];
  controls: string[];
  detections: number;
  error?: string;
  events: number;
  failures: number;
  formats: string[] | null;
  id: string;
  kind: string;
  lag: number;
  last: string;
  objects: number;
  objects_all: number;
  org: string;
  paths?: string[];
  progress?: FlowIngestProgress;
  proof?: string;
  proved?: string;
  rate: number;
  receive?: ReceiveView;
  records: number;
  samples: FailureSample[];
  status: string;
  usual: number;
  work: SourceWork[];
}

export interface SourceStatus {
  bytes: number;
  bytes_all: number;
  bytes_day: number;
  detections: number;
  error?: string;
  events: number;
  failures: number;
  formats: string[] | null;
  id: string;
  kind: string;
  lag: number;
  last: string;
  objects: number;
  objects_all: number;
  org: string;
  proof?: string;
  proved?: string;
  rate: number;
  records: number;
  status: string;
  usual: number;
}

export interface SourceView {
  bytes: number;
  bytes_all: number;
  bytes_day: number;
  controls: string[];
  detections: number;
  error?: string;
  events: number;
  failures: number;
  formats: string[] | null;
  id: string;
  kind: string;
  lag: number;
  last: string;
  objects: number;
  objects_all: number;
  org: string;
  progress?: FlowIngestProgress;
  proof?: string;
  proved?: string;
  rate: number;
  receive?: ReceiveView;
  records: number;
  status: string;
  usual: number;
}

export interface SourceWork {
  progress: FlowIngestProgress;
  workflow: string;
}

export interface SpoolLimits {
  quota?: number;
  rate?: number;
  set?: string;
  weight?: number;
}

export interface StartHuntInputBody {
  /** data sets of the condition; default: all */
  datasets?: string[] | null;
  /** event time; default: the oldest event */
  from?: string;
  /** sample events in the result; default 20; of many rules 3 each, at most 10 */
  limit?: number;
  /** only say what the hunt will cost and raise */
  preview?: boolean;
  /** also write detections and raise alerts */
  raise?: boolean;
  /** id of a rule in use */
  rule?: string;
  /** or ids of rules in use; * stands for any text */
  rules?: string[] | null;
  /** event time; default: the newest event */
  to?: string;
  /** or a condition over e, as in rules */
  when?: string;
  /** events that are asked at once; default 4 to 25 million */
  window?: number;
  /** or rule documents */
  yaml?: string;
}

export interface Started {
  workflow: string;
}

export interface StepUp {
  options: unknown;
  /** the challenge is its SHA-256 */
  statement: string;
}

export interface StoreEntityRow {
  alerts: number;
  events: number;
  first?: string;
  kind: string;
  last?: string;
  name: string;
  open: number;
  risk: number;
  rules: number;
}

export interface StoreExceptionTrial {
  alerts: StoreTrialAlert[];
  detections: number;
  hidden: number;
  rules: Record<string, number>;
}

export interface StoreFacetValue {
  count: number;
  value: string;
}

export interface StoreObjectivePoint {
  measured: number;
  status: ObjectiveStatus;
  time: string;
}

export interface StorePrevalence {
  events: number;
  field: string;
  first: string;
  hosts: number;
  last: string;
  value: string;
}

export interface StoreSearchBucket {
  by: Record<string, number>;
  count: number;
  time: string;
}

export interface StoreSearchResult {
  at: string;
  facets: Record<string, StoreFacetValue[]>;
  from: string;
  histogram: StoreSearchBucket[];
  id: string;
  next: string;
  rows: StoreSearchRow[];
  stats: StoreSearchStats;
  step: number;
  table?: StoreTable;
  to: string;
  total: number;
}

export interface StoreSearchRow {
  dataset: string;
  fields: Record<string, string>;
  id: string;
  source: string;
  time: string;
}

export interface StoreSearchStats {
  bytes: number;
  ms: number;
  rows: number;
}

export interface StoreStoredEvent {
  chunk: string;
  extras: Record<string, string> | null;
  fields: Record<string, string>;
  id: string;
  ingested: string;
  offset: number;
  raw: string;
  source: string;
  time: string;
}

export interface StoreTable {
  chart: "" | "bar" | "time";
  columns: StoreTableColumn[];
  rows: unknown[][];
  truncated?: boolean;
}

export interface StoreTableColumn {
  kind: "text" | "number" | "time";
  name: string;
}

export interface StoreTrialAlert {
  count: number;
  hidden: number;
  id: string;
  rule: string;
  verdict?: string;
}

export interface TableVersion {
  back?: number;
  by: string;
  bytes: number;
  file: string;
  hash: string;
  name: string;
  number: number;
  org: string;
  rows: number;
  run: string;
  time: string;
}

export interface Task {
  approval?: string;
  by: string;
  created: string;
  due?: string;
  ended?: string;
  id: string;
  owner?: string;
  state: "open" | "done" | "dropped";
  title: string;
}

export interface TechniqueCoverage {
  fired?: number;
  id: string;
  last_fired?: string;
  name?: string;
  proof?: TechniqueProof;
  rules?: string[];
  state: CoverageState;
  tactics?: string[];
}

export interface TechniqueProof {
  rules?: string[];
  sample: string;
  state: ProofState;
  time: string;
}

export interface TestInputBody {
  /** default: all */
  samples?: string[] | null;
}

export interface Then {
  alerts: Alert[] | null;
  assets: Entity[];
  at: string;
  exceptions: Exception[];
  incident: Incident;
  indicators: ThenIndicator[];
  missing?: string[];
  models: Model[];
  off: string[];
  pins: Pins;
  rules: ThenRule[];
}

export interface ThenIndicator {
  confidence: number;
  feed: string;
  name: string;
  type: string;
  until?: string;
  value: string;
}

export interface ThenRule {
  now: string;
  rule: string;
  title: string;
  version: string;
  yaml: string;
}

export interface TimelineEntry {
  by: string;
  kind: string;
  ref?: string;
  text: string;
  time: string;
}

export interface TokenInputBody {
  /** default 30 days */
  hours?: number;
  name: string;
}

export interface TrainInputBody {
  detector: string;
  from?: string;
  max_rows?: number;
  to?: string;
}

export interface TryExceptionInputBody {
  /** days back by event time; 0: everything stored */
  days?: number;
  /** rule id; * (the default) is every rule */
  rule?: string;
  /** condition over e */
  when: string;
}

export interface TuneProposal {
  false_positives: number;
  precision: number;
  removed: number;
  share: number;
  true_positives: number;
  undecided: number;
  when: string;
}

export interface TuneReport {
  alerts: number;
  false_positives: number;
  precision: number;
  proposals: TuneProposal[];
  rule: string;
  true_positives: number;
}

export interface UndoInputBody {
  reason: string;
}

export interface UnprovenCell {
  chunk: string;
  rule: string;
  version: string;
  why: string;
}

export interface UpdateAlertsInputBody {
  assignee?: string;
  ids: string[] | null;
  reason?: string;
  status?: "open" | "acknowledged" | "closed" | "";
  verdict?: "true_positive" | "false_positive" | "benign" | "";
}

export interface User {
  created: string;
  disabled: boolean;
  email?: string;
  full_name?: string;
  groups?: string[];
  name: string;
  org: string;
  provider?: string;
  role: "viewer" | "analyst" | "approver" | "admin";
  team?: string;
  version: number;
}

export interface UserInputBody {
  disabled?: boolean;
  email?: string;
  full_name?: string;
  /** comma-separated; approval policies name them */
  groups?: string;
  name: string;
  password?: string;
  role: "viewer" | "analyst" | "approver" | "admin";
  team?: string;
}

export interface Why {
  expr: string;
  part: string;
  values?: Record<string, string>;
}

/** What each route takes, and what it answers. */
export interface Routes {
  "GET /alerts": {
    query: { status?: "open" | "acknowledged" | "closed" | ""; severity?: string; rule?: string; incident?: string; q?: string; cursor?: string; limit?: number };
    answer: ListAlert;
  };
  "POST /alerts/update": {
    body: UpdateAlertsInputBody;
    answer: Changed;
  };
  "GET /alerts/{id}": {
    path: { id: string };
    answer: AlertDetail;
  };
  "GET /approvals": {
    query: { status?: string; review?: string; incident?: string; snoozed?: boolean; limit?: number };
    answer: ListApproval;
  };
  "GET /approvals/metrics": {
    query: { days?: number };
    answer: ApprovalMetrics;
  };
  "GET /approvals/{id}": {
    path: { id: string };
    answer: Approval;
  };
  "POST /approvals/{id}/decide": {
    path: { id: string };
    body: DecideInputBody;
    answer: FlowVoteResult;
  };
  "POST /approvals/{id}/look": {
    path: { id: string };
    body: DecideInputBody;
    answer: FlowVoteResult;
  };
  "POST /approvals/{id}/review": {
    path: { id: string };
    body: ReviewInputBody;
    answer: Approval;
  };
  "POST /approvals/{id}/sign": {
    path: { id: string };
    body: DecideInputBody;
    answer: Signature;
  };
  "POST /approvals/{id}/step-up": {
    path: { id: string };
    body: DecideInputBody;
    answer: StepUp;
  };
  "GET /assets": {
    query: { q?: string; name?: string; criticality?: "low" | "medium" | "high" | "critical" | ""; cursor?: string; limit?: number };
    answer: ListEntity;
  };
  "GET /audit": {
    query: { cursor?: string; limit?: number };
    answer: ListAuditRecord;
  };
  "GET /audit/verify": {
    answer: AuditReport;
  };
  "GET /dashboards": {
    answer: ListBoard;
  };
  "GET /dashboards/{id}": {
    path: { id: string };
    answer: Board;
  };
  "GET /entities": {
    query: { kind?: "host" | "user" | "ip"; q?: string; limit?: number };
    answer: ListEntityRow;
  };
  "GET /entities/{kind}/{name}": {
    path: { kind: "host" | "user" | "ip"; name: string };
    answer: StoreEntityRow;
  };
  "GET /events/{id}": {
    path: { id: string };
    answer: StoreStoredEvent;
  };
  "GET /events/{id}/around": {
    path: { id: string };
    query: { n?: number };
    answer: ListSearchRow;
  };
  "GET /events/{id}/prevalence": {
    path: { id: string };
    answer: ListPrevalence;
  };
  "GET /exceptions": {
    query: { status?: "active" | "expired" | "removed" | "" };
    answer: ListException;
  };
  "POST /exceptions": {
    body: AddExceptionInputBody;
    answer: Started;
  };
  "POST /exceptions/try": {
    body: TryExceptionInputBody;
    answer: StoreExceptionTrial;
  };
  "POST /exceptions/{id}/remove": {
    path: { id: string };
    body: EndExceptionInputBody;
    answer: Changed;
  };
  "GET /export": {
    query: { query?: string; from?: string; to?: string; format?: "ndjson" | "csv" | "parquet"; columns?: string; limit?: string };
    answer: Blob;
  };
  "GET /fields": {
    answer: ListFieldRow;
  };
  "GET /fields/{name}/values": {
    path: { name: string };
    query: { prefix?: string; from?: string; to?: string; limit?: number };
    answer: ListFacetValue;
  };
  "GET /home": {
    answer: HomeView;
  };
  "GET /hunts": {
    answer: ListHuntRow;
  };
  "POST /hunts": {
    body: StartHuntInputBody;
    answer: Started;
  };
  "DELETE /hunts/{id}": {
    path: { id: string };
    answer: Changed;
  };
  "GET /hunts/{id}": {
    path: { id: string };
    answer: FlowHuntState;
  };
  "GET /identities": {
    query: { q?: string; name?: string; criticality?: "low" | "medium" | "high" | "critical" | ""; cursor?: string; limit?: number };
    answer: ListEntity;
  };
  "GET /incidents": {
    query: { status?: string; sort?: "opened" | "risk"; limit?: number; cursor?: string };
    answer: ListIncident;
  };
  "GET /incidents/{id}": {
    path: { id: string };
    answer: IncidentDetail;
  };
  "GET /incidents/{id}/actions": {
    path: { id: string };
    answer: ListActionRecord;
  };
  "POST /incidents/{id}/files": {
    path: { id: string };
    query: { name: string };
    body: Blob;
    answer: Attachment;
  };
  "GET /incidents/{id}/files/{hash}": {
    path: { id: string; hash: string };
    answer: Blob;
  };
  "GET /incidents/{id}/report": {
    path: { id: string };
    query: { format?: "markdown" | "json" | "stix" };
    answer: Blob;
  };
  "GET /incidents/{id}/similar": {
    path: { id: string };
    answer: ListLikeness;
  };
  "GET /incidents/{id}/then": {
    path: { id: string };
    query: { at?: string };
    answer: Then;
  };
  "POST /incidents/{id}/undo": {
    path: { id: string };
    body: UndoInputBody;
    answer: FlowUndoResult;
  };
  "POST /incidents/{id}/{verb}": {
    path: { id: string; verb: "ack" | "comment" | "close" | "run" | "assign" | "task" | "qualify" | "merge" | "split" };
    body: ChangeIncidentInputBody;
    answer: FlowIncidentState;
  };
  "GET /intel/feeds": {
    answer: ListFeed;
  };
  "POST /intel/feeds": {
    body: FeedInputBody;
    answer: Started;
  };
  "POST /intel/feeds/{id}/{verb}": {
    path: { id: string; verb: "sync" | "remove" };
    answer: Started;
  };
  "GET /intel/indicators": {
    query: { feed?: string; type?: "ip" | "cidr" | "domain" | "url" | "md5" | "sha1" | "sha256" | "email" | ""; value?: string; q?: string; status?: "active" | "expired" | "revoked" | ""; cursor?: string; limit?: number };
    answer: ListIndicator;
  };
  "GET /intel/sightings": {
    query: { feed?: string; value?: string; source?: string; cursor?: string; limit?: number };
    answer: ListSighting;
  };
  "GET /kpis": {
    query: { days?: number };
    answer: ListKPI;
  };
  "POST /login": {
    body: LoginInputBody;
    answer: Me;
  };
  "POST /login/link": {
    body: LinkInputBody;
    answer: Me;
  };
  "POST /login/link/passkey": {
    body: LinkPasskeyInputBody;
    answer: Me;
  };
  "POST /login/link/passkey/begin": {
    body: LinkBeginInputBody;
    answer: Asked;
  };
  "GET /login/oidc/{id}": {
    path: { id: string };
  };
  "GET /login/oidc/{id}/callback": {
    path: { id: string };
    query: { code?: string; state?: string; error?: string };
  };
  "GET /login/options": {
    answer: LoginOptions;
  };
  "POST /login/passkey": {
    body: Answered;
    answer: Me;
  };
  "POST /login/passkey/begin": {
    answer: Asked;
  };
  "POST /logout": {
    answer: LogoutOutputBody;
  };
  "GET /me": {
    answer: Me;
  };
  "GET /models": {
    answer: ListModel;
  };
  "POST /models/train": {
    body: TrainInputBody;
    answer: Started;
  };
  "POST /models/{detector}/rollback": {
    path: { detector: string };
    body: RollbackInputBody;
    answer: Rollback;
  };
  "GET /models/{id}": {
    path: { id: string };
    answer: ModelDetail;
  };
  "GET /orgs": {
    answer: ListOrg;
  };
  "POST /orgs": {
    body: AddOrgInputBody;
    answer: Org;
  };
  "POST /orgs/{name}/{verb}": {
    path: { name: string; verb: "close" | "open" };
    body: ChangeOrgInputBody;
    answer: Org;
  };
  "GET /passkeys": {
    answer: ListPasskeyRow;
  };
  "POST /passkeys": {
    body: AddPasskeyInputBody;
    answer: ListPasskeyRow;
  };
  "POST /passkeys/begin": {
    answer: Asked;
  };
  "DELETE /passkeys/{id}": {
    path: { id: string };
    answer: ListPasskeyRow;
  };
  "POST /passkeys/{id}": {
    path: { id: string };
    body: RenamePasskeyInputBody;
    answer: ListPasskeyRow;
  };
  "GET /playbooks": {
    answer: ListPlaybookRow;
  };
  "POST /playbooks/{name}/run": {
    path: { name: string };
    body: RunPlaybookInputBody;
    answer: RunStarted;
  };
  "GET /posture": {
    query: { objectives?: string; days?: number };
    answer: PostureView;
  };
  "POST /posture/assess": {
    body: AssessInputBody;
    answer: FlowAssessPostureResult;
  };
  "GET /posture/coverage": {
    query: { objectives?: string; days?: number };
    answer: CoverageView;
  };
  "GET /posture/findings": {
    query: { kind?: string; status?: "open" | "closed" | ""; limit?: number };
    answer: ListFinding;
  };
  "GET /reports": {
    query: { of?: string };
    answer: ListReportView;
  };
  "POST /reports": {
    body: ReportInputBody;
    answer: ReportView;
  };
  "DELETE /reports/{id}": {
    path: { id: string };
    answer: Changed;
  };
  "GET /reports/{id}": {
    path: { id: string };
    answer: ReportHistory;
  };
  "POST /reports/{id}/send": {
    path: { id: string };
    answer: FlowReportResult;
  };
  "GET /rules": {
    answer: ListRuleRow;
  };
  "POST /rules/check": {
    body: RuleCheckInputBody;
    answer: RuleCheck;
  };
  "GET /rules/coverage": {
    query: { limit?: number };
    answer: Coverage;
  };
  "GET /rules/deploy": {
    answer: FlowDeployRulesResult;
  };
  "POST /rules/deploy": {
    body: DeployRuleInputBody;
    answer: Started;
  };
  "GET /rules/deployments": {
    answer: ListRuleDeployment;
  };
  "GET /rules/health": {
    answer: ListRuleHealth;
  };
  "GET /rules/language": {
    answer: ListLanguageRow;
  };
  "GET /rules/{id}": {
    path: { id: string };
    answer: RuleRow;
  };
  "GET /rules/{id}/tuning": {
    path: { id: string };
    query: { days?: number };
    answer: TuneReport;
  };
  "GET /runs": {
    query: { id: string };
    answer: RunDetail;
  };
  "POST /runs/{verb}": {
    path: { verb: "cancel" | "terminate" | "reset" | "rerun" };
    query: { id: string };
    body: ChangeRunInputBody;
    answer: RunStarted;
  };
  "GET /samples": {
    answer: ListSampleRow;
  };
  "POST /samples": {
    body: SampleInputBody;
    answer: Changed;
  };
  "POST /samples/test": {
    body: TestInputBody;
    answer: FlowTestDetectionsResult;
  };
  "DELETE /samples/{id}": {
    path: { id: string };
    answer: Changed;
  };
  "GET /saved/{kind}": {
    path: { kind: "search" | "dashboard" };
    answer: ListSaved;
  };
  "POST /saved/{kind}": {
    path: { kind: "search" | "dashboard" };
    body: SavedInputBody;
    answer: Saved;
  };
  "DELETE /saved/{kind}/{id}": {
    path: { kind: "search" | "dashboard"; id: string };
    answer: Changed;
  };
  "POST /searches": {
    body: SearchInputBody;
    answer: StoreSearchResult;
  };
  "POST /searches/estimate": {
    body: SearchBody;
    answer: Estimate;
  };
  "POST /searches/ocsf": {
    body: SearchInputBody;
    answer: ListOcsfEvent;
  };
  "DELETE /searches/{id}": {
    path: { id: string };
    answer: Changed;
  };
  "GET /searches/{id}": {
    path: { id: string };
    answer: Progress;
  };
  "GET /sources": {
    answer: ListSourceView;
  };
  "POST /sources": {
    body: AddSourceInputBody;
    answer: SourceChange;
  };
  "POST /sources/ingest": {
    body: IngestInputBody;
    answer: Started;
  };
  "DELETE /sources/{id}": {
    path: { id: string };
    answer: SourceChange;
  };
  "GET /sources/{id}": {
    path: { id: string };
    answer: SourceDetail;
  };
  "POST /sources/{id}/backfill": {
    path: { id: string };
    body: BackfillInputBody;
    answer: SourceChange;
  };
  "POST /sources/{id}/rewind": {
    path: { id: string };
    body: RewindInputBody;
    answer: SourceChange;
  };
  "POST /sources/{id}/schedule": {
    path: { id: string };
    body: ScheduleInputBody;
    answer: SourceChange;
  };
  "POST /sources/{id}/{verb}": {
    path: { id: string; verb: "pause" | "resume" | "prove" };
    answer: SourceChange;
  };
  "GET /tables": {
    answer: ListTableVersion;
  };
  "POST /tables/{name}": {
    path: { name: "assets" | "identities" | "hashes" | "geo" | "asn" };
    query: { file?: string };
    body: Blob;
    answer: TableVersion;
  };
  "POST /tables/{name}/rollback": {
    path: { name: "assets" | "identities" | "hashes" | "geo" | "asn" };
    body: RollbackTableInputBody;
    answer: TableVersion;
  };
  "GET /tables/{name}/versions": {
    path: { name: "assets" | "identities" | "hashes" | "geo" | "asn" };
    answer: ListTableVersion;
  };
  "POST /tokens": {
    body: TokenInputBody;
    answer: ApiToken;
  };
  "GET /users": {
    answer: ListUser;
  };
  "POST /users": {
    body: UserInputBody;
    answer: User;
  };
  "GET /users/{user}/passkeys": {
    path: { user: string };
    answer: ListPasskeyRow;
  };
  "DELETE /users/{user}/passkeys/{id}": {
    path: { user: string; id: string };
    answer: ListPasskeyRow;
  };
}

/** The topics of the live connection, and the permission that each needs. */
export const topics = {
  alerts: "read:alerts",
  approvals: "read:approvals",
  audit: "read:audit",
  exceptions: "read:rules",
  incidents: "read:incidents",
  intel: "read:intel",
  models: "read:models",
  posture: "read:posture",
  rules: "read:rules",
  runs: "read:incidents",
  sources: "read:sources",
  tables: "read:entities",
} as const satisfies Record<string, Permission>;
export type Topic = keyof typeof topics;

export const subprotocol = "vigil.v1";
