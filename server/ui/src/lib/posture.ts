import { figure, span } from "./format";

/** A measurement in its unit. */
export function measured(value: number, unit: string): string {
  if (unit === "percent") return `${figure(value)} %`;
  return unit === "seconds" ? span(value) : figure(value);
}
