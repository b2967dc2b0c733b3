// What a person does, and what must then be so.
import { file, ingested, stamp } from "./files.mjs";
import {
  api,
  browser,
  expect,
  link,
  password,
  post,
  settled,
  shot,
  test,
  url,
  visit,
  watch,
} from "./harness.mjs";

export async function signIn(page) {
  await test("sign in by the one-time link", async () => {
    await page.goto(link);
    await page.waitForSelector("input[type=password]");
    await shot(page, "sign-in");
    await page.fill("input[type=password]", password);
    await page.click("button[type=submit]");
    await page.waitForSelector("nav.rail");
    await settled(page);
    expect(new URL(page.url()).hash === "", "the one-time link stays in the address");
  });
  await test("the link works once", async () => {
    const res = await page.context().request.post(`${url}/api/v1/login/link`, {
      data: { token: new URL(link).hash.slice(1), password },
      headers: { Origin: url },
    });
    expect(res.status() === 401, `the link was taken a second time: ${res.status()}`);
  });
}

const groups = (page) => page.locator("tr[data-row]");

export async function demoIsThere(page) {
  await test("the demo's alerts and approvals are there", async () => {
    await visit(page, "/alerts");
    await groups(page).first().waitFor({ timeout: 60_000 });
    await visit(page, "/approvals");
    await page.waitForSelector(".card", { timeout: 60_000 });
    await visit(page, "/incidents");
    await page.waitForSelector("tr[data-row]", { timeout: 60_000 });
  });
}

const hostile = "x<img/src=x/onerror=alert(1)>\u202ecod.exe";

export async function live(context, page) {
  await test("an alert arrives without a reload, and its hostile values stay text", async () => {
    const attack = file("auth.log", [
      `${stamp()} live01 useradd[77]: new user: name=${hostile}, UID=0, GID=0, home=/root, shell=/bin/bash`,
    ]);
    await visit(page, "/alerts");
    await page.waitForSelector(".live-dot.is-live");
    await page.evaluate(() => (globalThis.neverReloaded = true));
    const before = await groups(page).count();
    await post(context, "/sources/ingest", { source: "e2e-live", paths: [attack] });
    const row = page.locator("tr[data-row]", { hasText: "live01" });
    await row.first().waitFor({ timeout: 60_000 });
    expect((await groups(page).count()) > before, "the new alert is no new group");
    expect(await page.evaluate(() => globalThis.neverReloaded === true), "the page was loaded anew");
    await row.first().locator("[data-row-button]").click();
    await page.waitForSelector(".expanded .hidden-char");
    expect((await page.locator(".expanded img").count()) === 0, "a value of a log became an element");
    expect(
      (await page.locator(".expanded").textContent()).includes("<img/src=x"),
      "the value is not shown as it is",
    );
    await shot(page, "alert-hostile");
  });
}

export async function acknowledge(page) {
  await test("e acknowledges the group, u takes it back", async () => {
    await visit(page, "/alerts");
    await groups(page).first().waitFor();
    const before = await groups(page).count();
    await page.keyboard.press("j");
    const key = await page.locator("tr.is-active").getAttribute("data-row");
    await page.keyboard.press("e");
    await page.waitForFunction((n) => document.querySelectorAll("tr[data-row]").length === n - 1, before, {
      timeout: 30_000,
    });
    await page.waitForSelector(".toast >> text=Acknowledged");
    await shot(page, "alert-acknowledged");
    await page.keyboard.press("u");
    await page.waitForFunction((n) => document.querySelectorAll("tr[data-row]").length === n, before, {
      timeout: 30_000,
    });
    const keys = await groups(page).evaluateAll((rows) => rows.map((r) => r.dataset.row));
    expect(keys.includes(key), "the group is not back");
  });
}

