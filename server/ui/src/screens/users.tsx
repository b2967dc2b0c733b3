import { useQuery } from "@tanstack/react-query";
import { UserPlus } from "lucide-react";
import { useState } from "react";
import { api, type Body } from "../api/client";
import { queries } from "../api/queries";
import type { User } from "../api/types";
import { State } from "../kit/badges";
import { Dialog } from "../kit/dialog";
import { useChange } from "../kit/hooks";
import { Head, Table } from "../kit/layout";
import { useMe } from "../kit/may";
import { Failed, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { useToast } from "../kit/toast";
import { plural, when } from "../lib/format";

const roles: { id: User["role"]; hint: string }[] = [
  { id: "viewer", hint: "reads everything but the audit trail" },
  { id: "analyst", hint: "also works on alerts, incidents and sources" },
  { id: "approver", hint: "also decides approvals" },
  { id: "admin", hint: "also manages users, rules, models and intel" },
];

export default function Users() {
  const q = useQuery(queries.users());
  const [edited, setEdited] = useState<User | "new" | null>(null);
  return (
    <>
      <Head
        title="Users"
        actions={
          <button className="primary" onClick={() => setEdited("new")}>
            <UserPlus size={14} aria-hidden /> Add user…
          </button>
        }
      >
        <span className="dim">{q.data ? plural(q.data.items.length, "user") : ""}</span>
      </Head>
      <Loaded q={q}>{({ items }) => <Rows rows={items} edit={setEdited} />}</Loaded>
      {edited ? <Edit user={edited === "new" ? undefined : edited} close={() => setEdited(null)} /> : null}
    </>
  );
}

function Rows({ rows, edit }: { rows: User[]; edit: (u: User) => void }) {
  return (
    <Table
      label="Users"
      rows={rows}
      id={(u) => u.name}
      columns={[
        {
          name: "Name",
          cell: (u) => (
            <b>
              <Text of={u.name} />
            </b>
          ),
        },
        { name: "Role", cell: (u) => u.role },
        { name: "Full name", cell: (u) => <Text of={u.full_name ?? ""} /> },
        { name: "E-mail", cell: (u) => <Text of={u.email ?? ""} /> },
        { name: "Signs in", cell: (u) => (u.provider ? `at ${u.provider}` : "here") },
        { name: "State", cell: (u) => <State of={u.disabled ? "disabled" : "active"} /> },
        { name: "Since (UTC)", cell: (u) => <span className="nowrap">{when(u.created)}</span> },
        {
          name: "Change",
          cell: (u) => (
            <button onClick={() => edit(u)} aria-label={`Change ${u.name}`}>
              Change…
            </button>
          ),
        },
      ]}
    />
  );
}

/** The passkeys of somebody else: an admin removes one that is lost. */
function Passkeys({ user }: { user: string }) {
  const q = useQuery(queries.userPasskeys(user));
  const remove = useChange(["passkeys"], (id: string) => api.removeUserPasskey(user, id));
  const items = q.data?.items ?? [];
  if (items.length === 0) return null;
  return (
    <fieldset className="radios">
      <legend>Passkeys</legend>
      {items.map((k) => (
        <div key={k.id} className="passkey">
          <span>
            <b>
              <Text of={k.name} />
            </b>{" "}
            <span className={k.cloned ? "tone-bad" : "dim"}>
              {k.cloned ? "somebody may have a copy" : k.used ? `used ${when(k.used)} UTC` : "never used"}
            </span>
          </span>
          <button
            type="button"
            aria-label={`Remove ${k.name}`}
            disabled={remove.isPending}
            onClick={() => remove.mutate(k.id)}
          >
            Remove
          </button>
        </div>
      ))}
      <Failed error={remove.error} />
    </fieldset>
  );
}

function Edit({ user, close }: { user?: User; close: () => void }) {
  const me = useMe();
  const toast = useToast();
  const [form, setForm] = useState<Body<"POST /users">>({
    name: user?.name ?? "",
    role: user?.role ?? "analyst",
    full_name: user?.full_name ?? "",
    email: user?.email ?? "",
    password: "",
    disabled: user?.disabled ?? false,
  });
  const put = useChange(
    ["users"],
    () => api.putUser(form),
    () => {
      toast({ text: `${form.name} is saved` });
      close();
    },
  );
  const self = user?.name === me.user;
  return (
    <Dialog
      title={user ? `Change ${user.name}` : "Add a user"}
      close={close}
      submit={() => put.mutate(undefined)}
      footer={
        <>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button className="primary" disabled={put.isPending}>
            Save
          </button>
        </>
      }
    >
      {user ? null : (
        <label>
          Name
          <input
            data-first
            value={form.name}
            maxLength={64}
            onChange={(e) => setForm({ ...form, name: e.target.value })}
            required
          />
        </label>
      )}
      <label>
        Full name
        <input
          value={form.full_name}
          maxLength={200}
          onChange={(e) => setForm({ ...form, full_name: e.target.value })}
        />
      </label>
      <label>
        E-mail
        <input
          type="email"
          value={form.email}
          maxLength={200}
          onChange={(e) => setForm({ ...form, email: e.target.value })}
        />
      </label>
      <fieldset className="radios" disabled={self}>
        <legend>Role</legend>
        {roles.map((r) => (
          <label key={r.id}>
            <input
              type="radio"
              name="role"
              value={r.id}
              checked={form.role === r.id}
              onChange={() => setForm({ ...form, role: r.id })}
            />
            <span>
              <b>{r.id}</b>
              <span className="dim">{r.hint}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <label>
        {user ? "New password (empty: unchanged)" : "Password"}
        <input
          type="password"
          autoComplete="new-password"
          minLength={12}
          value={form.password}
          required={!user}
          onChange={(e) => setForm({ ...form, password: e.target.value })}
        />
      </label>
      {user && !self ? (
        <label className="check">
          <input
            type="checkbox"
            checked={form.disabled}
            onChange={(e) => setForm({ ...form, disabled: e.target.checked })}
          />
          May not sign in
        </label>
      ) : null}
      {user ? <Passkeys user={user.name} /> : null}
      <Failed error={put.error} />
    </Dialog>
  );
}
