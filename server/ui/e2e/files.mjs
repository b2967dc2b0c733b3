// Files of log lines that tests ingest.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { api, post } from "./harness.mjs";

/** A file of the given lines, in a folder of its own. */
export function file(name, lines) {
  const path = join(mkdtempSync(join(tmpdir(), "vigil-e2e-log-")), name);
  writeFileSync(path, lines.map((l) => `${l}\n`).join(""));
  return path;
}

/** A time as syslog writes it. */
export function stamp() {
  const at = new Date().toUTCString();
  return `${at.slice(8, 11)} ${at.slice(5, 7).replace(/^0/, " ")} ${at.slice(17, 25)}`;
}

/** Ingests a file and waits until it is read. */
export async function ingested(context, source, path, format) {
  await post(context, "/sources/ingest", { source, paths: [path], format });
  for (let i = 0; i < 120; i++) {
    const { body } = await api(context, `/sources/${source}`);
    if (body?.status === "completed") return body;
    await new Promise((r) => setTimeout(r, 250));
  }
  throw new Error(`${source} is not read after 30 s`);
}
