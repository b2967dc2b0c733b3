// Drives a real Vigil with the demo attack in Chromium. Fails on any console error, policy
// violation, exception or accessibility violation, wherever it happens. Screenshots of every
// screen in both themes go to artifacts/screens: look at them.
import * as behaviour from "./behaviour.mjs";
import { described, routesDescribed } from "./described.mjs";
import * as explore from "./explore.mjs";
import { browser, expect, finish, watch } from "./harness.mjs";
import { hostile } from "./hostile.mjs";
import * as phone from "./phone.mjs";
import * as passkeys from "./passkeys.mjs";
import * as screens from "./screens.mjs";

const context = await browser();
described(context);
const page = watch(context.pages()[0] ?? (await context.newPage()));

await behaviour.signIn(page);
await behaviour.demoIsThere(page);
await screens.look(context, page);
await screens.widths(context, page);
await phone.alerts(context);
await phone.approvals(context);
await behaviour.keyboard(page);
await behaviour.search(context, page);
await behaviour.deepLinks(context, page);
await explore.statistics(page);
await explore.completion(page);
await explore.keep(context, page);
await explore.exports(context, page);
await explore.aroundEvent(page);
await explore.liveTail(context, page);
await explore.entities(page);
await explore.editor(page);
await explore.deploy(context, page);
await behaviour.live(context, page);
await behaviour.acknowledge(page);
await behaviour.offline(context);
await behaviour.viewer(context);
await hostile(context, page);

// Accessibility, in a second browser that lets the checker's script in.
const second = await browser(true);
await second.addCookies(await context.cookies());
await screens.accessible(second, second.pages()[0] ?? (await second.newPage()));
await second.close();

// Last, because they change what the screens above show.
await passkeys.enrol(context, page);
await passkeys.signIn(page);
await passkeys.refused(context, page);
await behaviour.approve(context, page);
await behaviour.incident(page);
await behaviour.proofs(context, page);
await context.close();
// A hook that saw nothing would have found nothing.
expect(routesDescribed() > 40, `only ${routesDescribed()} routes were held against their description`);
process.exit(finish());
