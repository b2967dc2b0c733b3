// Holds what the server answers against its own description of the API, from which the types
// of the app are made.
import { expect, url } from "./harness.mjs";

const api = await (await fetch(`${url}/api/v1/openapi.json`)).json();
const routes = Object.entries(api.paths).map(([path, of]) => ({
  of,
  pattern: new RegExp(`^${path.replace(/\{\w+\}/g, "[^/]+")}$`),
  fixed: path.replace(/\{\w+\}/g, "").length,
}));
const told = new Set();
const seen = new Set();

/** Checks every answer of the API that a page gets. */
export function described(context) {
  context.on("response", (res) => void answered(res).catch(() => {})); // one that the page no longer waits for has no body
}

/** How many routes were checked. */
export const routesDescribed = () => seen.size;

async function answered(res) {
  const { origin, pathname } = new URL(res.url());
  if (origin !== url || !/json/.test(res.headers()["content-type"] ?? "")) return;
  const described = schemaOf(res.request().method(), pathname, res.status());
  if (described) fits(described, await res.json(), `${res.request().method()} ${pathname}`);
}

/** The schema of an answer; nothing for what is no document. */
export function schemaOf(method, pathname, status) {
  const [route] = routes
    .filter((r) => r.pattern.test(pathname) && r.of[method.toLowerCase()])
    .sort((a, b) => b.fixed - a.fixed);
  if (!route) return undefined;
  const { responses } = route.of[method.toLowerCase()];
  const content = (responses[status] ?? responses[422])?.content ?? {};
  const { schema } = content["application/json"] ?? content["application/problem+json"] ?? {};
  if (!schema || schema.format === "binary") return undefined;
  seen.add(`${method} ${route.pattern}`);
  return schema;
}

/** Fails for what is not as described, once for each thing. */
export function fits(schema, body, name) {
  for (const p of problems(schema, body, name)) {
    const kind = p.replace(/: .*/, "");
    if (!told.has(kind)) expect(false, `an answer is not as described: ${p}`);
    told.add(kind);
  }
}

/** What is wrong with a value, by a schema of the kinds that the description uses. */
function problems(schema, value, at) {
  if (schema.$ref) return problems(api.components.schemas[schema.$ref.split("/").at(-1)], value, at);
  if (schema.anyOf)
    return schema.anyOf.some((s) => problems(s, value, at).length === 0) ? [] : [`${at} fits nothing`];
  if (schema.type && ![schema.type].flat().some((t) => is(t, value)))
    return [`${at} is ${JSON.stringify(value)?.slice(0, 60)}, not ${schema.type}`];
  if (schema.enum && !schema.enum.includes(value))
    return [`${at} is ${JSON.stringify(value)}, not ${schema.enum}`];
  if (Array.isArray(value)) return value.flatMap((v) => problems(schema.items ?? {}, v, `${at}[]`));
  if (value === null || typeof value !== "object") return [];
  const missing = (schema.required ?? []).filter((k) => !(k in value)).map((k) => `${at} has no ${k}`);
  const inside = Object.entries(value).flatMap(([k, v]) => {
    const of = schema.properties?.[k];
    if (of) return problems(of, v, `${at}.${k}`);
    const more = schema.additionalProperties;
    if (schema.properties && more === false) return [`${at} has ${k}, which is not described`];
    return more && more !== true ? problems(more, v, `${at}.*`) : [];
  });
  return [...missing, ...inside];
}

const is = (type, value) =>
  type === "null"
    ? value === null
    : type === "array"
      ? Array.isArray(value)
      : type === "object"
        ? value !== null && typeof value === "object" && !Array.isArray(value)
        : type === "integer"
          ? Number.isInteger(value)
          : typeof value === type;
