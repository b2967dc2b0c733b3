// Searching beyond rows, dashboards, entities and the rule editor, in the hands of a person.
import { file, ingested, stamp } from "./files.mjs";
import { api, expect, settled, shot, test, tolerate, url, visit } from "./harness.mjs";

const q = (query, more = "") => `/search?t=all&q=${encodeURIComponent(query)}${more}`;

export async function statistics(page) {
  await test("a pipe makes a statistic, drawn and as a table, and its sum is the total", async () => {
    await visit(page, q("| stats count() by event.dataset", "&as=table"));
    const cells = await page.locator(".answer-table tbody td.num").allTextContents();
    const sum = cells.reduce((n, t) => n + Number(t.replaceAll(",", "")), 0);
    const total = Number((await page.locator(".histogram figcaption b").textContent()).replaceAll(",", ""));
    expect(sum === total && total > 0, `the rows add up to ${sum}, the total is ${total}`);
    await page.getByRole("button", { name: "bar", exact: true }).click();
    await page.waitForSelector(".bars tr");
    await shot(page, "search-bars");
    await visit(page, q("| timechart count() by event.dataset"));
    await page.waitForSelector(".chart svg path");
    await shot(page, "search-timechart");
  });
  await test("the views turn events into patterns and back", async () => {
    await visit(page, q("event.dataset:linux.auth"));
    await page.getByRole("button", { name: "Patterns" }).click();
    await page.waitForURL(/patterns/);
    await settled(page);
    expect((await page.locator(".answer-table").textContent()).includes("<*>"), "no pattern has a hole");
    await shot(page, "search-patterns");
    await page.getByRole("button", { name: "Events", exact: true }).click();
    await page.waitForSelector(".grid-item");
  });
  await test("sql: reads and cannot write or leave the limits", async () => {
    await visit(
      page,
      q("sql: SELECT severity, count() AS n FROM alerts FINAL GROUP BY severity ORDER BY n DESC"),
    );
    expect((await page.locator(".bars tr, .answer-table tbody tr").count()) > 0, "sql: shows nothing");
    await shot(page, "search-sql");
  });
}

export async function completion(page) {
  await test("fields, values and stages are completed from what is stored", async () => {
    await visit(page, "/search?t=all");
    await page.keyboard.press("/");
    await page.keyboard.type("event.outc");
    await page.waitForSelector(".offers [role=option]");
    await page.keyboard.press("Tab");
    await page.waitForSelector(".offers [role=option]:has-text('failure')");
    await page.keyboard.type("fail");
    await page.keyboard.press("ArrowDown");
    await shot(page, "search-completion");
    await page.keyboard.press("Enter");
    const text = await page.inputValue("input[aria-label=Query]");
    expect(text === 'event.outcome:"failure" ', `completed to ${text}`);
    await page.keyboard.type("| to");
    await page.waitForSelector(".offers [role=option]:has-text('top')");
    await page.waitForSelector(".query-cost:has-text('no stage')");
    await page.keyboard.press("Tab");
    await page.keyboard.type("5 user.name");
    await page.waitForSelector(".query-cost:has-text('would read')");
    await page.keyboard.press("Escape");
    await page.fill("input[aria-label=Query]", "");
  });
}

