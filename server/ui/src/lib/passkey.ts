/** Whether this browser has passkeys at this address. */
export const hasPasskeys = () =>
  typeof PublicKeyCredential === "function" &&
  "parseRequestOptionsFromJSON" in PublicKeyCredential &&
  isSecureContext;

/** Makes a passkey; the answer is what the server checks. */
export async function createPasskey(options: unknown): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
    options as PublicKeyCredentialCreationOptionsJSON,
  );
  return answer(await asking(navigator.credentials.create({ publicKey })));
}

/** Asks a passkey to sign. */
export async function usePasskey(options: unknown): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
    options as PublicKeyCredentialRequestOptionsJSON,
  );
  return answer(await asking(navigator.credentials.get({ publicKey })));
}

function answer(c: Credential | null): unknown {
  if (!(c instanceof PublicKeyCredential)) throw new Error("The browser gave no passkey");
  return c.toJSON();
}

/** The browser's refusals in words that help. */
async function asking<T>(p: Promise<T>): Promise<T> {
  try {
    return await p;
  } catch (e) {
    const name = e instanceof DOMException ? e.name : "";
    if (name === "NotAllowedError")
      throw new Error("The passkey was not used: cancelled, or it took too long");
    if (name === "InvalidStateError") throw new Error("This authenticator has a passkey for you already");
    if (name === "SecurityError") throw new Error("Passkeys do not work at this address");
    throw e;
  }
}

const bytes = (text: string) => new TextEncoder().encode(text);

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes(text)));
}

export async function sha256Hex(text: string): Promise<string> {
  return [...(await digest(text))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

/** The challenge of a text: its SHA-256, as WebAuthn writes it. */
export async function challengeOf(text: string): Promise<string> {
  return btoa(String.fromCharCode(...(await digest(text))))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** What a person means to sign. */
export interface Meant {
  approval: string;
  binding: string;
  payload: string;
  user: string;
  verdict: string;
  reason: string;
}

/**
 * Why a statement is not what the person means to sign, "" when it is. What is shown is
 * checked here, and what is checked is signed: the server is not asked to be believed.
 */
export async function otherThanMeant(statement: string, meant: Meant): Promise<string> {
  let said: Record<string, unknown>;
  try {
    said = JSON.parse(statement) as Record<string, unknown>;
  } catch {
    return "It cannot be read";
  }
  if ((await sha256Hex(meant.payload)) !== meant.binding)
    return "The payload on screen is not the one that waits";
  for (const name of ["approval", "binding", "user", "verdict", "reason"] as const)
    if (said[name] !== meant[name]) return `It names another ${name}`;
  return said["purpose"] === "vigil/decision" ? "" : "It is no decision";
}
