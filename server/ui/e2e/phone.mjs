// Approvals and Alerts on a phone: what a person on call does with a thumb.
import { api, expect, fits, settled, shot, sizes, test, theme, url, visit, watch } from "./harness.mjs";

/** The smallest width and height of what is touched, in px. */
const least = 44;

/** Every control in sight is large enough for a thumb; links within a sentence are none. */
async function touchable(page, name) {
  const small = await page.evaluate((least) => {
    const seen = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")].filter(
      (e) =>
        e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !e.closest(".sr, [inert]"),
    );
    const dialog = document.querySelector("dialog[open]");
    return seen
      .filter((e) => !dialog || dialog.contains(e))
      .filter((e) => !(e.matches("a") && getComputedStyle(e).display === "inline"))
      .map((e) => ({ e, box: (e.closest("label") ?? e).getBoundingClientRect() }))
      .filter(({ e, box }) => box.width > 1 && !e.classList.contains("skip"))
      .filter(({ box }) => Math.round(box.width) < least || Math.round(box.height) < least)
      .map(({ e, box }) => {
        const what = e.getAttribute("aria-label") || e.textContent || e.tagName;
        return `${e.tagName.toLowerCase()}.${e.className} "${what.trim().slice(0, 30)}" ${Math.round(box.width)}×${Math.round(box.height)}`;
      });
  }, least);
  expect(small.length === 0, `${name}: too small to touch: ${[...new Set(small)].slice(0, 8).join(" | ")}`);
}

async function good(page, name) {
  await settled(page);
  await fits(page, name);
  await touchable(page, name);
  await shot(page, `phone-${name}`);
}

/** A page of a phone: touched, not pointed at. */
async function phone(context) {
  const page = watch(await context.newPage());
  await page.setViewportSize(sizes.phone);
  const cdp = await context.newCDPSession(page);
  await cdp.send("Emulation.setTouchEmulationEnabled", { enabled: true, maxTouchPoints: 1 });
  return page;
}

/** Touches the middle of what a selector finds. */
async function tap(page, locator) {
  await locator.scrollIntoViewIfNeeded();
  const box = await locator.boundingBox();
  const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  // What is touched is what is on top there: nothing may lie over it.
  const hit = await locator.evaluate((e, { x, y }) => {
    const top = document.elementFromPoint(x, y);
    return e === top || e.contains(top) || (e.closest("label")?.contains(top) ?? false);
  }, at);
  expect(hit, `something lies over ${locator}`);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [at] });
  await cdp.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await cdp.detach();
}

export async function alerts(context) {
  const page = await phone(context);
  for (const t of ["dark", "light"]) {
    await test(`the alert queue on a phone (${t})`, async () => {
      await visit(page, "/alerts");
      await theme(page, t);
      await visit(page, "/alerts");
      await page.locator("tr[data-row]").first().waitFor();
      await good(page, `alerts-${t}`);
    });
  }
  await theme(page, "dark");
  await test("an alert opens on a phone, in its place, beside and as a page", async () => {
    await visit(page, "/alerts");
    await tap(page, page.locator("tr[data-row] .row-title").first());
    await page.waitForSelector("tr.expanded .event");
    await good(page, "alert-expanded");
    await visit(page, "/alerts");
    await tap(page, page.locator("[aria-label='Open in the drawer']").first());
    await page.waitForSelector(".drawer .event");
    await good(page, "alert-drawer");
    await tap(page, page.locator(".drawer [aria-label='Close details']"));
    await page.waitForSelector(".drawer", { state: "detached" });
    const one = (await api(context, "/alerts?limit=1")).body.items[0].id;
    await visit(page, `/alerts/${one}`);
    await page.waitForSelector(".event");
    await good(page, "alert-page");
  });
  await test("an alert is acknowledged with a thumb, and taken back", async () => {
    await visit(page, "/alerts");
    const rows = page.locator("tr[data-row]");
    await rows.first().waitFor();
    const before = await rows.count();
    await tap(page, page.locator("[aria-label=Acknowledge]").first());
    await page.waitForSelector(".toast >> text=Acknowledged");
    await page.waitForFunction((n) => document.querySelectorAll("tr[data-row]").length === n - 1, before);
    await good(page, "alert-acknowledged");
    await tap(page, page.locator(".toast button").first());
    await page.waitForFunction((n) => document.querySelectorAll("tr[data-row]").length === n, before);
    await tap(page, page.locator("td.cell-check input").first());
    await page.waitForSelector(".bulk");
    await good(page, "alerts-selected");
    await tap(page, page.locator(".bulk button", { hasText: "Close" }));
    await page.waitForSelector("dialog[open]");
    await good(page, "alert-close");
  });
  await page.close();
}

export async function approvals(context) {
  const page = await phone(context);
  const one = (await api(context, "/approvals?status=pending&limit=1")).body.items[0];
  for (const t of ["dark", "light"]) {
    await test(`the inbox of approvals on a phone (${t})`, async () => {
      await visit(page, "/approvals");
      await theme(page, t);
      await visit(page, "/approvals");
      await page.waitForSelector(".card");
      await good(page, `approvals-${t}`);
    });
  }
  await theme(page, "dark");
  await test("an approval is read on a phone, with the decision under the thumb", async () => {
    await visit(page, "/approvals");
    await tap(page, page.locator(".card-title").first());
    await page.waitForSelector(".decide-buttons");
    await good(page, "approval");
    await visit(page, `/approvals/${one.id}`);
    const seen = await page.locator(".decide .decide-buttons").boundingBox();
    expect(seen.y + seen.height <= sizes.phone.height, "the decision is not in sight");
    // The end of the page is not under the fixed buttons.
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    const ends = await page.evaluate(() => ({
      last: Math.max(
        ...[...document.querySelectorAll("main .panel:not(.decide)")].map(
          (e) => e.getBoundingClientRect().bottom,
        ),
      ),
      bar: document.querySelector(".decide").getBoundingClientRect().top,
    }));
    expect(ends.last <= ends.bar, `the buttons lie over the page's end: ${ends.last} > ${ends.bar}`);
    await good(page, "approval-end");
  });
  await test("the step-up fits a phone, and a touch beside its button decides nothing", async () => {
    await visit(page, `/approvals/${one.id}`);
    await tap(page, page.locator(".decide-buttons .primary"));
    await page.waitForSelector("dialog[open] textarea");
    await good(page, "approve-dialog");
    expect(
      await page.locator("dialog[open] button.primary").isDisabled(),
      "without a reason it can be signed",
    );
    await page.locator("dialog[open] textarea").fill("looked at it on the phone");
    await tap(page, page.locator("dialog[open] footer button", { hasText: "Cancel" }));
    await page.waitForSelector("dialog[open]", { state: "detached" });
    const now = await api(context, `/approvals/${one.id}`);
    expect(now.body.status === "pending", `it is ${now.body.status} at ${url}`);
  });
  await page.close();
}