export async function keyboard(page) {
  await test("j, k, Enter, o and Escape move, expand, open and close", async () => {
    await visit(page, "/alerts");
    await groups(page).nth(1).waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    const second = await groups(page).nth(1).getAttribute("data-row");
    expect(
      (await page.locator("tr.is-active").getAttribute("data-row")) === second,
      "j j is not on the second row",
    );
    await page.keyboard.press("k");
    await page.keyboard.press("Enter");
    await page.waitForSelector("tr.expanded");
    expect(page.url().includes("open="), "the expanded row is not in the address");
    await page.keyboard.press("Enter");
    await page.waitForSelector("tr.expanded", { state: "detached" });
    await page.keyboard.press("o");
    await page.waitForSelector(".drawer .alert-view");
    const title = await page.locator(".drawer h2").first().textContent();
    await page.keyboard.press("j");
    await page.waitForFunction((t) => document.querySelector(".drawer h2")?.textContent !== t, title);
    await page.keyboard.press("Escape");
    await page.waitForSelector(".drawer", { state: "detached" });
    await page.keyboard.press("O");
    await page.waitForURL(/\/alerts\/[^?]+/);
    expect(true, "");
  });
  await test("g and a letter go to a screen, / and d to the query, and letters type while typing", async () => {
    await page.keyboard.press("g");
    await page.keyboard.press("s");
    await page.waitForURL(/\/search/);
    await settled(page);
    await page.keyboard.press("/");
    await page.keyboard.type("gaj");
    expect((await page.inputValue("input[aria-label=Query]")) === "gaj", "keys did not go into the query");
    await page.fill("input[aria-label=Query]", "");
    await page.keyboard.press("Escape");
    await page.keyboard.press("d");
    const focus = await page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
    expect(focus === "Time range", `d went to ${focus}`);
  });
  await test("the palette goes to screens and the help lists every key", async () => {
    await visit(page, "/");
    await page.keyboard.press("Control+k");
    await page.keyboard.type("detec");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/detections/);
    await settled(page);
    await page.keyboard.press("?");
    const help = await page.locator("dialog .help").textContent();
    for (const word of ["Acknowledge the group", "Command palette", "Approvals", "g a"])
      expect(help.includes(word), `the help lacks ${word}`);
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog", { state: "detached" });
  });
}

async function totals(page) {
  const sum = Number(await page.getAttribute(".histogram svg", "data-sum"));
  const total = Number((await page.locator(".histogram figcaption b").textContent()).replaceAll(",", ""));
  const rows = Number(await page.getAttribute(".grid", "aria-rowcount")) - 1;
  return { sum, total, rows };
}

export async function search(context, page) {
  await test("histogram, facets and rows of a search agree", async () => {
    await visit(page, "/search?t=all");
    const whole = await totals(page);
    expect(whole.sum === whole.total && whole.total > 0, `bars add up to ${whole.sum}, not ${whole.total}`);
    const facet = page.locator(".facets details", { hasText: "event.dataset" }).first();
    const counts = await facet.locator(".facet-count").allTextContents();
    const facetSum = counts.reduce((n, t) => n + Number(t.replaceAll(",", "")), 0);
    expect(facetSum === whole.total, `the facet adds up to ${facetSum}, not ${whole.total}`);
    await visit(page, `/search?t=all&q=${encodeURIComponent("event.dataset:windows.sysmon")}`);
    const few = await totals(page);
    expect(few.rows === few.total && few.sum === few.total && few.total > 0, `few: ${JSON.stringify(few)}`);
    expect(few.total < whole.total, "a filter filters nothing");
  });
  await test("scrolling reads every row once, also when they share a second", async () => {
    const lines = Array.from({ length: 450 }, (_, i) => `${stamp()} same01 cron[${i}]: job ${i} is done`);
    const same = lines.map((l) => lines[0].slice(0, 15) + l.slice(15));
    await ingested(context, "e2e-same", file("syslog.log", same));
    await visit(page, `/search?t=all&q=${encodeURIComponent('source:"e2e-same"')}`);
    const { total } = await totals(page);
    expect(total === 450, `${total} of 450 events are stored`);
    const seen = new Set();
    for (let i = 0; i < 60 && seen.size < total; i++) {
      for (const id of await page.locator(".grid-item").evaluateAll((x) => x.map((r) => r.dataset.row)))
        seen.add(id);
      await page.evaluate(() => document.querySelector(".grid").scrollBy({ top: 400 }));
      await page.waitForTimeout(80);
    }
    const { rows } = await totals(page);
    expect(rows === total && seen.size === total, `${rows} rows read, ${seen.size} seen, of ${total}`);
    expect((await page.locator(".grid-item").count()) < 80, "rows out of sight are in the document");
  });
  await test("dragging over the histogram zooms, and the address says so", async () => {
    await visit(page, "/search?t=24h");
    const before = await totals(page);
    const box = await page.locator(".histogram svg").boundingBox();
    await page.mouse.move(box.x + box.width * 0.97, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.995, box.y + 40, { steps: 6 });
    await page.mouse.up();
    await page.waitForURL(/t=\d{4}-/);
    await settled(page);
    const after = await totals(page);
    expect(
      after.sum === after.total && after.total > 0 && after.total <= before.total,
      `zoomed: ${JSON.stringify(after)}`,
    );
    await shot(page, "search-zoomed");
    await page.goBack();
    await page.waitForURL(/t=24h/);
  });
  await test("a value's menu filters in and out", async () => {
    await visit(page, "/search?t=all");
    const value = page.locator(".facet .value").nth(1);
    const text = await value.textContent();
    await value.click();
    await page.getByRole("menuitem", { name: "Filter out" }).click();
    await page.waitForURL(/q=-/);
    await settled(page);
    expect(
      (await page.inputValue("input[aria-label=Query]")).includes(`"${text}"`),
      "the filter is not in the query",
    );
    await page.locator(".facet .value").first().click();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Escape");
    expect((await page.locator("[role=menu]").count()) === 0, "Escape does not close the menu");
  });
  await test("a running query can be cancelled, and nothing is called empty before it ends", async () => {
    let let_go = () => {};
    const held = new Promise((r) => (let_go = r));
    await page.route("**/api/v1/searches", async (route) => {
      await held;
      await route.continue().catch(() => {});
    });
    await page.goto(`${url}/search?t=all&q=held`);
    await page.waitForSelector("button:has-text('Cancel')");
    await page.waitForTimeout(600);
    expect((await page.locator(".empty").count()) === 0, "a query that runs is called empty");
    await shot(page, "search-running");
    let_go();
    await page.unroute("**/api/v1/searches");
    await settled(page);
    await page.waitForSelector(".empty, .grid");
  });
}

