import { createContext, useContext } from "react";
import type { Me, Permission } from "../api/types";

/** Who is signed in. */
export const MeContext = createContext<Me | null>(null);

export function useMe(): Me {
  const me = useContext(MeContext);
  if (!me) throw new Error("useMe outside of the session");
  return me;
}

/** Whether the signed-in person may; controls that a role may not use are absent. */
export function useMay(): (permission: Permission) => boolean {
  const me = useContext(MeContext);
  return (p) => me?.permissions.includes(p) ?? false;
}
