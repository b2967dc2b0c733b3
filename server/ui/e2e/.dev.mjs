import * as explore from "/work/wt/console/server/ui/e2e/explore.mjs";
import * as behaviour from "/work/wt/console/server/ui/e2e/behaviour.mjs";
import { browser, finish, watch } from "/work/wt/console/server/ui/e2e/harness.mjs";
import { existsSync, writeFileSync, readFileSync } from "node:fs";
const context = await browser();
const page = watch(context.pages()[0] ?? (await context.newPage()));
const jar = "/tmp/console/cookies.json";
if (existsSync(jar)) await context.addCookies(JSON.parse(readFileSync(jar)));
else {
  await behaviour.signIn(page);
  writeFileSync(jar, JSON.stringify(await context.cookies()));
  await behaviour.demoIsThere(page);
}
page.setDefaultTimeout(15000);
for (const name of process.argv.slice(2)) {
  const fn = explore[name] ?? behaviour[name];
  fn.length === 2 ? await fn(context, page) : await fn(page);
}
await context.close();
process.exit(finish());
