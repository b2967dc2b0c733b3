import { CircleAlert, Inbox, RotateCw, WifiOff } from "lucide-react";
import type { ReactNode } from "react";
import { Problem } from "../api/client";
import { Code } from "./code";
import { Text } from "./text";

export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  if (!error) return null;
  const offline = error instanceof TypeError;
  const message = offline ? "Vigil does not answer" : error instanceof Error ? error.message : String(error);
  const hint = offline
    ? "Is it running? Check with: vigil doctor"
    : error instanceof Problem
      ? error.hint
      : "";
  const Icon = offline ? WifiOff : CircleAlert;
  return (
    <div className="notice is-bad" role="alert">
      <Icon size={18} aria-hidden />
      <div className="grow">
        <b>
          <Text of={message} />
        </b>
        {hint ? (
          <div className="dim">
            <Text of={hint} />
          </div>
        ) : null}
      </div>
      {retry ? (
        <button onClick={retry}>
          <RotateCw size={14} aria-hidden /> Try again
        </button>
      ) : null}
    </div>
  );
}

/** Nothing is there, and what to do about it. */
export function Empty({
  title,
  children,
  command,
}: {
  title: string;
  children?: ReactNode;
  command?: string;
}) {
  return (
    <div className="empty">
      <Inbox size={28} aria-hidden />
      <b>{title}</b>
      {children ? <p className="dim">{children}</p> : null}
      {command ? <Code text={command} copy /> : null}
    </div>
  );
}

export function Skeleton({ rows = 8 }: { rows?: number }) {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, i) => (
        <span key={i} style={{ width: `${92 - ((i * 37) % 40)}%` }} />
      ))}
    </div>
  );
}

interface Asked<D> {
  data: D | undefined;
  error: unknown;
  isPending: boolean;
  refetch: () => unknown;
}

/**
 * What a query gives: loading, failed or its data. Nothing is called empty before it was
 * asked; data that is already there stays when a later read fails, with the failure above.
 */
export function Loaded<D>({
  q,
  children,
  rows,
}: {
  q: Asked<D>;
  children: (data: D) => ReactNode;
  rows?: number;
}) {
  const retry = () => void q.refetch();
  if (q.data === undefined) {
    return q.isPending ? <Skeleton rows={rows} /> : <Failed error={q.error} retry={retry} />;
  }
  return (
    <>
      <Failed error={q.error} retry={retry} />
      {children(q.data)}
    </>
  );
}
