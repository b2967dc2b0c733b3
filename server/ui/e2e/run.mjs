// Drives a real Vigil in Chromium: signs in by the one-time link, opens every screen in
// both themes, approves what waits, and fails on any console error, policy violation
// or accessibility violation. Screenshots go to artifacts/screens.
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const url = process.env.VIGIL_URL,
  link = process.env.VIGIL_LINK;
if (!url || !link) throw new Error("VIGIL_URL and VIGIL_LINK name the Vigil under test");
const out = process.env.VIGIL_SCREENS ?? "../../artifacts/screens";
await mkdir(out, { recursive: true });
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const problems = [];
let checks = 0;
const expect = (ok, what) => {
  checks++;
  if (!ok) problems.push(what);
};

process.on("uncaughtException", (e) => {
  for (const p of problems) console.error("FAIL", p);
  console.error(e);
  process.exit(1);
});

const args = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const open = (bypassCSP) =>
  chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), "vigil-e2e-")), {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args,
    bypassCSP,
    viewport: { width: 1440, height: 900 },
  });

const context = await open(false);
const page = context.pages()[0] ?? (await context.newPage());
const expected = /401 \(Unauthorized\)/; // the app asks who is signed in before anybody is
page.on("console", (m) => {
  if (m.type() === "error" && !expected.test(m.text()))
    problems.push(`console: ${m.text()} at ${page.url()}`);
});
page.on("pageerror", (e) => problems.push(`page error: ${e.message}`));

await page.goto(link);
await page.fill("input[type=password]", "correct horse battery staple 1");
await page.screenshot({ path: join(out, "sign-in.png") });
await page.click("button[type=submit]");
await page.waitForSelector("nav");
await page.goto(`${url}/alerts`);
await page.waitForSelector("tbody tr.row", { timeout: 60_000 });
expect((await page.locator("tbody tr.row").count()) > 0, "no alert is on screen");
await page.locator("tbody tr.row button.link").first().click();
await page.waitForSelector("pre");
await page.screenshot({ path: join(out, "alert-open.png") });

const screens = [
  "",
  "search",
  "alerts",
  "incidents",
  "approvals",
  "sources",
  "detections",
  "playbooks",
  "audit",
  "users",
];
for (const theme of ["dark", "light"]) {
  await page.evaluate((t) => localStorage.setItem("theme", t), theme);
  for (const s of screens) {
    await page.goto(`${url}/${s}`);
    await page.waitForSelector("main h1");
    await page.waitForFunction(
      () => !document.querySelector("main [role=status]")?.textContent?.startsWith("Loading"),
      null,
      { timeout: 20_000 },
    );
    expect(
      (await page.locator(".error").count()) === 0,
      `${s || "home"} shows an error: ${await page.locator(".error").allTextContents()}`,
    );
    await page.screenshot({ path: join(out, `${s || "home"}-${theme}.png`) });
  }
}

// A person approves: the row leaves the list of what waits, without a reload.
await page.goto(`${url}/approvals`);
await page.waitForSelector("tbody tr.row", { timeout: 60_000 });
await page.locator("tbody tr.row a").first().click();
await page.waitForSelector("textarea");
await page.fill("textarea", "approved in the browser test");
await page.screenshot({ path: join(out, "approval.png") });
await page.click("button.primary");
await page.waitForFunction(() => document.querySelector("h1 .tag")?.textContent === "approved", null, {
  timeout: 30_000,
});
expect(
  (await page.locator("main").textContent())?.includes("approved in the browser test"),
  "the decision is not shown",
);
await page.screenshot({ path: join(out, "approval-done.png") });
await page.goto(`${url}/incidents`);
await page.locator("tbody tr.row a").first().click();
await page.waitForSelector("ol.time li");
await page.screenshot({ path: join(out, "incident.png"), fullPage: true });
await page.goto(`${url}/sources/demo`);
await page.click("button.primary");
await page.waitForSelector("text=Proved: nothing lost", { timeout: 60_000 });
await page.goto(`${url}/audit`);
await page.click("button.primary");
await page.waitForSelector("text=Every link holds", { timeout: 60_000 });
await page.screenshot({ path: join(out, "audit-verified.png") });
const cookies = await context.cookies();
await context.close();

// Accessibility, in a second browser that lets the checker's script in.
const second = await open(true);
await second.addCookies(cookies);
const checked = second.pages()[0] ?? (await second.newPage());
for (const theme of ["dark", "light"]) {
  await checked.goto(`${url}/`);
  await checked.evaluate((t) => localStorage.setItem("theme", t), theme);
  for (const s of screens) {
    await checked.goto(`${url}/${s}`);
    await checked.waitForSelector("main h1");
    await checked.waitForTimeout(400);
    await checked.evaluate(axe);
    const result = await checked.evaluate(() =>
      globalThis.axe.run(document, { resultTypes: ["violations"] }),
    );
    for (const v of result.violations)
      problems.push(
        `axe: ${s || "home"} (${theme}): ${v.id}: ${v.nodes
          .slice(0, 2)
          .map((n) => n.html.slice(0, 160))
          .join(" | ")}`,
      );
    checks++;
  }
}
await second.close();
for (const p of problems) console.error("FAIL", p);
console.log(`${checks} passed, ${problems.length} failed`);
process.exit(problems.length === 0 ? 0 : 1);
