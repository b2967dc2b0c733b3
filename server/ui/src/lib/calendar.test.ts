import { expect, test } from "vitest";
import { type Calendar, cronOf, cronWords } from "./calendar";

const base: Calendar = { rhythm: "every day", at: "08:05", day: 1, date: 15, cron: "" };

test("what people choose, as cron and back in words", () => {
  const cases: [Partial<Calendar>, string, string][] = [
    [{}, "5 8 * * *", "every day at 08:05"],
    [{ rhythm: "Monday to Friday" }, "5 8 * * 1-5", "Monday to Friday at 08:05"],
    [{ rhythm: "every week" }, "5 8 * * 1", "every Monday at 08:05"],
    [{ rhythm: "every month" }, "5 8 15 * *", "on day 15 of each month at 08:05"],
    [{ rhythm: "cron", cron: " 0 */6 * * * " }, "0 */6 * * *", "0 */6 * * *"],
    [{ at: "soon" }, "", ""],
  ];
  for (const [change, cron, words] of cases) {
    expect(cronOf({ ...base, ...change })).toBe(cron);
    expect(cronWords(cron)).toBe(words);
  }
  expect(cronWords("0 8 1 * 1")).toBe("0 8 1 * 1");
});
