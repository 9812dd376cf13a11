// An OpenID provider for tests: node provider.mjs PORT REDIRECT_URI. Whoever types a name is that person; their groups
// are what stands before a dash in it. POST /-/rotate: other keys from now on. Machines get JWTs by client_credentials.
import http from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const modules = createRequire(process.env.OPENID_MODULES);
const load = (name) => import(pathToFileURL(modules.resolve(name)));
const { default: Provider } = await load("oidc-provider");
const jose = await load("jose");

const [port, redirect] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const AUDIENCE = "urn:farline";
const RESOURCES = {
  "urn:farline": { alg: "RS256", audience: AUDIENCE, ttl: 3600 },
  "urn:farline:es256": { alg: "ES256", audience: AUDIENCE, ttl: 3600 },
  "urn:farline:eddsa": { alg: "EdDSA", audience: AUDIENCE, ttl: 3600 },
  "urn:farline:short": { alg: "RS256", audience: AUDIENCE, ttl: 1 },
  "urn:elsewhere": { alg: "RS256", audience: "urn:elsewhere", ttl: 3600 },
};
const groups = (name) => [name.split("-")[0]];
const machine = (id) => ({
  client_id: id, client_secret: "secret of a machine", grant_types: ["client_credentials"], response_types: [], redirect_uris: [],
});

let generation = 0;
async function keys() {
  generation += 1;
  return Promise.all(["RS256", "ES256", "EdDSA"].map(async (alg) => {
    const { privateKey } = await jose.generateKeyPair(alg, { extractable: true });
    return { ...await jose.exportJWK(privateKey), alg, use: "sig", kid: `${alg}-${generation}` };
  }));
}

async function made() {
  return new Provider(issuer, {
    jwks: { keys: await keys() },
    cookies: { keys: ["only a test"] },
    clients: [
      { client_id: "console", token_endpoint_auth_method: "none", redirect_uris: [redirect] },
      { client_id: "console with a secret", client_secret: "it's a secret: + and %", redirect_uris: [redirect] },
      ...["netops", "leads", "readers", "strangers"].map(machine),
    ],
    claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
    scopes: ["openid", "email", "groups"],
    findAccount: (_, id) => ({
      accountId: id, claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true, groups: groups(id) }),
    }),
    extraTokenClaims: (_, token) => ({ groups: groups(token.clientId ?? "") }),
    features: {
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => {
          const { alg, audience, ttl } = RESOURCES[resource];
          return { scope: "", audience, accessTokenTTL: ttl, accessTokenFormat: "jwt", jwt: { sign: { alg } } };
        },
      },
    },
    ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
  });
}

let answer = (await made()).callback();
http.createServer(async (request, reply) => {
  if (request.url !== "/-/rotate") return answer(request, reply);
  answer = (await made()).callback();
  return reply.end("{}");
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));
