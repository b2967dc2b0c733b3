// Makes the screenshots of a run small enough to be kept: node e2e/shrink.mjs FROM TO.
// Chromium reads PNG and writes WebP, so that no other program is needed.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [from, to] = process.argv.slice(2);
const names =
  "home search search-chart search-table search-drawer dashboard alerts alert-page incidents incident approvals approval entities entity detections rule rule-edit hunts intel models posture posture-coverage playbooks playbook run sources source audit users phone-alerts phone-approvals";
mkdirSync(to, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu"],
});
const page = await browser.newPage();
for (const name of names.split(" "))
  for (const theme of ["dark", "light"]) {
    const file = join(from, `${name}-${theme}.png`);
    if (!existsSync(file)) continue;
    const url = `data:image/png;base64,${readFileSync(file).toString("base64")}`;
    const small = await page.evaluate(async (src) => {
      const image = new Image();
      image.src = src;
      await image.decode();
      const canvas = document.createElement("canvas");
      canvas.width = Math.min(1200, image.width);
      canvas.height = Math.round((canvas.width * image.height) / image.width);
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      return canvas.toDataURL("image/webp", 0.6).split(",")[1];
    }, url);
    writeFileSync(join(to, `${name}-${theme}.webp`), Buffer.from(small, "base64"));
  }
await browser.close();
