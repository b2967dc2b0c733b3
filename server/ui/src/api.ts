/** A refused request, with what the server says to do about it. */
export class Problem extends Error {
  constructor(readonly status: number, detail: string, readonly hint: string) { super(detail); }
}

/** Calls the API with the session cookie; errors become Problems. */
export async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const res = await fetch(`/api/v1${path}`, {
    method, signal, credentials: "same-origin",
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (res.status === 204) return undefined as T;
  const text = await res.text();
  let data: unknown = null;
  try { data = text ? JSON.parse(text) : null; } catch { /* not JSON: told below */ }
  if (!res.ok) {
    const p = (data ?? {}) as { detail?: string; hint?: string; errors?: { message: string }[] };
    throw new Problem(res.status, p.detail ?? (text.slice(0, 200) || res.statusText), p.hint ?? p.errors?.map((e) => e.message).join("; ") ?? "");
  }
  return data as T;
}

export const get = <T,>(path: string, signal?: AbortSignal) => call<T>("GET", path, undefined, signal);
export const post = <T,>(path: string, body: unknown = {}) => call<T>("POST", path, body);
