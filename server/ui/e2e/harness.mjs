// What the tests share: the browser, the checks and their count, screenshots.
import { mkdirSync, mkdtempSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const url = process.env.VIGIL_URL;
export const link = process.env.VIGIL_LINK;
if (!url || !link) throw new Error("VIGIL_URL and VIGIL_LINK name the Vigil under test");

export const password = "correct horse battery staple 1";
export const sizes = { desk: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
const out = process.env.VIGIL_SCREENS ?? "../../artifacts/screens";
mkdirSync(out, { recursive: true });

let passed = 0;
const failures = [];

/** Counts a check; a failed one does not stop the others. */
export function expect(ok, what) {
  if (ok) passed++;
  else {
    failures.push(what);
    console.error("FAIL", what);
  }
}

/** Runs a test; an exception in it is one failure. */
export async function test(name, fn) {
  const before = failures.length;
  const began = Date.now();
  try {
    await fn();
  } catch (e) {
    expect(false, `${name}: ${e.message.split("\n").slice(0, 6).join(" | ")}`);
  }
  console.log(
    `${failures.length === before ? "ok  " : "FAIL"} ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`,
  );
}

export function skip(name, why) {
  console.log(`skip ${name}: ${why}`);
}

/** Prints the result; its last line is for machines. */
export function finish() {
  for (const f of failures) console.error("FAIL", f);
  console.log(`${passed} passed, ${failures.length} failed`);
  return failures.length === 0 ? 0 : 1;
}

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

/** A browser of its own. With bypassCSP a checker's script gets in; without, the policy is the real one. */
export function browser(bypassCSP = false) {
  return chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), "vigil-e2e-")), {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args,
    bypassCSP,
    viewport: sizes.desk,
  });
}

// The app asks who is signed in before anybody is.
const allowed = new Set([/401 \(Unauthorized\)/]);

/** Lets one kind of console error pass while fn runs: a screen that shows a refusal has one. */
export async function tolerate(pattern, fn) {
  allowed.add(pattern);
  try {
    await fn();
  } finally {
    allowed.delete(pattern);
  }
}

/** Console errors, policy violations and exceptions are failures wherever they come from. */
export function watch(page) {
  page.on("console", (m) => {
    if (m.type() === "error" && ![...allowed].some((a) => a.test(m.text())))
      expect(false, `console: ${m.text()} at ${page.url()}`);
  });
  page.on("pageerror", (e) => expect(false, `page error: ${e.message} at ${page.url()}`));
  page.on("dialog", (d) => {
    expect(false, `a script opened a dialog at ${page.url()}`);
    void d.dismiss();
  });
  return page;
}

/** Waits until nothing on the screen is loading. */
export async function settled(page) {
  await page.waitForSelector("main h1", { timeout: 20_000 });
  await page.waitForFunction(() => !document.querySelector("main .skeleton, main .spinner"), null, {
    timeout: 20_000,
  });
  await page.waitForTimeout(150);
}

export async function visit(page, path) {
  await page.goto(url + path);
  await settled(page);
}

export async function theme(page, name) {
  await page.evaluate((t) => localStorage.setItem("theme", t), name);
}

/** Shows the other theme of what is on screen, without loading it anew. */
export async function repaint(page, name) {
  await page.evaluate(async (t) => {
    document.documentElement.dataset.theme = t;
    // A colour that is still moving would be judged on its way; what turns for ever never ends.
    const ends = (a) => Number.isFinite(a.effect?.getComputedTiming().endTime);
    await Promise.all(
      document
        .getAnimations()
        .filter(ends)
        .map((a) => a.finished.catch(() => {})),
    );
  }, name);
}

export function shot(page, name) {
  return page.screenshot({ path: join(out, `${name}.png`), animations: "disabled" });
}

const axeScript = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export async function axe(page, name) {
  await page.evaluate(axeScript);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { resultTypes: ["violations"] }),
  );
  for (const v of violations) {
    const where = v.nodes
      .slice(0, 3)
      .map((n) => `${n.html.slice(0, 160)} (${n.failureSummary?.split("\n").at(-1)?.trim().slice(0, 120)})`);
    expect(false, `axe: ${name}: ${v.id}: ${where.join(" | ")}`);
  }
  if (violations.length === 0) expect(true, name);
}

/** Nothing may be wider than the window: that would scroll the page sideways. */
export async function fits(page, name) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(over <= 0, `${name} is ${over} px wider than the window`);
}

/** Reads the API with the session of a context. */
export async function api(context, path) {
  const res = await context.request.get(`${url}/api/v1${path}`);
  return { status: res.status(), body: await res.json().catch(() => null) };
}

export async function post(context, path, data) {
  const res = await context.request.post(`${url}/api/v1${path}`, { data, headers: { Origin: url } });
  if (!res.ok()) throw new Error(`POST ${path}: ${res.status()} ${await res.text()}`);
  return res.json();
}
