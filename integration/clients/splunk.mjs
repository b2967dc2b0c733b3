// Sends numbered events with Splunk's own logging library, in full batches, with its
// retries.
// node splunk.mjs URL TOKEN NAME COUNT
import splunk from "splunk-logging";

const [url, token, name, count] = process.argv.slice(2);
const log = new splunk.Logger({ token, url, maxRetries: 14, maxBatchCount: 25 });
log.error = (err) => { console.error(err); process.exit(1); };
for (let n = 0; n < Number(count); n++) {
  log.send({ message: `${name} g0 n${n}` });
  await new Promise((done) => setTimeout(done, 10));
}
