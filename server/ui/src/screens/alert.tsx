import { useQuery } from "@tanstack/react-query";
import { BrainCircuit, Crosshair, Siren } from "lucide-react";
import { queries } from "../api/queries";
import type { Alert, Detection, Why } from "../api/types";
import { Attack, Score, Sev, State } from "../kit/badges";
import { Facts, Panel, To } from "../kit/layout";
import { Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { AboutRule, Entities, Value } from "../kit/value";
import { ago, plural, when, words } from "../lib/format";
import { EventView, FieldTable } from "./event";

/** Everything about one alert; the expanded row, the drawer and the page all show this. */
export function AlertView({ id }: { id: string }) {
  const q = useQuery(queries.alert(id));
  return (
    <Loaded q={q}>
      {({ alert, detections, events }) => (
        <AboutRule value={alert.kind === "aggregate" ? "" : alert.rule}>
          <div className="alert-view">
            <div className="stack">
              <WhyPanel alert={alert} detections={detections ?? []} />
              <IntelHits of={events[0]?.fields ?? {}} />
              <Panel title="Evidence" note={plural(alert.count, "event")}>
                {events[0] ? (
                  <EventView id={events[0].id} />
                ) : (
                  <p className="dim">
                    This alert was derived from several events; none of them stands for it alone.
                  </p>
                )}
                <More alert={alert} detections={detections ?? []} shown={events[0]?.id} />
              </Panel>
            </div>
            <AlertFacts a={alert} />
          </div>
        </AboutRule>
      )}
    </Loaded>
  );
}

function WhyPanel({ alert, detections }: { alert: Alert; detections: Detection[] }) {
  const why = alert.why ?? detections[0]?.why ?? [];
  return (
    <Panel
      title="Why it fired"
      note={
        <>
          rule version <span className="mono">{alert.rule_version.slice(0, 12)}</span>
        </>
      }
    >
      {why.length === 0 ? <p className="dim">The rule recorded no reason.</p> : null}
      {why.map((w, i) => (
        <Reason key={i} w={w} />
      ))}
    </Panel>
  );
}

/** A part of the rule with the values that made it true; intel hits and model scores say what they are. */
function Reason({ w }: { w: Why }) {
  const { explanation, ...read } = w.values ?? {};
  const values = Object.entries(read);
  const intel = w.part === "indicator" || values.some(([k]) => k.startsWith("threat."));
  const model = w.part === "anomaly" || values.some(([k]) => k.startsWith("labels.score."));
  return (
    <div className="reason">
      <div className="reason-head">
        <b>
          <Text of={words(w.part)} />
        </b>
        {intel ? (
          <span className="tag">
            <Crosshair size={12} aria-hidden /> intelligence
          </span>
        ) : null}
        {model ? (
          <span className="tag">
            <BrainCircuit size={12} aria-hidden /> model
          </span>
        ) : null}
      </div>
      <code className="expr">
        <Text of={w.expr} />
      </code>
      {explanation ? (
        <p className="explanation">
          Most unusual: <Text of={explanation} />
        </p>
      ) : null}
      {values.length > 0 ? (
        <dl className="because">
          {values.map(([k, v]) => (
            <div key={k}>
              <dt>
                <Text of={k} />
              </dt>
              <dd>
                <Value field={k.replace(/^e\./, "")} of={v} max={300} />
              </dd>
            </div>
          ))}
        </dl>
      ) : null}
    </div>
  );
}

/** What intelligence says of the event, whatever rule fired on it. */
function IntelHits({ of }: { of: Record<string, string> }) {
  const said = Object.entries(of).filter(([k]) => k.startsWith("threat."));
  if (said.length === 0) return null;
  const value = of["threat.indicator.value"] ?? "";
  return (
    <Panel
      title="Intelligence"
      note={
        value ? (
          <To to={`/intel?${new URLSearchParams({ q: value.split(", ")[0] ?? "" })}`}>look it up</To>
        ) : undefined
      }
    >
      <FieldTable rows={said.toSorted(([a], [b]) => a.localeCompare(b))} />
    </Panel>
  );
}

/** The other detections of the alert, as links to their events. */
function More({ alert, detections, shown }: { alert: Alert; detections: Detection[]; shown?: string }) {
  const rest = detections.filter((d) => d.event_id && d.event_id !== shown).slice(0, 8);
  if (rest.length === 0) return null;
  return (
    <>
      <h3>More of the same</h3>
      <ul className="plain">
        {rest.map((d) => (
          <li key={d.id}>
            <To
              className="mono"
              to={`/search?${new URLSearchParams({ q: `id:${d.event_id}`, t: "all", e: d.event_id })}`}
            >
              {when(d.time)}
            </To>{" "}
            <span className="dim">
              <Text of={d.dataset} />
            </span>
          </li>
        ))}
      </ul>
      {alert.count > rest.length + 1 ? (
        <p className="dim">{plural(alert.count - rest.length - 1, "more event")}</p>
      ) : null}
    </>
  );
}

function AlertFacts({ a }: { a: Alert }) {
  const rule = `/detections/${encodeURIComponent(a.rule)}`;
  return (
    <Panel className="alert-facts">
      <Facts
        of={[
          ["Severity", <Sev s={a.severity} />],
          ["Risk", <Score of={a.risk} />],
          ["Status", <State of={a.status} />],
          ["Verdict", a.verdict ? words(a.verdict) : ""],
          ["Reason", a.reason ? <Text of={a.reason} /> : ""],
          ["Assignee", a.assignee ? <Text of={a.assignee} /> : ""],
          ["Entities", <Entities of={a.entities} />],
          [
            "Incident",
            a.incident ? (
              <To to={`/incidents/${encodeURIComponent(a.incident)}`}>
                <Siren size={13} aria-hidden /> open incident
              </To>
            ) : (
              ""
            ),
          ],
          [
            "Rule",
            <To to={rule}>
              <Text of={a.rule} />
            </To>,
          ],
          ["Rule version", <span className="mono">{a.rule_version.slice(0, 12)}</span>],
          ["Kind", words(a.kind)],
          [
            "Author",
            a.author ? (
              <>
                <Text of={a.author} /> {a.license ? <span className="dim">({a.license})</span> : null}
              </>
            ) : (
              ""
            ),
          ],
          ["ATT&CK", (a.attack ?? []).length > 0 ? <Attack of={a.attack} /> : ""],
          [
            "Response",
            a.response ? <To to={`/playbooks/${encodeURIComponent(a.response)}`}>{a.response}</To> : "",
          ],
          ["Data set", <Value field="event.dataset" of={a.dataset} />],
          ["Source", <Value field="source" of={a.source} />],
          ["First seen", `${when(a.first_seen)} UTC`],
          ["Last seen", `${when(a.last_seen)} UTC`],
          ["Raised", ago(a.created)],
          [
            "Tags",
            (a.tags ?? []).length > 0
              ? (a.tags ?? []).map((t) => (
                  <span key={t} className="tag">
                    <Text of={t} />
                  </span>
                ))
              : "",
          ],
        ]}
      />
    </Panel>
  );
}
