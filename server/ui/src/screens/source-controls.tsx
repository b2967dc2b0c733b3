import { CalendarClock, History, Pause, Play, RotateCcw, Trash2 } from "lucide-react";
import { useState } from "react";
import { api } from "../api/client";
import type { SourceDetail } from "../api/types";
import { Dialog } from "../kit/dialog";
import { useChange } from "../kit/hooks";
import { useMay } from "../kit/may";
import { Failed } from "../kit/state";
import { useToast } from "../kit/toast";
import { goTo } from "../lib/router";

type Asked = "rewind" | "backfill" | "schedule" | "remove" | null;

/** What can be asked of a source; which of it a kind of source takes, the server says. */
export function Controls({ s }: { s: SourceDetail }) {
  const may = useMay();
  const toast = useToast();
  const [asked, setAsked] = useState<Asked>(null);
  const change = useChange(
    ["sources"],
    (verb: "pause" | "resume") => api.changeSource(s.id, verb),
    (_, verb) =>
      toast({
        text: verb === "pause" ? `${s.id} is paused` : `${s.id} goes on`,
        undo: () => change.mutate(verb === "pause" ? "resume" : "pause"),
      }),
  );
  if (!may("write:sources")) return null;
  const takes = (control: string) => s.controls.includes(control);
  const close = () => setAsked(null);
  const goesOn = ["running", "waiting"].includes(s.status);
  return (
    <>
      {goesOn && takes("pause") ? (
        <button disabled={change.isPending} onClick={() => change.mutate("pause")}>
          <Pause size={14} aria-hidden /> {change.isPending ? "Pausing…" : "Pause"}
        </button>
      ) : null}
      {s.status === "paused" ? (
        <button disabled={change.isPending} onClick={() => change.mutate("resume")}>
          <Play size={14} aria-hidden /> Resume
        </button>
      ) : null}
      {takes("rewind") ? (
        <button onClick={() => setAsked("rewind")}>
          <RotateCcw size={14} aria-hidden /> Rewind…
        </button>
      ) : null}
      {takes("backfill") ? (
        <button onClick={() => setAsked("backfill")}>
          <History size={14} aria-hidden /> Back-fill…
        </button>
      ) : null}
      {takes("schedule") ? (
        <button onClick={() => setAsked("schedule")}>
          <CalendarClock size={14} aria-hidden /> Schedule…
        </button>
      ) : null}
      {s.kind === "tail" || s.kind === "pull" ? (
        <button onClick={() => setAsked("remove")}>
          <Trash2 size={14} aria-hidden /> Remove…
        </button>
      ) : null}
      {asked === "rewind" ? <Rewind s={s} close={close} /> : null}
      {asked === "backfill" ? <Backfill s={s} close={close} /> : null}
      {asked === "schedule" ? <Schedule s={s} close={close} /> : null}
      {asked === "remove" ? <Remove s={s} close={close} /> : null}
    </>
  );
}

interface Props {
  s: SourceDetail;
  close: () => void;
}

/** A change that a dialog asks for, and what is told when it is done. */
function useAsk(fn: () => Promise<unknown>, told: string, close: () => void) {
  const toast = useToast();
  return useChange(["sources"], fn, () => {
    toast({ text: told });
    close();
  });
}

function Buttons({ name, close, disabled }: { name: string; close: () => void; disabled: boolean }) {
  return (
    <>
      <button type="button" onClick={close}>
        Cancel
      </button>
      <button className="primary" disabled={disabled}>
        {name}
      </button>
    </>
  );
}

/** A moment of a datetime-local field as the API takes it; undefined when it is empty. */
const moment = (local: string) => (local ? new Date(local).toISOString() : undefined);

