// Dashboards are YAML files (internal/dashboard). The app only writes them; the server reads.
import type { Dashboard, DashboardPanel } from "../api/types";

/** A title as an id: small letters, digits and hyphens. */
export function idOf(title: string): string {
  const id = title
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 60)
    .replace(/-+$/, "");
  return id.length >= 2 ? id : `saved-${id || "one"}`;
}

/** A text as YAML: JSON's strings are YAML's. */
const quoted = (s: string) =>
  JSON.stringify(s).replace(
    /[\u2028\u2029\u0085]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** The file of a dashboard. */
export function yamlOf(d: Pick<Dashboard, "id" | "title" | "description" | "range" | "panels">): string {
  const lines = [`id: ${d.id}`, `title: ${quoted(d.title)}`];
  if (d.description) lines.push(`description: ${quoted(d.description)}`);
  if (d.range) lines.push(`range: ${d.range}`);
  lines.push("panels:");
  for (const p of d.panels) {
    lines.push(`  - title: ${quoted(p.title)}`, `    query: ${quoted(p.query)}`);
    if (p.show) lines.push(`    show: ${p.show}`);
    if (p.width) lines.push(`    width: ${p.width}`);
  }
  return `${lines.join("\n")}\n`;
}

/** The dashboard with one more panel. */
export function addPanel(d: Dashboard, panel: DashboardPanel): { id: string; yaml: string } {
  return { id: d.id, yaml: yamlOf({ ...d, panels: [...d.panels, panel] }) };
}
