import type { FacetValue } from "../api/types";
import { Value } from "../kit/value";
import { short } from "../lib/format";
import { filterIn, filterOut } from "../lib/query";

interface FacetsProps {
  of: Record<string, FacetValue[]>;
  query: string;
  ask: (query: string) => void;
}

export function Facets({ of, query, ask }: FacetsProps) {
  const shown = Object.entries(of)
    .filter(([, values]) => values.length > 0)
    .toSorted(([a], [b]) => order(a) - order(b) || a.localeCompare(b));
  return (
    <aside className="facets" aria-label="Facets">
      {shown.map(([field, values]) => (
        <details key={field} open>
          <summary className="mono">{field}</summary>
          <ul className="plain">
            {values.map((v) => (
              <FacetRow
                key={v.value}
                field={field}
                v={v}
                top={values[0]?.count ?? 1}
                query={query}
                ask={ask}
              />
            ))}
          </ul>
        </details>
      ))}
    </aside>
  );
}

const facetOrder = ["event.dataset", "host.name", "user.name", "source.ip", "destination.ip"];
const order = (field: string) => (facetOrder.indexOf(field) + 100) % 100;

interface FacetRowProps {
  field: string;
  v: FacetValue;
  top: number;
  query: string;
  ask: (query: string) => void;
}

function FacetRow({ field, v, top, query, ask }: FacetRowProps) {
  return (
    <li className="facet">
      <span className="facet-bar" aria-hidden style={{ width: `${(100 * v.count) / top}%` }} />
      <Value field={field} of={v.value} max={28} />
      <span className="facet-count dim">{short(v.count)}</span>
      <span className="facet-actions">
        <button
          className="ghost"
          aria-label={`Only ${field} ${v.value}`}
          onClick={() => ask(filterIn(query, field, v.value))}
        >
          +
        </button>
        <button
          className="ghost"
          aria-label={`Without ${field} ${v.value}`}
          onClick={() => ask(filterOut(query, field, v.value))}
        >
          −
        </button>
      </span>
    </li>
  );
}
