// openid-client: discovery, code with PKCE and nonce, refresh, userinfo, revocation, device code, machine to machine.
import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import * as client from "openid-client"
import { ALICE, consent, newPage, serve, signIn } from "./chromium.mjs"

const { AUTH0_DOMAIN: domain, APP_PORT: port } = process.env
const API = "https://api.example.com/"
const CALLBACK = `http://localhost:${port}/callback`
const ISSUER = new URL(`https://${domain}/`)

let end
before(async () => {
  end = await serve(port, (_, response) => response.end("Back in the application"))
})
after(() => end())

function discovered(id, secret) {
  return client.discovery(ISSUER, id, secret, client.ClientSecretPost(secret))
}

function webApplication() {
  return discovered("example-web-application", "offline-secret-of-the-web-application")
}

/** Let alice sign in at the address. Returns the address of the callback. */
async function returned(address) {
  const page = await newPage()
  await page.goto(address.href)
  await signIn(page)
  await consent(page)
  await page.waitForURL(`${CALLBACK}**`)
  const back = new URL(page.url())
  await page.context().close()
  return back
}

async function signedIn(config, scope) {
  const checks = { pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedState: client.randomState(), expectedNonce: client.randomNonce() }
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope,
    audience: API,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: "S256",
    state: checks.expectedState,
    nonce: checks.expectedNonce,
  })
  return client.authorizationCodeGrant(config, await returned(address), checks)
}

test("the discovery document has the tenant's issuer and endpoints", async () => {
  const metadata = (await webApplication()).serverMetadata()
  assert.equal(metadata.issuer, ISSUER.href)
  assert.ok(metadata.supportsPKCE())
})

test("alice signs in, her ID token is accepted, and userinfo is hers", async () => {
  const config = await webApplication()
  const tokens = await signedIn(config, "openid email read:items")
  const { sub, email } = tokens.claims()
  assert.equal(email, ALICE.username)
  assert.equal((await client.fetchUserInfo(config, tokens.access_token, sub)).email, ALICE.username)
})

test("the refresh token gives a new access token, until it is revoked", async () => {
  const config = await webApplication()
  const tokens = await signedIn(config, "openid offline_access read:items")
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token)
  assert.equal(renewed.scope, "openid offline_access read:items")
  const newest = renewed.refresh_token ?? tokens.refresh_token
  await client.tokenRevocation(config, newest, { token_type_hint: "refresh_token" })
  await assert.rejects(client.refreshTokenGrant(config, newest), { error: "invalid_grant" })
})

test("a code is of no use with another verifier", async () => {
  const config = await webApplication()
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: "openid",
    code_challenge: await client.calculatePKCECodeChallenge(client.randomPKCECodeVerifier()),
    code_challenge_method: "S256",
  })
  const other = { pkceCodeVerifier: client.randomPKCECodeVerifier() }
  await assert.rejects(client.authorizationCodeGrant(config, await returned(address), other), { error: "invalid_grant" })
})

test("a machine gets a token of the API", async () => {
  const machine = await discovered("example-machine", "offline-secret-of-the-machine")
  assert.equal((await client.clientCredentialsGrant(machine, { audience: API })).scope, "read:items")
})