function Rewind({ s, close }: Props) {
  const [to, setTo] = useState("");
  const [again, setAgain] = useState(false);
  const ask = useAsk(
    () => api.rewindSource(s.id, { to: moment(to) ?? "", again }),
    `${s.id} reads again from then on`,
    close,
  );
  return (
    <Dialog
      title={`Rewind ${s.id}`}
      close={close}
      submit={() => ask.mutate(undefined)}
      footer={<Buttons name="Rewind" close={close} disabled={!to || ask.isPending} />}
    >
      <label>
        Back to
        <input data-first type="datetime-local" value={to} onChange={(e) => setTo(e.target.value)} required />
      </label>
      <label className="check">
        <input type="checkbox" checked={again} onChange={(e) => setAgain(e.target.checked)} />
        Store again what is stored
      </label>
      <p className="dim">
        {again
          ? "Every event from then on is stored a second time, as the next epoch of the source, and rules see it again."
          : "What is stored is known and skipped: only what is missing is read."}
      </p>
      <Failed error={ask.error} />
    </Dialog>
  );
}

function Backfill({ s, close }: Props) {
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [paths, setPaths] = useState("");
  const list = paths
    .split("\n")
    .map((p) => p.trim())
    .filter(Boolean);
  const files = s.kind === "files" || s.kind === "tail";
  const ask = useAsk(
    () => api.backfillSource(s.id, { paths: list, from: moment(from), to: moment(to) }),
    `A back-fill of ${s.id} has begun`,
    close,
  );
  return (
    <Dialog
      title={`Back-fill ${s.id}`}
      close={close}
      submit={() => ask.mutate(undefined)}
      footer={<Buttons name="Start" close={close} disabled={(!from && list.length === 0) || ask.isPending} />}
    >
      <label>
        {files ? "Files changed since" : "From"}
        <input data-first type="datetime-local" value={from} onChange={(e) => setFrom(e.target.value)} />
      </label>
      <label>
        {files ? "and before" : "To"}
        <input type="datetime-local" value={to} onChange={(e) => setTo(e.target.value)} />
      </label>
      {files ? (
        <label>
          Paths on the worker's host, one a line; empty: those of the source
          <textarea
            rows={3}
            className="mono"
            value={paths}
            placeholder="/var/log/auth.log.*"
            onChange={(e) => setPaths(e.target.value)}
          />
        </label>
      ) : null}
      <p className="dim">It runs beside the source. What is stored is known and not stored twice.</p>
      <Failed error={ask.error} />
    </Dialog>
  );
}

function Schedule({ s, close }: Props) {
  const [minutes, setMinutes] = useState("");
  const ends = s.kind === "files";
  const ask = useAsk(
    () => api.scheduleSource(s.id, Math.round(Number(minutes) * 60)),
    Number(minutes) > 0 ? `${s.id} is read every ${minutes} min` : `${s.id} is not scheduled any more`,
    close,
  );
  return (
    <Dialog
      title={`Schedule ${s.id}`}
      close={close}
      submit={() => ask.mutate(undefined)}
      footer={<Buttons name="Schedule" close={close} disabled={minutes === "" || ask.isPending} />}
    >
      <label>
        Every … minutes{ends ? " (0 ends the schedule)" : ""}
        <input
          data-first
          type="number"
          min={ends ? 0 : 0.1}
          step="any"
          value={minutes}
          onChange={(e) => setMinutes(e.target.value)}
          required
        />
      </label>
      <p className="dim">
        {ends ? "Its paths are walked again; what is stored is known." : "How often the API is asked."}
      </p>
      <Failed error={ask.error} />
    </Dialog>
  );
}

function Remove({ s, close }: Props) {
  const ask = useAsk(
    () => api.removeSource(s.id),
    `${s.id} is removed`,
    () => {
      close();
      goTo("/sources");
    },
  );
  return (
    <Dialog
      title={`Remove ${s.id}?`}
      close={close}
      submit={() => ask.mutate(undefined)}
      footer={<Buttons name="Remove" close={close} disabled={ask.isPending} />}
    >
      <p>It is not read any more. What is stored of it stays, and it can be added again under its name.</p>
      <Failed error={ask.error} />
    </Dialog>
  );
}
