import { type ReactNode, useState } from "react";
import { Dialog } from "../kit/dialog";

export interface VerdictGiven {
  verdict: (typeof verdicts)[number]["id"];
  reason: string;
}

const verdicts: { id: "true_positive" | "false_positive" | "benign"; name: string; hint: string }[] = [
  { id: "true_positive", name: "True positive", hint: "An attack, or a breach of policy." },
  { id: "false_positive", name: "False positive", hint: "The rule was wrong; it needs tuning." },
  { id: "benign", name: "Benign", hint: "The rule was right, but this is allowed." },
];

interface VerdictProps {
  title: string;
  close: () => void;
  give: (v: VerdictGiven) => void;
  children?: ReactNode;
  busy?: boolean;
  /** What the button says. */
  does?: string;
}

/** Asks what something was and why; both are kept and audited. */
export function Verdict({ title, close, give, children, busy, does = "Close" }: VerdictProps) {
  const [verdict, setVerdict] = useState<VerdictGiven["verdict"] | "">("");
  const [reason, setReason] = useState("");
  const ready = verdict !== "" && reason.trim() !== "";
  return (
    <Dialog
      title={title}
      close={close}
      submit={() => ready && give({ verdict, reason: reason.trim() })}
      footer={
        <>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button className="primary" disabled={!ready || busy}>
            {does}
          </button>
        </>
      }
    >
      {children}
      <fieldset className="radios">
        <legend>Verdict</legend>
        {verdicts.map((v, i) => (
          <label key={v.id}>
            <input
              type="radio"
              name="verdict"
              value={v.id}
              checked={verdict === v.id}
              data-first={i === 0 || undefined}
              onChange={() => setVerdict(v.id)}
            />
            <span>
              <b>{v.name}</b>
              <span className="dim">{v.hint}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <label>
        Reason
        <textarea
          rows={3}
          value={reason}
          maxLength={2000}
          placeholder="What you found out, so that the next person need not"
          onChange={(e) => setReason(e.target.value)}
          required
        />
      </label>
    </Dialog>
  );
}
