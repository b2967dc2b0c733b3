// Every screen and what opens on it: looked at in both themes, for errors, accessibility and width.
import {
  api,
  axe,
  expect,
  fits,
  repaint,
  settled,
  shot,
  skip,
  sizes,
  test,
  theme,
  tolerate,
  visit,
} from "./harness.mjs";

const plain = [
  "",
  "search",
  "dashboards",
  "alerts",
  "incidents",
  "entities",
  "approvals",
  "detections",
  "hunts",
  "playbooks",
  "sources",
  "audit",
  "users",
  "account",
];

/** The screens of features that this binary may not have yet; they are tested when their endpoint answers. */
const optional = [
  { path: "intel", probe: "/intel/feeds" },
  { path: "models", probe: "/models" },
  { path: "posture", probe: "/posture" },
  { path: "posture?tab=coverage", probe: "/posture/coverage", name: "posture-coverage" },
];

const press = (key) => async (page) => {
  await page.keyboard.press(key);
};

/** What opens on a screen: where, and how to get there. */
async function opened(context) {
  const first = async (path) => (await api(context, path)).body?.items?.[0]?.id;
  const incident = await first("/incidents?limit=1");
  const detail = (await api(context, `/incidents/${incident}`)).body;
  const approval = await first("/approvals?limit=1");
  const alert = await first("/alerts?limit=1");
  const row = async (page, key) => {
    await page.waitForSelector("[data-row]");
    await page.keyboard.press("j");
    await page.waitForFunction(() => document.activeElement?.matches("[data-row-button]"));
    await page.keyboard.press(key);
    await page.waitForSelector(".event .fields, .alert-view .event");
  };
  return [
    { name: "alert-expanded", path: "/alerts", act: (p) => row(p, "Enter") },
    { name: "alert-drawer", path: "/alerts", act: (p) => row(p, "o") },
    { name: "alert-page", path: `/alerts/${alert}`, act: (p) => p.waitForSelector(".event") },
    { name: "search-expanded", path: "/search?t=all", act: (p) => row(p, "Enter") },
    { name: "search-drawer", path: "/search?t=all", act: (p) => row(p, "o") },
    { name: "value-menu", path: "/search?t=all", act: (p) => p.locator(".grid-row .value").first().click() },
    {
      name: "search-table",
      path: `/search?t=all&as=table&q=${encodeURIComponent("| stats count() by host.name, event.action")}`,
    },
    {
      name: "search-chart",
      path: `/search?t=all&q=${encodeURIComponent("| timechart count() by event.dataset")}`,
    },
    {
      name: "search-save",
      path: "/search?t=all",
      act: (p) => p.getByRole("button", { name: "Save", exact: true }).click(),
    },
    {
      name: "search-export-dialog",
      path: "/search?t=all",
      act: (p) => p.getByRole("button", { name: "Export" }).click(),
    },
    { name: "dashboard", path: "/dashboards/security-overview" },
    { name: "entity", path: "/entities/user:mira" },
    {
      name: "rule-edit",
      path: "/detections/linux-ssh-brute-force?edit=1",
      act: (p) => p.waitForSelector(".cm-editor"),
    },
    { name: "incident", path: `/incidents/${incident}`, act: (p) => p.waitForSelector(".step") },
    { name: "incident-close", path: `/incidents/${incident}`, act: press("c") },
    {
      name: "run",
      path: `/runs/${encodeURIComponent(detail?.runs?.[0]?.id)}`,
      act: (p) => p.waitForSelector(".step"),
    },
    { name: "approval", path: `/approvals/${approval}` },
    { name: "source", path: "/sources/demo" },
    { name: "rule", path: "/detections/linux-ssh-brute-force" },
    { name: "playbook", path: "/playbooks/contain-address", act: (p) => p.locator(".step").nth(1).click() },
    { name: "user-dialog", path: "/users", act: (p) => p.click("main button.primary") },
    { name: "palette", path: "/", act: press("Control+k") },
    { name: "help", path: "/", act: press("?") },
    { name: "empty", path: "/alerts?q=nothing-is-named-like-this" },
    { name: "search-empty", path: "/search?q=nothing-is-named-like-this&t=all" },
    { name: "error", path: "/search?q=((&t=all", refused: true },
  ];
}

async function all(context) {
  const there = [];
  for (const o of optional) {
    const { status, body } = await api(context, o.probe);
    const built = status !== 404 || body?.detail !== "there is no such route";
    if (built || process.env.VIGIL_E2E_ALL)
      there.push({ name: o.name ?? o.path, path: `/${o.path}`, refused: status >= 400 });
    else skip(`screen ${o.path}`, `this binary has no ${o.probe}`);
  }
  const screens = plain.map((p) => ({ name: p || "home", path: `/${p}` }));
  return [...screens, ...there, ...(await opened(context))];
}

async function goTo(page, s) {
  await visit(page, s.path);
  if (s.act) await s.act(page);
  await page.waitForTimeout(s.act ? 500 : 100);
}

/** A screenshot of each in each theme, under the real policy. */
export async function look(context, page) {
  const list = await all(context);
  for (const t of ["dark", "light"]) {
    await theme(page, t);
    for (const s of list) {
      await test(`screen ${s.name} (${t})`, async () => {
        if (s.refused) await tolerate(/Failed to load resource/, () => goTo(page, s));
        else await goTo(page, s);
        const errors = await page.locator("main .notice.is-bad[role=alert]").allTextContents();
        if (!s.refused) expect(errors.length === 0, `${s.name} shows an error: ${errors}`);
        await fits(page, s.name);
        await shot(page, `${s.name}-${t}`);
      });
    }
  }
  await theme(page, "dark");
}

/** Widths: a small and a large desk for the busiest screens, a phone for those that must work there. */
export async function widths(context, page) {
  const approval = (await api(context, "/approvals?limit=1")).body.items[0].id;
  const cases = [
    [
      "1280",
      { width: 1280, height: 800 },
      [
        "/alerts",
        "/search?t=all",
        "/incidents",
        "/detections",
        "/audit",
        "/dashboards/security-overview",
        "/entities",
        "/detections/linux-ssh-brute-force?edit=1",
      ],
    ],
    [
      "1920",
      { width: 1920, height: 1080 },
      ["/alerts", "/search?t=all", "/", "/dashboards/security-overview"],
    ],
    ["phone", sizes.phone, ["/alerts", "/approvals", `/approvals/${approval}`, "/"]],
  ];
  for (const [name, size, paths] of cases) {
    await page.setViewportSize(size);
    for (const path of paths) {
      await test(`width ${name} ${path}`, async () => {
        await visit(page, path);
        await fits(page, `${path} at ${name}`);
        const file = path.startsWith("/approvals/")
          ? "approval"
          : path.split("?")[0].slice(1).replaceAll("/", "-") || "home";
        await shot(page, `${file}-${name}`);
      });
    }
  }
  await page.setViewportSize(sizes.desk);
}

/** No accessibility violation, on every screen, in both themes. */
export async function accessible(context, page) {
  for (const s of await all(context)) {
    await test(`axe ${s.name} in both themes`, async () => {
      await goTo(page, s);
      for (const t of ["dark", "light"]) {
        await repaint(page, t);
        await axe(page, `${s.name} (${t})`);
      }
    });
  }
  await page.setViewportSize(sizes.phone);
  for (const path of ["/alerts", "/approvals"]) {
    await test(`axe ${path} on a phone`, async () => {
      await visit(page, path);
      await settled(page);
      await axe(page, `${path} on a phone`);
    });
  }
}
