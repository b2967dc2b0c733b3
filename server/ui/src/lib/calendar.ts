// When a report is sent: what people choose, and the cron expression of it.

export const days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

export const rhythms = ["every day", "Monday to Friday", "every week", "every month", "cron"] as const;
export type Rhythm = (typeof rhythms)[number];

export interface Calendar {
  rhythm: Rhythm;
  at: string; // 08:00
  day: number; // of the week, 0 is Sunday
  date: number; // of the month
  cron: string; // of the rhythm cron
}

/** The cron expression of what was chosen; "" where the time is none. */
export function cronOf(c: Calendar): string {
  if (c.rhythm === "cron") return c.cron.trim();
  const m = /^(\d\d?):(\d\d)$/.exec(c.at);
  if (!m) return "";
  const time = `${Number(m[2])} ${Number(m[1])}`;
  if (c.rhythm === "every week") return `${time} * * ${c.day}`;
  if (c.rhythm === "every month") return `${time} ${c.date} * *`;
  return `${time} * * ${c.rhythm === "every day" ? "*" : "1-5"}`;
}

/** A cron expression in words, where we know them. */
export function cronWords(cron: string): string {
  const m = /^(\d+) (\d+) (\d+|\*) \* (\*|1-5|[0-6])$/.exec(cron);
  if (!m) return cron;
  const [, minute = "", hour = "", date = "", day = ""] = m;
  const at = `at ${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`;
  if (date !== "*" && day !== "*") return cron;
  if (date !== "*") return `on day ${date} of each month ${at}`;
  if (day === "*") return `every day ${at}`;
  return day === "1-5" ? `Monday to Friday ${at}` : `every ${days[Number(day)]} ${at}`;
}
