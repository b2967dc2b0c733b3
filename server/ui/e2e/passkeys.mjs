// Passkeys with Chromium's virtual authenticator: adding, signing in, signing approvals.
import { api, expect, settled, shot, test, tolerate, url, visit } from "./harness.mjs";

/** Gives the page an authenticator of its own; it stays while the session does. */
async function authenticator(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return { cdp, authenticatorId };
}

let held;

export async function enrol(context, page) {
  await test("a passkey is added under Your account", async () => {
    held = await authenticator(page);
    await visit(page, "/account");
    await shot(page, "account-empty");
    await page.click("button:has-text('Add a passkey')");
    await page.fill("dialog input", "virtual key");
    await page.click("dialog button.primary");
    await page.waitForSelector("td:has-text('virtual key')", { timeout: 30_000 });
    expect(
      (await page.locator("main").textContent()).includes("works here"),
      "the passkey does not work here",
    );
    const { credentials } = await held.cdp.send("WebAuthn.getCredentials", {
      authenticatorId: held.authenticatorId,
    });
    expect(
      credentials.length === 1 && credentials[0].rpId === "localhost",
      "the authenticator keeps nothing",
    );
    await shot(page, "account");
  });
}

export async function signIn(page) {
  await test("the passkey signs in, without a name or a password", async () => {
    await page.click("button[aria-label='Sign out']");
    await page.waitForSelector("button:has-text('Sign in with a passkey')", { timeout: 20_000 });
    await shot(page, "sign-in-passkey");
    await page.click("button:has-text('Sign in with a passkey')");
    await page.waitForSelector("nav.rail", { timeout: 30_000 });
    await settled(page);
    const { credentials } = await held.cdp.send("WebAuthn.getCredentials", {
      authenticatorId: held.authenticatorId,
    });
    expect(credentials[0].signCount > 0, "the authenticator signed nothing");
  });
}

/** A session alone approves nothing where the policy asks for a passkey. */
export async function refused(context, page) {
  await test("an approval without the passkey is refused; a cancelled one is said so", async () => {
    const one = (await api(context, "/approvals?status=pending")).body.items[0];
    const res = await context.request.post(`${url}/api/v1/approvals/${one.id}/decide`, {
      data: { verdict: "approve", reason: "by the session alone", binding: one.binding },
      headers: { Origin: url },
    });
    const said = await res.json();
    expect(
      res.status() === 403 && said.detail.includes("passkey"),
      `without: ${res.status()} ${said.detail}`,
    );
    await held.cdp.send("WebAuthn.setUserVerified", { ...ids(), isUserVerified: false });
    await visit(page, `/approvals/${one.id}`);
    await page.keyboard.press("y");
    await page.fill("dialog textarea", "the finger is not known");
    await tolerate(/./, async () => {
      await page.click("dialog button.primary");
      await page.waitForSelector("dialog [role=alert]", { timeout: 60_000 });
    });
    await shot(page, "approve-passkey-refused");
    await held.cdp.send("WebAuthn.setUserVerified", { ...ids(), isUserVerified: true });
    expect((await api(context, `/approvals/${one.id}`)).body.status === "pending", "it was approved");
    await page.keyboard.press("Escape");
  });
}

const ids = () => ({ authenticatorId: held.authenticatorId });
