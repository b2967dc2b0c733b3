import { useQuery } from "@tanstack/react-query";
import { Problem } from "./api/client";
import { queries } from "./api/queries";
import { MeContext } from "./kit/may";
import { Failed } from "./kit/state";
import { RouteContext, useLocation } from "./lib/router";
import { Shell } from "./shell/shell";
import { SignIn } from "./shell/sign-in";
import { useTheme } from "./shell/theme";

/** Who is there decides what is shown: the sign-in, or the console. */
export function App() {
  const route = useLocation();
  const theme = useTheme();
  const me = useQuery({ ...queries.me(), retry: false, staleTime: 60_000 });
  const signedIn = () => void me.refetch();
  if (route.path[0] === "link") {
    const done = () => {
      route.go("/");
      signedIn();
    };
    return <SignIn link={location.hash.slice(1)} done={done} />;
  }
  if (me.error instanceof Problem && me.error.status === 401) return <SignIn done={signedIn} />;
  if (!me.data) {
    return (
      <main className="center">
        {me.isPending ? <p role="status">Loading…</p> : <Failed error={me.error} retry={signedIn} />}
      </main>
    );
  }
  return (
    <RouteContext.Provider value={route}>
      <MeContext.Provider value={me.data}>
        <Shell theme={theme} />
      </MeContext.Provider>
    </RouteContext.Provider>
  );
}