export async function deepLinks(context, page) {
  await test("an address restores the screen", async () => {
    await visit(page, "/search?t=all&q=event.dataset%3Alinux.auth&cols=host.name,source.ip,summary");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".grid-open .event");
    await page.keyboard.press("o");
    await page.waitForSelector(".drawer .event");
    const event = new URL(page.url()).searchParams.get("d");
    const copy = watch(await context.newPage());
    await copy.goto(page.url());
    await settled(copy);
    await copy.waitForSelector(".drawer .event");
    await copy.waitForSelector(".grid-open .event");
    expect(
      (await copy.inputValue("input[aria-label=Query]")) === "event.dataset:linux.auth",
      "the query is lost",
    );
    expect((await copy.locator(".drawer").textContent()).includes(event), "the drawer shows another event");
    const heads = await copy.locator("[role=columnheader]").allTextContents();
    expect(heads.join() === "Expand,Time (UTC),host.name,source.ip,summary,Drawer", `columns: ${heads}`);
    await copy.close();
  });
  await test("an expanded alert is in its address", async () => {
    await visit(page, "/alerts");
    await groups(page).first().waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForSelector("tr.expanded .alert-view");
    await page.reload();
    await page.waitForSelector("tr.expanded .alert-view", { timeout: 20_000 });
    expect(true, "");
  });
}

export async function approve(context, page) {
  await test("a key opens the approval dialog and decides nothing", async () => {
    const waiting = (await api(context, "/approvals?status=pending")).body.items;
    const one = waiting.find((a) => a.action === "block-address") ?? waiting[0];
    await visit(page, `/approvals/${one.id}`);
    await page.keyboard.press("y");
    await page.waitForSelector("dialog textarea");
    await page.keyboard.press("y");
    await page.keyboard.press("Enter");
    await page.waitForTimeout(500);
    expect((await api(context, `/approvals/${one.id}`)).body.status === "pending", "a key decided");
    await shot(page, "approve-dialog");
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog", { state: "detached" });
    const payload = await page.locator("pre[aria-label=Payload]").textContent();
    expect(
      JSON.stringify(JSON.parse(payload)) === JSON.stringify(JSON.parse(one.payload)),
      "another payload is shown than is signed",
    );
    expect((await page.locator("main").textContent()).includes(one.binding), "the hash is not shown");
  });
  await test("approving lets the incident's run go on, live", async () => {
    const waiting = (await api(context, "/approvals?status=pending")).body.items;
    const one = waiting.find((a) => a.action === "block-address") ?? waiting[0];
    const watcher = watch(await context.newPage());
    await visit(watcher, `/incidents/${one.incident}`);
    await watcher.waitForSelector(".step-waiting");
    await watcher.waitForSelector("text=Waiting for a person");
    await shot(watcher, "incident-waiting");
    await visit(page, `/approvals/${one.id}`);
    await page.keyboard.press("y");
    await page.fill("dialog textarea", "approved in the browser test");
    await page.click("dialog button.primary");
    await page.waitForSelector(".head .state:has-text('approved')", { timeout: 30_000 });
    expect(
      (await page.locator("main").textContent()).includes("approved in the browser test"),
      "the reason is not shown",
    );
    await shot(page, "approval-done");
    // The other page was not touched: its graph moves by itself.
    await watcher.waitForSelector(".step-waiting", { state: "detached", timeout: 60_000 });
    await watcher.waitForFunction(
      () => /completed|done/.test(document.querySelector(".panel-head .state")?.textContent ?? ""),
      null,
      { timeout: 60_000 },
    );
    expect(
      (await watcher.locator(".timeline").textContent()).includes("approved in the browser test") ||
        (await watcher.locator(".kind-decision").count()) > 0,
      "the decision is not in the timeline",
    );
    await shot(watcher, "incident-continued");
    await watcher.close();
  });
}

