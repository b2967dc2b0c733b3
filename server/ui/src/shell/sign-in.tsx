import { type FormEvent, useState } from "react";
import { api } from "../api/client";
import { Failed } from "../kit/state";
import { Mark } from "./mark";

/** Signs in by password, or makes the first admin by the one-time link. */
export function SignIn({ link, done }: { link?: string; done: () => void }) {
  const [user, setUser] = useState("admin");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setError(null);
    setBusy(true);
    try {
      await (link ? api.loginLink(link, password) : api.login(user, password));
      done();
    } catch (err) {
      setError(err);
      setBusy(false);
    }
  };
  return (
    <main className="center">
      <form className="panel sign-in" onSubmit={(e) => void submit(e)}>
        <h1>
          <Mark /> Vigil
        </h1>
        {link ? (
          <p className="dim">
            This one-time link makes you the admin. Choose a password of at least 12 characters; the user is{" "}
            <b>admin</b>.
          </p>
        ) : (
          <label>
            User
            <input value={user} onChange={(e) => setUser(e.target.value)} autoComplete="username" required />
          </label>
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
      </form>
    </main>
  );
}
