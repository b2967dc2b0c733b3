// An OpenID Connect provider on loopback whose people sign in without being asked: whom,
// the test says by POST /who. It ends when its standard input does.
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const callback = process.env.CALLBACK;
const people = {
  "s-ana": { preferred_username: "Ana.Idp", name: "Ana I.", email: "ana@example.org", email_verified: true, groups: ["soc"] },
  "s-boss": { preferred_username: "boss.idp", name: "Boss", email: "boss@example.org", email_verified: true, groups: ["soc-admins"] },
  // Another person who has taken Ana's name and address.
  "s-mallory": { preferred_username: "ana.idp", name: "Ana I.", email: "ana@example.org", email_verified: true, groups: ["soc-admins"] },
  "s-sales": { preferred_username: "sales.idp", name: "Sales", email: "sales@example.org", groups: ["sales"] },
};
let who = "s-ana";

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "vigil",
        client_secret: "not-so-secret",
        redirect_uris: [callback],
        post_logout_redirect_uris: [new URL("/", callback).href],
      },
    ],
    claims: { openid: ["sub"], profile: ["preferred_username", "name", "groups"], email: ["email", "email_verified"] },
    cookies: { keys: ["test"] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  });
  server.on("request", async (req, res) => {
    if (req.url === "/who") {
      let body = "";
      for await (const part of req) body += part;
      const { sub, groups } = JSON.parse(body);
      who = sub;
      if (groups) people[sub].groups = groups;
      return res.end();
    }
    if (!req.url.startsWith("/interaction/")) return provider.callback()(req, res);
    const { params } = await provider.interactionDetails(req, res);
    const grant = new provider.Grant({ accountId: who, clientId: params.client_id });
    grant.addOIDCScope("openid profile email");
    const consent = { grantId: await grant.save() };
    return provider.interactionFinished(req, res, { login: { accountId: who }, consent }, { mergeWithLastSubmission: false });
  });
  console.log(issuer);
});
process.stdin.on("end", () => process.exit(0)).resume();