export async function keep(context, page) {
  await test("a search is saved, shared and found again", async () => {
    await visit(page, q("event.outcome:failure | top 5 user.name"));
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.getByLabel("Title").fill("Who fails");
    await page.getByLabel("Show it to everybody").check();
    await page.locator("dialog button.primary").click();
    await page.waitForSelector(".toast >> text=Saved");
    await visit(page, "/search");
    await page.getByRole("button", { name: "Saved" }).click();
    await page.waitForSelector("dialog >> text=Who fails");
    await shot(page, "search-saved");
    await page.locator(".saved-list button.grow", { hasText: "Who fails" }).click();
    await page.waitForURL(/top\+5\+user.name/);
    await settled(page);
  });
  await test("a statistic goes onto a dashboard, which is a file", async () => {
    await page.getByRole("button", { name: "To a dashboard" }).click();
    await page.getByLabel("Title of the panel").fill("Failing users");
    await page.getByLabel("Title of the dashboard").fill("Mine");
    await page.locator("dialog button.primary").click();
    await page.waitForURL(/\/dashboards\/mine/, { timeout: 20_000 });
    await page.waitForSelector(".board-panel >> text=Failing users");
    const { body } = await api(context, "/dashboards/mine");
    expect(body.yaml.includes('query: "event.outcome:failure | top 5 user.name"'), `the file: ${body.yaml}`);
    await page.getByRole("button", { name: "Edit" }).click();
    // The refusal is a failed request; it must be shown, with the panel's name.
    await tolerate(/Failed to load resource/, () => refused(page));
  });
}

async function refused(page) {
  await page
    .locator("dialog textarea")
    .fill("id: mine\ntitle: x\npanels:\n  - {title: a, query: '| nonsense'}\n");
  await page.locator("dialog button.primary").click();
  await page.waitForSelector("dialog .notice.is-bad >> text=nonsense");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
}

export async function exports(context, page) {
  await test("an export says what it reads, and its cells run no formula", async () => {
    await visit(page, q("event.outcome:failure"));
    await page.getByRole("button", { name: "Export" }).click();
    await page.waitForSelector("dialog >> text=Reads up to");
    await shot(page, "search-export");
    const href = await page.locator("dialog a.button").getAttribute("href");
    const res = await context.request.get(url + href);
    const text = await res.text();
    expect(res.ok() && text.startsWith("id,'@timestamp,source,"), `the file starts ${text.slice(0, 60)}`);
    const rows = text.trim().split("\n").length - 1;
    expect(rows > 0, "the export is empty");
    const parquet = await context.request.get(url + href.replace("format=csv", "format=parquet"));
    const bytes = await parquet.body();
    expect(bytes.subarray(0, 4).toString() === "PAR1", "the Parquet file is none");
    await page.keyboard.press("Escape");
  });
}

export async function aroundEvent(page) {
  await test("an event shows how rare its values are and what happened around it", async () => {
    await visit(page, q("event.dataset:linux.auth"));
    await page.keyboard.press("j");
    await page.keyboard.press("o");
    await page.waitForSelector(".drawer .rarity");
    await page.locator(".drawer").getByRole("button", { name: "Around it" }).click();
    await page.waitForSelector(".drawer .around li[aria-current]");
    expect((await page.locator(".drawer .around li").count()) > 1, "nothing is around it");
    await shot(page, "search-around");
  });
}

export async function liveTail(context, page) {
  await test("the live tail shows what arrives, once, without a reload", async () => {
    await visit(page, q("host.name:tail01", "&live=1"));
    await page.waitForSelector("[role=status]:has-text('waiting for what arrives')");
    const lines = [1, 2, 3].map((i) => `${stamp()} tail01 cron[${i}]: tail ${i}`);
    await ingested(context, "e2e-tail", file("syslog.log", lines));
    await page.waitForFunction(() => document.querySelectorAll(".grid-item").length === 3, null, {
      timeout: 20_000,
    });
    await page.waitForTimeout(3500);
    expect((await page.locator(".grid-item").count()) === 3, "an event is shown twice");
    await shot(page, "search-live");
    await page.getByRole("button", { name: "Pause" }).click();
    await page.waitForSelector("[role=status]:has-text('paused')");
  });
}

