// Shapes of the API's answers (schema/nouns.go and server/*.go).
export type Severity = "informational" | "low" | "medium" | "high" | "critical";
export interface Page<T> { items: T[]; next: string }
export interface Me { user: string; org: string; role: string; permissions: string[]; version: string }
export interface Why { part: string; expr: string; values?: Record<string, string> }
export interface Alert {
  id: string; rule: string; title: string; author?: string; license?: string; kind: string; severity: Severity; risk: number; attack?: string[];
  entities?: Record<string, string>; source: string; dataset: string; first_seen: string; last_seen: string; created: string; count: number;
  status: string; verdict?: string; reason?: string; incident?: string; tags?: string[]; sample_event: string; why?: Why[]; dedup_key: string;
}
export interface TimelineEntry { time: string; kind: string; by: string; text: string; ref?: string }
export interface RunStep { id: string; name: string; type: string; action: string; status: string; next?: string[]; approval?: string; error?: string }
export interface Run { id: string; playbook: string; title: string; status: string; requester: string; started: string; steps: RunStep[] }
export interface Incident {
  id: string; key: string; title: string; severity: Severity; risk: number; status: string; opened: string; alerts: string[];
  entities?: Record<string, string>; attack?: string[]; assignee?: string; timeline: TimelineEntry[];
}
export interface Decision { user: string; verdict: string; reason: string; channel: string; time: string }
export interface Approval {
  id: string; incident?: string; playbook: string; action: string; target: string; arguments: Record<string, string>; risk: string; reason: string; undo: string;
  requester: string; needed: number; payload: string; binding: string; created: string; deadline: string; status: string; decisions?: Decision[];
}
export interface Progress { status: string; objects: number; objects_all: number; size: number; size_all: number; records: number; failures: number; object: string }
export interface Source {
  id: string; status: string; formats: string[]; objects: number; objects_all: number; bytes: number; records: number; events: number; failures: number; detections: number; last: string; progress?: Progress; receive?: Receive;
}
/** What the receiver of a push source did since its process started, and the bytes that wait in its spool. */
export interface Receive { kind: string; records: number; duplicates: number; suspected: number; refused: number; dropped: number; pending: number; error?: string }
export interface Proof { source: string; ok: boolean; chunks: number; records: number; events: number; failures: number; reread: number; problems: string[] }
export interface SearchRow { id: string; time: string; source: string; dataset: string; fields: Record<string, string> }
export interface SearchResult {
  id: string; rows: SearchRow[]; next: string; total: number; histogram: { time: string; count: number; by: Record<string, number> }[];
  facets: Record<string, { value: string; count: number }[]>; stats: { rows: number; bytes: number; ms: number };
}
export interface StoredEvent { id: string; source: string; time: string; fields: Record<string, string>; extras: Record<string, string>; raw: string }
export interface Rule { id: string; title: string; kind: string; severity: Severity; risk: number; dataset: string[]; attack: string[]; author: string; playbook: string; yaml?: string }
export interface AuditRecord { writer: string; seq: number; time: string; actor: string; verb: string; object: string; outcome: string; details?: Record<string, string>; hash: string }
export interface Home {
  alerts_open: number; by_severity: Record<string, number>; incidents_open: number; approvals_pending: number; events_24h: number; sources: Source[]; top_rules: { rule: string; title: string; count: number }[] | null;
}
export interface Note { offset: string; topic: string; kind: string; id: string; data: string; time: string }
