import type { TechniqueCoverage } from "../api/types";

/** What each state is worth on the Navigator's scale. */
const scores: Record<string, number> = { covered: 100, silent: 50, unproven: 50 };

/** Coverage as a layer of the ATT&CK Navigator (layer format 4.5). */
export function layer(all: TechniqueCoverage[]): string {
  return JSON.stringify(
    {
      name: "Vigil coverage",
      versions: { layer: "4.5", navigator: "5.1.0" },
      domain: "enterprise-attack",
      description: "Techniques by rules that are enabled and have data",
      techniques: all.map((t) => ({
        techniqueID: t.id,
        score: scores[t.state] ?? 0,
        comment: [t.state, ...(t.rules ?? [])].join("\n"),
        enabled: true,
        showSubtechniques: t.id.includes("."),
      })),
      gradient: { colors: ["#ff8f87", "#ffc061", "#6fdc9c"], minValue: 0, maxValue: 100 },
      legendItems: Object.entries(scores).map(([label, score]) => ({
        label,
        color: score === 100 ? "#6fdc9c" : "#ffc061",
      })),
    },
    null,
    2,
  );
}