export async function entities(page) {
  await test("an entity shows its risk, what it did and with whom", async () => {
    await visit(page, "/entities?kind=host");
    await page.locator("tbody tr").first().waitFor();
    await shot(page, "entities");
    await page.locator("tbody a").first().click();
    await page.waitForURL(/\/entities\/host/);
    await settled(page);
    await page.waitForSelector(".peers .panel");
    expect((await page.locator(".histogram").count()) === 1, "it has no history");
    await shot(page, "entity");
    await visit(page, "/search?t=all");
    await page.locator(".grid-row .value").nth(1).click();
    await page.getByRole("menuitem", { name: "Group by this field" }).click();
    await page.waitForURL(/top\+20/);
  });
}

export async function editor(page) {
  await test("a rule is checked at the character, tested and replayed while it is written", async () => {
    await visit(page, "/detections/linux-ssh-brute-force?edit=1");
    await page.waitForSelector(".cm-editor");
    await page.waitForSelector("[role=status]:has-text('no problem')", { timeout: 20_000 });
    const styled = await page.evaluate(
      () => getComputedStyle(document.querySelector(".cm-content")).whiteSpaceCollapse,
    );
    expect(styled !== "collapse", `the policy blocks the editor's styles: ${styled}`);
    await shot(page, "rule-editor");
    await page.locator(".cm-content").click();
    await page.keyboard.press("Control+Home");
    await page.keyboard.type("sevrity: high\n");
    await page.waitForSelector(".cm-lintRange-error", { timeout: 20_000 });
    await page.waitForSelector(".editor-problems >> text=1:1");
    await shot(page, "rule-editor-error");
    for (let i = 0; i < 14; i++) await page.keyboard.press("Control+z");
    await page.waitForSelector("[role=status]:has-text('no problem')", { timeout: 20_000 });
    await page.getByRole("button", { name: "What changed" }).click();
    await page.getByRole("button", { name: "all", exact: true }).click();
    await page.getByRole("button", { name: "Replay" }).click();
    await page.waitForSelector(".replay >> text=completed", { timeout: 60_000 });
    await shot(page, "rule-replay");
  });
  await test("completion offers the fields of events and the functions of the language", async () => {
    await visit(page, "/detections/new");
    await page.waitForSelector(".cm-editor");
    await page.locator(".cm-content").click();
    await page.keyboard.press("Control+End");
    await page.keyboard.type("x: e.process.comm");
    await page.waitForSelector(".cm-tooltip-autocomplete li:has-text('e.process.command_line')");
    await shot(page, "rule-completion");
    await page.keyboard.press("Escape");
  });
}

const deployed = `id: e2e-deployed
title: Written in the browser test
author: Vigil
severity: low
dataset: linux.auth
when: e.host.name == 'e2e-deploy01'
entities: {host: host.name}
tests:
  - {name: fires, match: true, event: {host.name: e2e-deploy01}}
  - {name: quiet, match: false, event: {host.name: web01}}
`;

export async function deploy(context, page) {
  await test("a rule is put in force from the editor, in the name of who asked", async () => {
    await visit(page, "/detections/new");
    await page.waitForSelector(".cm-editor");
    await page.locator(".cm-content").click();
    await page.keyboard.press("Control+a");
    await page.keyboard.insertText(deployed);
    await page.waitForSelector("h1:has-text('Written in the browser test')");
    const button = page.getByRole("button", { name: "Deploy" });
    expect(await button.isDisabled(), "a rule can be deployed without a reason");
    await page.getByLabel("Reason of the deployment").fill("the browser test");
    await button.click();
    await page.waitForSelector(".deployment .state:has-text('deployed')", { timeout: 60_000 });
    await shot(page, "rule-deployed");
    const rule = await api(context, "/rules/e2e-deployed");
    expect(rule.status === 200, `the rule in force is not found: ${rule.status}`);
    const { body } = await api(context, "/rules/deployments");
    const last = body.items[0];
    expect(
      last.by === "admin" && last.reason === "the browser test",
      `${last.by} deployed it: ${last.reason}`,
    );
    await button.click();
    await page.waitForSelector(".deployment .state:has-text('unchanged')", { timeout: 60_000 });
  });
}
