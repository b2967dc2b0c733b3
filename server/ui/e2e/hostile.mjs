// Log lines of an attacker on every screen: whatever they hold, it stays text, is seen, and
// changes nothing. The page's real policy is on: a script that gets through fails the run by
// its dialog, its console error or its element.
import { expect, settled, shot, test, tolerate, url, visit } from "./harness.mjs";
import { file, ingested, stamp } from "./files.mjs";

const corpus = [
  "<img/src=x/onerror=alert(1)>",
  "<script>alert(1)</script>",
  '"><svg/onload=alert(1)>',
  "javascript:alert(1)",
  "</textarea><iframe/srcdoc=x>",
  "\u001b[31mred\u001b[0m\u001b]0;title\u0007",
  "\u202egpj.exe",
  "\u2066left\u2069\u200b\ufeff",
  '=HYPERLINK("http://x","y")',
  "+1+1",
  "-2+3",
  "@SUM(A1)",
  "\t=1",
  "${7*7}{{7*7}}#{7*7}",
  "__proto__",
  "' OR 1=1 --",
  "%00%0a..%2f..%2f",
  "a|b | stats count()",
];

/** Characters that must never reach the screen as they are. */
const unseen = "[\\u0000-\\u0008\\u000b-\\u001f\\u007f\\u200b-\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufeff]";

function lines() {
  const dns = corpus.map((v, i) => ({
    ts: Date.now() / 1000 - i,
    uid: `C${i}`,
    "id.orig_h": "10.66.6.6",
    "id.orig_p": 5353,
    "id.resp_h": "10.66.6.1",
    "id.resp_p": 53,
    proto: "udp",
    query: v,
    qtype_name: "A",
    rcode_name: "NOERROR",
  }));
  const long = { ...dns[0], uid: "Clong", query: `long.${"A".repeat(1 << 20)}` };
  const auth = corpus.map(
    (v) =>
      `${stamp()} evil01 useradd[7]: new user: name=${v.replaceAll(" ", "_")}, UID=0, GID=0, home=/root, shell=/bin/bash`,
  );
  for (const v of corpus)
    auth.push(`${stamp()} evil01 sshd[8]: Failed password for invalid user ${v} from 10.66.6.6 port 22 ssh2`);
  return { dns: [...dns, long].map((d) => JSON.stringify(d)), auth };
}

/** What must hold of whatever is on screen. */
async function inert(page, name) {
  const found = await page.evaluate((pattern) => {
    const main = document.querySelector("main");
    const bad = [
      ...main.querySelectorAll(
        "img, script, iframe, object, embed, [onerror], [onload], a[href^='javascript:' i]",
      ),
    ];
    const seen = new RegExp(pattern).exec(main.innerText.replace(/\n/g, " "));
    return {
      bad: bad.map((e) => e.outerHTML.slice(0, 120)),
      seen: seen?.[0].charCodeAt(0).toString(16),
      size: main.innerHTML.length,
    };
  }, unseen);
  expect(found.bad.length === 0, `${name}: a value became an element: ${found.bad}`);
  expect(found.seen === undefined, `${name}: the character U+${found.seen} is on screen as it is`);
  expect(found.size < 6e6, `${name}: the screen holds ${found.size} characters`);
}

export async function hostile(context, page) {
  const { dns, auth } = lines();
  await test("hostile lines are ingested", async () => {
    await ingested(context, "e2e-hostile-dns", file("dns.log", dns));
    await ingested(context, "e2e-hostile-auth", file("auth.log", auth));
  });
  const source = '(source:"e2e-hostile-dns" OR source:"e2e-hostile-auth")';
  const search = (q, more = "") => `/search?t=all&q=${encodeURIComponent(q)}${more}`;
  await test("hostile lines in the rows and facets of Search", async () => {
    await visit(page, search(source, "&cols=host.name,user.name,dns.question.name,summary"));
    await inert(page, "search");
    await shot(page, "hostile-search");
  });
  await test("hostile lines in an open event, in each of its views", async () => {
    for (const line of [0, 5, 8]) {
      await visit(page, search('source:"e2e-hostile-dns"'));
      await page.locator("[data-row-button]").nth(line).click();
      await page.waitForSelector(".grid-open .fields");
      for (const view of ["Raw", "JSON", "Around it", "Fields"]) {
        await page.locator(".grid-open").getByRole("button", { name: view, exact: true }).click();
        await settled(page);
        await inert(page, `event ${line} ${view}`);
      }
    }
    await shot(page, "hostile-event");
  });
  for (const stages of [
    "| top 50 dns.question.name",
    "| stats values(user.name) by host.name",
    "| patterns",
    "| timechart count() by dns.question.name",
  ])
    await test(`hostile lines in ${stages}`, async () => {
      for (const as of ["table", "bar"]) {
        await visit(page, search(`${source} ${stages}`, `&as=${as}`));
        await inert(page, `${stages} as ${as}`);
      }
    });
  await test("a value's menu filters by a hostile value and finds its events again", async () => {
    await visit(page, search(`${source} | top 50 dns.question.name`, "&as=table"));
    await page.locator(".answer-table .value", { hasText: "HYPERLINK" }).click();
    await page.getByRole("menuitem", { name: "Filter in" }).click();
    await page.waitForURL(/HYPERLINK/);
    await settled(page);
    await page.getByRole("button", { name: "Events", exact: true }).click();
    await page.waitForSelector(".grid-item");
    expect((await page.locator(".grid-item").count()) === 1, "not exactly its one event is found");
  });
  await test("hostile names of entities, in the list and on their pages", async () => {
    await visit(page, "/entities?kind=user");
    await inert(page, "entities");
    const rows = page.locator("tbody a", { hasText: /img|svg|script/ });
    await rows.first().click();
    await page.waitForURL(/\/entities\/user/);
    await settled(page);
    await inert(page, "entity");
    await shot(page, "hostile-entity");
  });
  await test("hostile lines on every other screen", async () => {
    for (const path of [
      "/",
      "/alerts",
      "/incidents",
      "/approvals",
      "/detections",
      "/intel?q=%3Cimg%3E",
      "/sources",
      "/sources/e2e-hostile-dns",
      "/audit",
      "/dashboards/security-overview",
      "/hunts",
    ]) {
      await visit(page, path);
      await inert(page, path);
    }
    await visit(page, "/alerts?q=evil01");
    await page.locator("tr[data-row] [data-row-button]").first().click();
    await page.waitForSelector("tr.expanded .alert-view");
    await inert(page, "alert");
  });
  await test("a hostile address and a hostile query are text too", async () => {
    await tolerate(/Failed to load resource/, async () => {
      for (const v of corpus) {
        await page.goto(`${url}/alerts/${encodeURIComponent(v)}`);
        await settled(page).catch(() => undefined);
        await inert(page, `/alerts/${v}`);
      }
      await visit(page, search("<img src=x onerror=alert(1)> ("));
      await inert(page, "a wrong query");
    });
  });
  await test("an export holds no formula", async () => {
    const res = await context.request.get(
      `${url}/api/v1/export?format=csv&columns=dns.question.name,user.name&query=${encodeURIComponent(source)}`,
    );
    const cells = (await res.text()).split("\n").slice(1).filter(Boolean);
    const bad = cells.filter((l) => /(^|,)"?[=+@\t-]/.test(l.slice(33)));
    expect(cells.length >= 2 * corpus.length && bad.length === 0, `cells that run: ${bad.slice(0, 3)}`);
  });
}
