import { useQuery } from "@tanstack/react-query";
import { Mail, Send, Trash2 } from "lucide-react";
import { useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import type { Dashboard, Report } from "../api/types";
import { Dialog } from "../kit/dialog";
import { useChange } from "../kit/hooks";
import { Failed, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { useToast } from "../kit/toast";
import { type Calendar, cronOf, cronWords, days, type Rhythm, rhythms } from "../lib/calendar";
import { idOf } from "../lib/dashboard";
import { plural, when } from "../lib/format";
import { rangeName } from "../lib/query";

/** Sends the dashboard by e-mail: who gets it when, and what became of it. */
export function MailReports({ d }: { d: Dashboard }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button onClick={() => setOpen(true)}>
        <Mail size={14} aria-hidden /> Send by e-mail…
      </button>
      {open ? <MailDialog d={d} close={() => setOpen(false)} /> : null}
    </>
  );
}

function MailDialog({ d, close }: { d: Dashboard; close: () => void }) {
  const toast = useToast();
  const q = useQuery(queries.reports(d.id));
  const reports = q.data?.items ?? [];
  const [wish, setWish] = useState<Wish>(start);
  const addresses = wish.to.split(/[\s,;]+/).filter(Boolean);
  const cron = cronOf(wish.when);
  const put = useChange(
    ["reports"],
    () => {
      let n = 1;
      const id = () => idOf(`${d.id.slice(0, 50)}-mail-${n}`);
      while (reports.some((r) => r.id === id())) n++;
      const { zone, range } = wish;
      return api.putReport({ id: id(), kind: "dashboard", of: d.id, to: addresses, cron, zone, range });
    },
    (r) => {
      toast({ text: `It is sent ${cronWords(r.cron)}` });
      setWish((w) => (w.to === wish.to ? { ...w, to: "" } : w)); // more may be typed by now
    },
  );
  return (
    <Dialog
      title={`Send ${d.title} by e-mail`}
      close={close}
      wide
      submit={() => addresses.length > 0 && cron && put.mutate(undefined)}
      footer={
        <>
          <button type="button" onClick={close}>
            Close
          </button>
          <button className="primary" disabled={addresses.length === 0 || cron === "" || put.isPending}>
            Send {cron ? cronWords(cron) : "…"}
          </button>
        </>
      }
    >
      <Loaded q={q} rows={2}>
        {() =>
          reports.length === 0 ? (
            <p className="dim">Nobody gets this dashboard by e-mail yet.</p>
          ) : (
            <ul className="plain mail-reports" aria-label="Reports of this dashboard">
              {reports.map((r) => (
                <Row key={r.id} r={r} />
              ))}
            </ul>
          )
        }
      </Loaded>
      <Failed error={put.error} />
      <Fields d={d} wish={wish} set={setWish} />
    </Dialog>
  );
}

function Row({ r }: { r: Report }) {
  const toast = useToast();
  const send = useChange(
    ["reports"],
    () => api.sendReport(r.id),
    (res) => toast({ text: `Sent to ${plural(res.to.length, "address", "addresses")}` }),
  );
  const remove = useChange(["reports"], () => api.deleteReport(r.id));
  return (
    <li>
      <div className="grow">
        <b>
          <Text of={r.to.join(", ")} max={200} />
        </b>
        <div className="dim">
          {cronWords(r.cron)} ({r.zone}), {r.range ? rangeName(r.range) : "the dashboard's range"} · by{" "}
          <Text of={r.owner} max={40} />
        </div>
        <div className="dim">
          {r.paused ? "Paused in Temporal" : r.next ? `Next ${when(r.next)} UTC` : "No next run"} ·{" "}
          <Last r={r} />
        </div>
      </div>
      <button type="button" disabled={send.isPending} onClick={() => send.mutate(undefined)}>
        <Send size={14} aria-hidden /> {send.isPending ? "Sending…" : "Send now"}
      </button>
      <button
        type="button"
        className="ghost icon"
        aria-label={`Stop sending to ${r.to.join(", ")}`}
        title="Stop sending"
        onClick={() => remove.mutate(undefined)}
      >
        <Trash2 size={14} aria-hidden />
      </button>
    </li>
  );
}

function Last({ r }: { r: Report }) {
  if (!r.last) return <>never sent</>;
  const problems = (r.last.panels ?? []).filter((p) => p.problem).length;
  if (r.last.status !== "sent")
    return (
      <span className="tone-bad">
        not sent {when(r.last.at)}: <Text of={r.last.error} max={160} />
      </span>
    );
  return (
    <>
      last sent {when(r.last.at)}
      {problems > 0 ? `, ${plural(problems, "panel")} without an answer` : ""}
    </>
  );
}

/** What is asked for: to whom, when, and how far back. */
interface Wish {
  to: string;
  when: Calendar;
  zone: string;
  range: string;
}

const start = (): Wish => ({
  to: "",
  when: { rhythm: "every week", at: "08:00", day: 1, date: 1, cron: "0 8 * * 1" },
  zone: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC",
  range: "",
});

function Fields({ d, wish, set }: { d: Dashboard; wish: Wish; set: (w: Wish) => void }) {
  return (
    <fieldset className="mail-new">
      <legend>Send it to more people</legend>
      <label className="mail-wide">
        Recipients
        <input
          data-first
          value={wish.to}
          placeholder="soc@example.org, ana@example.org"
          onChange={(e) => set({ ...wish, to: e.target.value })}
        />
      </label>
      <label>
        When
        <select
          value={wish.when.rhythm}
          onChange={(e) => set({ ...wish, when: { ...wish.when, rhythm: e.target.value as Rhythm } })}
        >
          {rhythms.map((r) => (
            <option key={r}>{r}</option>
          ))}
        </select>
      </label>
      <When c={wish.when} set={(when) => set({ ...wish, when })} />
      <label>
        Time zone
        <input value={wish.zone} onChange={(e) => set({ ...wish, zone: e.target.value })} />
      </label>
      <label>
        Looks back
        <select value={wish.range} onChange={(e) => set({ ...wish, range: e.target.value })}>
          <option value="">{d.range ? `as the dashboard (${rangeName(d.range)})` : "24 hours"}</option>
          {["1h", "24h", "7d", "30d", "all"].map((r) => (
            <option key={r} value={r}>
              {rangeName(r)}
            </option>
          ))}
        </select>
      </label>
    </fieldset>
  );
}

function When({ c, set }: { c: Calendar; set: (c: Calendar) => void }) {
  if (c.rhythm === "cron")
    return (
      <label>
        Minute, hour, day, month, day of week
        <input className="mono" value={c.cron} onChange={(e) => set({ ...c, cron: e.target.value })} />
      </label>
    );
  return (
    <>
      {c.rhythm === "every week" ? (
        <label>
          Day
          <select value={c.day} onChange={(e) => set({ ...c, day: Number(e.target.value) })}>
            {days.map((name, i) => (
              <option key={name} value={i}>
                {name}
              </option>
            ))}
          </select>
        </label>
      ) : null}
      {c.rhythm === "every month" ? (
        <label>
          Day of the month
          <input
            type="number"
            min={1}
            max={28}
            value={c.date}
            onChange={(e) => set({ ...c, date: Math.min(28, Math.max(1, Number(e.target.value))) })}
          />
        </label>
      ) : null}
      <label>
        At
        <input type="time" required value={c.at} onChange={(e) => set({ ...c, at: e.target.value })} />
      </label>
    </>
  );
}
