import { useQuery } from "@tanstack/react-query";
import { KeyRound, LogIn } from "lucide-react";
import { type FormEvent, useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import { Failed } from "../kit/state";
import { createPasskey, hasPasskeys, usePasskey } from "../lib/passkey";
import { Mark } from "./mark";

/** What the server says of a sign-in at a provider that came to nothing. */
const words: Record<string, string> = {
  refused: "The provider did not sign you in, or it took too long. Try again.",
  denied: "You may not sign in here: your groups at the provider have no role. Ask your admin.",
  taken: "A user of your name was here before. An admin links the two: vigil users link.",
  unavailable: "The provider does not answer. Try again, or sign in otherwise.",
  slow: "Too many attempts. Wait a little, then try again.",
  unknown: "There is no such provider.",
  failed: "Signing in failed; Vigil's log says why.",
};

/** Signs in by password, passkey or provider, or makes the first admin by the one-time link. */
export function SignIn({ link, done }: { link?: string; done: () => void }) {
  const [org, setOrg] = useState("");
  const [user, setUser] = useState("admin");
  const [password, setPassword] = useState("");
  const word = new URLSearchParams(location.search).get("sign-in");
  const [error, setError] = useState<unknown>(
    word && !link ? new Error(words[word] ?? words["failed"]) : null,
  );
  const [busy, setBusy] = useState(false);
  const options = useQuery({ ...queries.loginOptions(), retry: false });
  const attempt = async (fn: () => Promise<unknown>) => {
    setError(null);
    setBusy(true);
    try {
      await fn();
      if (word) history.replaceState(null, "", location.pathname);
      done();
    } catch (err) {
      setError(err);
      setBusy(false);
    }
  };
  const submit = (e: FormEvent) => {
    e.preventDefault();
    void attempt(() => (link ? api.loginLink(link, password) : api.login(org.trim(), user, password)));
  };
  const byPasskey = async () => {
    if (link) {
      const asked = await api.beginLinkPasskey(link);
      return api.linkPasskey(link, asked.ceremony, await createPasskey(asked.options), "First passkey");
    }
    const asked = await api.beginPasskeySignIn();
    return api.passkeySignIn(asked.ceremony, await usePasskey(asked.options));
  };
  const passkeys = options.data?.passkeys === true && hasPasskeys();
  const providers = link ? [] : (options.data?.providers ?? []);
  return (
    <main className="center">
      <form className="panel sign-in" onSubmit={submit}>
        <h1>
          <Mark /> Vigil
        </h1>
        {link ? (
          <p className="dim">
            This one-time link makes you the admin. Choose a password of at least 12 characters
            {passkeys ? ", or a passkey" : ""}; the user is <b>admin</b>.
          </p>
        ) : (
          <>
            {options.data?.orgs ? (
              <label>
                Organisation
                <input
                  value={org}
                  onChange={(e) => setOrg(e.target.value)}
                  autoComplete="organization"
                  placeholder="empty: the one that runs this Vigil"
                />
              </label>
            ) : null}
            <label>
              User
              <input value={user} onChange={(e) => setUser(e.target.value)} autoComplete="username" required />
            </label>
          </>
        )}
        <label>
          Password
          <input
            type="password"
            value={password}
            minLength={link ? 12 : 1}
            onChange={(e) => setPassword(e.target.value)}
            autoComplete={link ? "new-password" : "current-password"}
            required
            autoFocus
          />
        </label>
        <Failed error={error} />
        <button className="primary" type="submit" disabled={busy}>
          {link ? "Set password and sign in" : "Sign in"}
        </button>
        {passkeys || providers.length > 0 ? (
          <div className="sign-in-other">
            <span className="dim">or</span>
            {passkeys ? (
              <button type="button" disabled={busy} onClick={() => void attempt(byPasskey)}>
                <KeyRound size={14} aria-hidden /> {link ? "Use a passkey instead" : "Sign in with a passkey"}
              </button>
            ) : null}
            {providers.map((p) => (
              <a key={p.id} className="button" href={`/api/v1/login/oidc/${encodeURIComponent(p.id)}`}>
                <LogIn size={14} aria-hidden /> Sign in with {p.name}
              </a>
            ))}
          </div>
        ) : null}
      </form>
    </main>
  );
}