export async function incident(page) {
  await test("a comment appears, and closing asks for verdict and reason", async () => {
    await visit(page, "/incidents");
    await page.locator("tr[data-row] .row-title").first().click();
    await page.waitForSelector(".timeline li");
    await page.keyboard.press("n");
    await page.keyboard.type("Looked at by the browser test");
    await page.click(".comment button");
    await page.waitForSelector(".timeline >> text=Looked at by the browser test", { timeout: 30_000 });
    await page.locator(".step").nth(1).click();
    await page.waitForSelector("h3:has-text('Inputs'), h3:has-text('Outputs')");
    await page.locator("main button.primary", { hasText: "Close" }).click();
    const close = page.locator("dialog footer button.primary");
    expect(await close.isDisabled(), "an incident can be closed without a verdict");
    await page.locator("dialog input[type=radio]").first().check();
    expect(await close.isDisabled(), "an incident can be closed without a reason");
    await page.fill("dialog textarea", "contained in the browser test");
    await close.click();
    await page.waitForSelector(".head .state:has-text('closed')", { timeout: 30_000 });
    await shot(page, "incident-closed");
  });
}

export async function proofs(context, page) {
  await test("records that no parser takes are shown", async () => {
    const broken = file("conn.log.json", ['{"ts": 1, "uid":', "neither JSON nor Zeek \u202e"]);
    const { failures } = await ingested(context, "e2e-broken", broken, "zeek-json");
    expect(failures === 2, `${failures} rejects, not 2`);
    await visit(page, "/sources/e2e-broken");
    await page.waitForSelector(".reject .hidden-char");
    expect((await page.locator(".reject").count()) === 2, "not every reject is shown");
    await shot(page, "source-rejects");
  });
  await test("a source is proved", async () => {
    await visit(page, "/sources/demo");
    await page.click("main button.primary");
    await page.waitForSelector("text=Proved: nothing lost", { timeout: 60_000 });
    await shot(page, "source-proved");
    expect(true, "");
  });
  await test("the audit chain is verified", async () => {
    await visit(page, "/audit");
    await page.click("main button.primary");
    await page.waitForSelector("text=Every link holds", { timeout: 60_000 });
    await shot(page, "audit-verified");
    expect(true, "");
  });
}

export async function offline(context) {
  await test("a lost live connection is told, and found again", async () => {
    const page = await context.newPage();
    let refuse = true;
    await page.routeWebSocket(/\/api\/v1\/live/, (ws) => (refuse ? ws.close() : ws.connectToServer()));
    await visit(page, "/alerts");
    await page.waitForSelector("text=The live connection is lost", { timeout: 15_000 });
    await shot(page, "stale");
    refuse = false;
    await page.waitForSelector(".live-dot.is-live", { timeout: 30_000 });
    expect((await page.locator("text=The live connection is lost").count()) === 0, "still called stale");
    await page.close();
  });
}

export async function viewer(context) {
  await test("a viewer sees no control that only others may use", async () => {
    await post(context, "/users", { name: "e2e-viewer", role: "viewer", password });
    const own = await browser();
    const page = watch(own.pages()[0] ?? (await own.newPage()));
    await page.goto(url);
    await page.fill("input[autocomplete=username]", "e2e-viewer");
    await page.fill("input[type=password]", password);
    await page.click("button[type=submit]");
    await page.waitForSelector("nav.rail");
    const nav = await page.locator("nav.rail").textContent();
    expect(!nav.includes("Users") && !nav.includes("Audit"), "a viewer is offered Users or Audit");
    await visit(page, "/alerts");
    await groups(page).first().waitFor();
    expect(
      (await page.locator("[aria-label=Acknowledge]").count()) === 0,
      "a viewer is offered to acknowledge",
    );
    await visit(page, "/sources/demo");
    expect((await page.locator("main button.primary").count()) === 0, "a viewer is offered to prove");
    const waiting = (await api(context, "/approvals?status=pending")).body.items[0];
    if (waiting) {
      await visit(page, `/approvals/${waiting.id}`);
      expect((await page.locator(".decide-buttons").count()) === 0, "a viewer is offered to decide");
    }
    await own.close();
  });
}
