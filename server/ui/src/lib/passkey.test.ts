import { expect, test } from "vitest";
import { challengeOf, type Meant, otherThanMeant, sha256Hex } from "./passkey";

const payload = '{"action":"block-address","target":"203.0.113.9"}';

async function meant(): Promise<Meant> {
  return {
    approval: "a1",
    binding: await sha256Hex(payload),
    payload,
    user: "ana",
    verdict: "approve",
    reason: "<seen> & done",
  };
}

// As the server's encoding/json writes it.
const statement = async (change: object = {}) => {
  const m = await meant();
  const said = { purpose: "vigil/decision", org: "main", approval: m.approval, binding: m.binding };
  return JSON.stringify({ ...said, user: m.user, verdict: m.verdict, reason: m.reason, ...change })
    .replaceAll("<", "\\u003c")
    .replaceAll(">", "\\u003e")
    .replaceAll("&", "\\u0026");
};

test("hashes", async () => {
  expect(await sha256Hex("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(await challengeOf("abc")).toBe("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
});

test("a statement that says what is meant", async () => {
  expect(await otherThanMeant(await statement(), await meant())).toBe("");
});

test("a statement that says anything else is not signed", async () => {
  for (const [name, change] of Object.entries({
    approval: { approval: "a2" },
    binding: { binding: "00" },
    user: { user: "ben" },
    verdict: { verdict: "break-glass" },
    reason: { reason: "other" },
    purpose: { purpose: "x" },
  }))
    expect(await otherThanMeant(await statement(change), await meant()), name).not.toBe("");
  expect(await otherThanMeant("{", await meant())).not.toBe("");
  expect(await otherThanMeant(await statement(), { ...(await meant()), payload: "{}" })).toContain("payload");
});
