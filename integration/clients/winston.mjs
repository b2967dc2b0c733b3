// Logs numbered messages with winston through its Splunk transport, one request each.
// node winston.mjs URL TOKEN NAME COUNT
import winston from "winston";
import Splunk from "winston-splunk-httplogger";

const [url, token, name, count] = process.argv.slice(2);
const log = winston.createLogger({ transports: [new Splunk({ splunk: { token, url, maxRetries: 14 } })] });
for (let n = 0; n < Number(count); n++) {
  log.info(`${name} g0 n${n}`);
  await new Promise((done) => setTimeout(done, 10));
}
