import { type RefObject, useState } from "react";
import { createPortal } from "react-dom";
import { rangeName, rangeOf, ranges, timesOf } from "../lib/query";
import { Dialog } from "./dialog";

interface RangePickerProps {
  value: string;
  choose: (range: string) => void;
  box?: RefObject<HTMLSelectElement | null>;
}

/** The named ranges, the range that was brushed, and one of two times. */
export function RangePicker({ value, choose, box }: RangePickerProps) {
  const [asks, setAsks] = useState(false);
  const named = ranges.some((r) => r.id === value);
  return (
    <>
      <select
        ref={box}
        aria-label="Time range"
        value={value}
        onChange={(e) => (e.target.value === "custom" ? setAsks(true) : choose(e.target.value))}
      >
        {ranges.map((r) => (
          <option key={r.id} value={r.id}>
            {r.name}
          </option>
        ))}
        {named ? null : <option value={value}>{rangeName(value)}</option>}
        <option value="custom">From … to …</option>
      </select>
      {asks
        ? createPortal(
            <CustomRange value={value} choose={choose} close={() => setAsks(false)} />,
            document.body,
          )
        : null}
    </>
  );
}

/** Two times, in UTC like every time on screen. */
function CustomRange({ value, choose, close }: Omit<RangePickerProps, "box"> & { close: () => void }) {
  const now = timesOf(value, Date.now());
  const local = (iso: string | undefined, otherwise: number) =>
    (iso ?? new Date(otherwise).toISOString()).slice(0, 19);
  const [from, setFrom] = useState(local(now.from, Date.now() - 86_400_000));
  const [to, setTo] = useState(local(now.to, Date.now()));
  const [a, b] = [Date.parse(`${from}Z`), Date.parse(`${to}Z`)];
  const ready = b > a;
  return (
    <Dialog
      title="Time range"
      close={close}
      submit={() => {
        if (!ready) return;
        close();
        choose(rangeOf(a, b));
      }}
      footer={
        <>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button className="primary" disabled={!ready}>
            Use
          </button>
        </>
      }
    >
      <label>
        From (UTC)
        <input
          data-first
          type="datetime-local"
          step="1"
          value={from}
          onChange={(e) => setFrom(e.target.value)}
          required
        />
      </label>
      <label>
        To (UTC), not included
        <input type="datetime-local" step="1" value={to} onChange={(e) => setTo(e.target.value)} required />
      </label>
    </Dialog>
  );
}
