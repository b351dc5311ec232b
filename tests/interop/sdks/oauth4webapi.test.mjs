// oauth4webapi: an API that validates the tenant's access tokens as JWTs (RFC 9068), and a client without a secret.
import assert from "node:assert/strict"
import { before, test } from "node:test"
import * as oauth from "oauth4webapi"

const { AUTH0_DOMAIN: domain, MOCK_IDP_CONTROL: control } = process.env
const API = "https://api.example.com/"

let server
before(async () => {
  const issuer = new URL(`https://${domain}/`)
  server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer))
})

async function machineToken() {
  const machine = { client_id: "example-machine" }
  const secret = oauth.ClientSecretPost("offline-secret-of-the-machine")
  const answer = await oauth.clientCredentialsGrantRequest(server, machine, secret, new URLSearchParams({ audience: API }))
  return (await oauth.processClientCredentialsResponse(server, machine, answer)).access_token
}

function requestWith(token) {
  return new Request("https://api.example.com/items", { headers: { Authorization: `Bearer ${token}` } })
}

async function forged(variant) {
  const headers = { "Content-Type": "application/json" }
  const body = JSON.stringify({ variant, audience: API, user: "alice@example.com" })
  return (await (await fetch(`${control}tokens`, { method: "POST", headers, body })).json()).token
}

test("the metadata of RFC 8414 is that of the discovery document", async () => {
  const issuer = new URL(`https://${domain}/`)
  const answer = await oauth.discoveryRequest(issuer, { algorithm: "oauth2" })
  assert.deepEqual(await oauth.processDiscoveryResponse(issuer, answer), server)
})

test("an access token of the API is accepted", async () => {
  const claims = await oauth.validateJwtAccessToken(server, requestWith(await machineToken()), API)
  assert.equal(claims.client_id, "example-machine")
})

for (const variant of ["expired", "foreign-audience", "foreign-issuer", "wrong-key", "unknown-kid", "alg-none"]) {
  test(`a token with the fault ${variant} is refused`, async () => {
    await assert.rejects(oauth.validateJwtAccessToken(server, requestWith(await forged(variant)), API))
  })
}
