import { useQuery } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import type { Passkey } from "../api/types";
import { Dialog } from "../kit/dialog";
import { useChange } from "../kit/hooks";
import { Facts, Head, Panel, Table } from "../kit/layout";
import { useMe } from "../kit/may";
import { Empty, Failed, Loaded } from "../kit/state";
import { Text } from "../kit/text";
import { useToast } from "../kit/toast";
import { when } from "../lib/format";
import { createPasskey, hasPasskeys } from "../lib/passkey";

/** Who one is here, and one's passkeys. */
export default function Account() {
  const me = useMe();
  const q = useQuery(queries.passkeys());
  const [asks, setAsks] = useState<"add" | Passkey | null>(null);
  const able = hasPasskeys();
  return (
    <>
      <Head
        title="Your account"
        actions={
          able ? (
            <button className="primary" onClick={() => setAsks("add")}>
              <KeyRound size={14} aria-hidden /> Add a passkey…
            </button>
          ) : null
        }
      />
      <div className="stack">
        <Panel title="You">
          <Facts
            of={[
              ["User", <Text of={me.user} />],
              ["Full name", <Text of={me.full_name || "none"} />],
              ["Role", me.role],
            ]}
          />
        </Panel>
        <Panel
          title="Passkeys"
          note="sign in without a password, and sign approvals where a policy asks for it"
          flush
        >
          {able ? null : (
            <p className="notice is-warn">
              This browser has no passkeys at this address: open Vigil by its name and TLS, or on localhost.
            </p>
          )}
          <Loaded q={q}>{({ items }) => <Rows rows={items} edit={setAsks} />}</Loaded>
        </Panel>
      </div>
      {asks === "add" ? <Add close={() => setAsks(null)} /> : null}
      {asks !== null && asks !== "add" ? <Edit of={asks} close={() => setAsks(null)} /> : null}
    </>
  );
}

function stateOf(k: Passkey): string {
  if (k.cloned) return "refused: somebody may have a copy; remove it";
  return k.works ? "works here" : `works at ${k.site} only`;
}

function Rows({ rows, edit }: { rows: Passkey[]; edit: (k: Passkey) => void }) {
  if (rows.length === 0)
    return (
      <Empty title="You have no passkey">
        A passkey is a key in your device or security key. Add two, so that losing one does not lock you out.
      </Empty>
    );
  return (
    <Table
      label="Passkeys"
      rows={rows}
      id={(k) => k.id}
      columns={[
        {
          name: "Name",
          cell: (k) => (
            <b>
              <Text of={k.name} />
            </b>
          ),
        },
        {
          name: "State",
          cell: (k) => <span className={k.cloned ? "tone-bad" : ""}>{stateOf(k)}</span>,
        },
        { name: "Kind", cell: (k) => (k.synced ? "synced between devices" : "on one device") },
        { name: "Added (UTC)", cell: (k) => <span className="nowrap">{when(k.created)}</span> },
        {
          name: "Used (UTC)",
          cell: (k) => <span className="nowrap">{k.used ? when(k.used) : "never"}</span>,
        },
        {
          name: "Change",
          cell: (k) => (
            <button onClick={() => edit(k)} aria-label={`Change ${k.name}`}>
              Change…
            </button>
          ),
        },
      ]}
    />
  );
}

function Add({ close }: { close: () => void }) {
  const toast = useToast();
  const [name, setName] = useState("");
  const add = useChange(
    ["passkeys"],
    async () => {
      const asked = await api.beginPasskey();
      return api.addPasskey(asked.ceremony, await createPasskey(asked.options), name.trim());
    },
    () => {
      toast({ text: "The passkey is added" });
      close();
    },
  );
  return (
    <Dialog
      title="Add a passkey"
      close={close}
      submit={() => name.trim() && add.mutate(undefined)}
      footer={
        <>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button className="primary" disabled={name.trim() === "" || add.isPending}>
            {add.isPending ? "Waiting for the authenticator…" : "Add"}
          </button>
        </>
      }
    >
      <Failed error={add.error} />
      <label>
        Name
        <input
          data-first
          value={name}
          maxLength={100}
          placeholder="such as: laptop, blue security key"
          onChange={(e) => setName(e.target.value)}
        />
      </label>
    </Dialog>
  );
}

function Edit({ of, close }: { of: Passkey; close: () => void }) {
  const [name, setName] = useState(of.name);
  const rename = useChange(["passkeys"], () => api.renamePasskey(of.id, name.trim()), close);
  const remove = useChange(["passkeys"], () => api.removePasskey(of.id), close);
  return (
    <Dialog
      title={<Text of={of.name} />}
      close={close}
      submit={() => name.trim() && rename.mutate(undefined)}
      footer={
        <>
          <button
            type="button"
            className="danger"
            disabled={remove.isPending}
            onClick={() => remove.mutate(undefined)}
          >
            Remove
          </button>
          <button className="primary" disabled={name.trim() === "" || rename.isPending}>
            Rename
          </button>
        </>
      }
    >
      <Failed error={rename.error ?? remove.error} />
      <p className="dim">
        Removed at once: what it signed and is not done yet will be refused. It cannot be added again.
      </p>
      <label>
        Name
        <input data-first value={name} maxLength={100} onChange={(e) => setName(e.target.value)} />
      </label>
    </Dialog>
  );
}
