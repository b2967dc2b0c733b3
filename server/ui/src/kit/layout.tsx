import type { ComponentProps, ReactNode } from "react";
import { goTo } from "../lib/router";

/** A link within the app. */
export function To({ to, ...rest }: { to: string } & Omit<ComponentProps<"a">, "href">) {
  return (
    <a
      {...rest}
      href={to}
      onClick={(e) => {
        if (e.metaKey || e.ctrlKey || e.shiftKey || e.button !== 0) return;
        e.preventDefault();
        e.stopPropagation();
        goTo(to);
      }}
    />
  );
}

/** The head of a screen: its name, what stands beside it, and what can be done. */
export function Head({
  title,
  children,
  actions,
}: {
  title: ReactNode;
  children?: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <header className="head">
      <h1>{title}</h1>
      {children}
      {actions ? <div className="actions">{actions}</div> : null}
    </header>
  );
}

interface PanelProps {
  title?: ReactNode;
  note?: ReactNode;
  children: ReactNode;
  flush?: boolean;
  className?: string;
}

export function Panel({ title, note, children, flush, className = "" }: PanelProps) {
  return (
    <section className={`panel ${flush ? "is-flush" : ""} ${className}`}>
      {title ? (
        <div className="panel-head">
          <h2>{title}</h2>
          {note ? <span className="dim">{note}</span> : null}
        </div>
      ) : null}
      {children}
    </section>
  );
}

/** Names and values. Rows without a value are left out. */
export function Facts({ of, wide }: { of: [string, ReactNode][]; wide?: boolean }) {
  const rows = of.filter(([, v]) => v !== undefined && v !== null && v !== "" && v !== false);
  return (
    <dl className={`facts ${wide ? "is-wide" : ""}`}>
      {rows.map(([k, v]) => (
        <div key={k}>
          <dt>{k}</dt>
          <dd>{v}</dd>
        </div>
      ))}
    </dl>
  );
}

export interface Column<Row> {
  name: string;
  cell: (r: Row) => ReactNode;
  num?: boolean;
  className?: string;
}

interface TableProps<Row> {
  label: string;
  rows: Row[];
  columns: Column<Row>[];
  id: (r: Row) => string;
}

/** A plain table. The first column's cell holds the row's link. */
export function Table<Row>({ label, rows, columns, id }: TableProps<Row>) {
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map((c) => (
              <th key={c.name} className={c.num ? "num" : undefined}>
                {c.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((r) => (
            <tr key={id(r)} className="row">
              {columns.map((c) => (
                <td key={c.name} data-label={c.name} className={`${c.num ? "num" : ""} ${c.className ?? ""}`}>
                  {c.cell(r)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface Option {
  id: string;
  name: ReactNode;
  count?: number;
}

/** One of a few: a row of buttons. */
export function Choice(p: { label: string; of: Option[]; value: string; choose: (id: string) => void }) {
  return (
    <div className="choice" role="group" aria-label={p.label}>
      {p.of.map((o) => (
        <button key={o.id} type="button" aria-pressed={o.id === p.value} onClick={() => p.choose(o.id)}>
          {o.name}
          {o.count !== undefined ? <span className="count">{o.count}</span> : null}
        </button>
      ))}
    </div>
  );
}

/** A bar of progress with its number. */
export function Meter({ value, label }: { value: number; label: string }) {
  return (
    <span className="meter">
      <progress aria-label={label} max={100} value={value} />
      <span>{Math.floor(value)} %</span>
    </span>
  );
}
