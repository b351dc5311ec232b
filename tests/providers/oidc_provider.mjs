// The OpenID Connect provider `oidc-provider`, with the pages that every deployment of it writes by itself: sign-in, and
// consent that grants what the person's role allows.
// node oidc_provider.mjs FILE; FILE is JSON with the port, the clients, the users, the API and the tokens' lifetime.
// SIGHUP adds a new signing key. The key before it stays published; older keys are withdrawn.
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";

import Provider from "oidc-provider";

const file = process.argv[2];
const { port, api, clients, users, lifetime } = JSON.parse(readFileSync(file, "utf8"));
const keysFile = join(dirname(file), "signing-keys.json");

function newKey() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig", alg: "RS256" };
}

function savedKeys(keys) {
  writeFileSync(keysFile, JSON.stringify(keys), { mode: 0o600 });
  return keys;
}

// What the provider stores. It outlives a change of keys, unlike the store that the library has for a quick start.
const stored = new Map();

class Store {
  constructor(model) {
    this.prefix = `${model}:`;
  }
  async upsert(id, payload, seconds) {
    stored.set(this.prefix + id, { ...payload, until: seconds ? Date.now() + seconds * 1000 : Infinity });
  }
  async find(id) {
    const found = stored.get(this.prefix + id);
    return found?.until > Date.now() ? found : undefined;
  }
  async findByUid(uid) {
    return [...stored].find(([key, payload]) => key.startsWith(this.prefix) && payload.uid === uid)?.[1];
  }
  async findByUserCode() {
    return undefined;
  }
  async consume(id) {
    stored.get(this.prefix + id).consumed = Math.floor(Date.now() / 1000);
  }
  async destroy(id) {
    stored.delete(this.prefix + id);
  }
  async revokeByGrantId(grantId) {
    for (const [key, payload] of stored) if (payload.grantId === grantId) stored.delete(key);
  }
}

function providerWith(keys) {
  const provider = new Provider(`http://localhost:${port}`, {
    jwks: { keys },
    adapter: Store,
    cookies: { keys: ["a key of a provider that runs only in tests"] },
    clients,
    scopes: ["openid", "offline_access"],
    ttl: { AccessToken: lifetime, Grant: 3600, IdToken: lifetime, Interaction: 600, RefreshToken: 3600, Session: 3600 },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: id }) }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: api.scopes.join(" "),
          audience: api.identifier,
          accessTokenTTL: lifetime,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
  });
  const answer = provider.callback();
  return async (request, response) => {
    if (!request.url.startsWith("/interaction/")) return answer(request, response);
    const interaction = await provider.interactionDetails(request, response);
    if (request.method !== "POST") return page(response, interaction.prompt.name);
    const form = await formIn(request);
    const result = interaction.prompt.name === "login" ? signedIn(form) : await consented(provider, interaction);
    return result ? provider.interactionFinished(request, response, result) : page(response, "login", 401);
  };
}

function signedIn(form) {
  const user = form.get("username");
  return users[user]?.password === form.get("password") ? { login: { accountId: user } } : null;
}

async function consented(provider, { grantId, params, prompt, session }) {
  const found = grantId ? await provider.Grant.find(grantId) : undefined;
  const grant = found ?? new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope = [], missingResourceScopes = {} } = prompt.details;
  const may = users[session.accountId].permissions;
  if (missingOIDCScope.length) grant.addOIDCScope(missingOIDCScope.join(" "));
  for (const [resource, scopes] of Object.entries(missingResourceScopes)) {
    grant.addResourceScope(resource, scopes.filter((scope) => may.includes(scope)).join(" "));
    grant.rejectResourceScope(resource, scopes.filter((scope) => !may.includes(scope)).join(" "));
  }
  return { consent: { grantId: await grant.save() } };
}

async function formIn(request) {
  let text = "";
  for await (const part of request) text += part;
  return new URLSearchParams(text);
}

function page(response, name, status = 200) {
  const fields = name === "login" ? '<input name="username"><input name="password" type="password">' : "";
  response.writeHead(status, { "Content-Type": "text/html" });
  response.end(`<!doctype html><title>${name}</title><form method="post">${fields}<button>Continue</button></form>`);
}

let keys = existsSync(keysFile) ? JSON.parse(readFileSync(keysFile, "utf8")) : savedKeys([newKey()]);
let answer = providerWith(keys);
process.on("SIGHUP", () => {
  keys = savedKeys([newKey(), keys[0]]);
  answer = providerWith(keys);
});
createServer((request, response) => answer(request, response)).listen(port, "localhost");
