// Sends numbered documents with ids by the bulk helper of the official client; a batch
// that was not answered is sent again, as every shipper does.
// node elastic.mjs URL TOKEN NAME COUNT
import { Client } from "@elastic/elasticsearch";

const [url, token, name, count] = process.argv.slice(2);
const client = new Client({ node: url, auth: { apiKey: token }, maxRetries: 0, requestTimeout: 10_000 });
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const size = 25;
for (let from = 0; from < Number(count); from += size) {
  const batch = Array.from({ length: size }, (_, k) => ({ n: from + k }));
  for (let tries = 0; ; tries++) {
    const refused = [];
    try {
      const done = await client.helpers.bulk({
        datasource: batch,
        onDocument: (d) => [{ create: { _index: "logs", _id: String(d.n) } }, { "@timestamp": new Date().toISOString(), message: `${name} g0 n${d.n}` }],
        onDrop: (d) => d.status !== 409 && refused.push(d), // 409: it was there, from a request whose answer was lost
      });
      if (refused.length === 0 && done.total === size) break;
      throw new Error(JSON.stringify(refused[0]));
    } catch (err) {
      if (tries > 200) throw err;
      await pause(200);
    }
  }
  await pause(250);
}
