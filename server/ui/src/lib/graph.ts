// Lays out the steps of a playbook: a small layered drawing, left to right.

import { clip } from "./format";

export interface GraphStep {
  id: string;
  next?: string[];
}

export interface Placed<S> {
  step: S;
  x: number;
  y: number;
}

export interface Drawing<S> {
  nodes: Placed<S>[];
  edges: { from: Placed<S>; to: Placed<S> }[];
  width: number;
  height: number;
}

export const node = { width: 156, height: 62, gapX: 32, gapY: 18, margin: 12 };

/** A name on at most two lines of a node; what does not fit is cut. */
export function lines(name: string, width = 19): string[] {
  const out: string[] = [""];
  for (const word of name.split(" ")) {
    const last = out[out.length - 1] ?? "";
    const longer = last === "" ? word : `${last} ${word}`;
    if (longer.length <= width || last === "") out[out.length - 1] = longer;
    else out.push(word);
  }
  const [first = "", ...rest] = out;
  const second = rest.join(" ");
  return second === "" ? [clip(first, width)] : [clip(first, width), clip(second, width)];
}

/** The layer of each step: the longest way to it. Loops are cut where they close. */
export function layers(steps: GraphStep[], first?: string): Map<string, number> {
  const byId = new Map(steps.map((s) => [s.id, s]));
  const layer = new Map<string, number>();
  const onPath = new Set<string>();
  const visit = (id: string, n: number) => {
    if (onPath.has(id) || (layer.get(id) ?? -1) >= n) return;
    layer.set(id, n);
    onPath.add(id);
    for (const next of byId.get(id)?.next ?? []) if (byId.has(next)) visit(next, n + 1);
    onPath.delete(id);
  };
  if (first && byId.has(first)) visit(first, 0);
  for (const s of steps) if (!layer.has(s.id)) visit(s.id, 0);
  return layer;
}

export function draw<S extends GraphStep>(steps: S[], first?: string): Drawing<S> {
  const layer = layers(steps, first);
  const columns: S[][] = [];
  for (const s of steps) (columns[layer.get(s.id) ?? 0] ??= []).push(s);
  const tallest = Math.max(1, ...columns.map((c) => c?.length ?? 0));
  const rowHeight = node.height + node.gapY;
  const nodes: Placed<S>[] = [];
  columns.forEach((column, x) => {
    const top = ((tallest - column.length) * rowHeight) / 2;
    column.forEach((step, y) => {
      nodes.push({
        step,
        x: node.margin + x * (node.width + node.gapX),
        y: node.margin + top + y * rowHeight,
      });
    });
  });
  const at = new Map(nodes.map((n) => [n.step.id, n]));
  const edges = nodes.flatMap((from) =>
    (from.step.next ?? []).flatMap((id) => {
      const to = at.get(id);
      return to ? [{ from, to }] : [];
    }),
  );
  return {
    nodes,
    edges,
    width: 2 * node.margin + columns.length * node.width + Math.max(0, columns.length - 1) * node.gapX,
    height: 2 * node.margin + tallest * rowHeight - node.gapY,
  };
}
