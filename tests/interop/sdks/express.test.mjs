// express-oauth2-jwt-bearer: an Express application that protects its routes with the tenant's tokens.
import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import express from "express"
import { auth, claimIncludes, requiredScopes } from "express-oauth2-jwt-bearer"

const { AUTH0_DOMAIN: domain, AUTH0_ISSUER: issuer, MOCK_IDP_CONTROL: control } = process.env
const API = "https://api.example.com/"

let server, url
before(async () => {
  const app = express()
  app.use(auth({ issuerBaseURL: `https://${domain}/`, audience: API, tokenSigningAlg: "RS256" }))
  app.get("/items", requiredScopes("read:items"), (request, response) => response.json({ sub: request.auth.payload.sub }))
  app.post("/items", requiredScopes("write:items"), (_, response) => response.status(201).end())
  app.delete("/items", claimIncludes("permissions", "write:items"), (_, response) => response.status(204).end())
  await new Promise((resolve) => (server = app.listen(0, "localhost", resolve)))
  url = `http://localhost:${server.address().port}/items`
})
after(() => server.close())

async function post(path, form) {
  const headers = { "Content-Type": "application/json" }
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(form) })
  return answer.json()
}

async function machineToken(base = `https://${domain}/`) {
  const credentials = { client_id: "example-machine", client_secret: "offline-secret-of-the-machine" }
  const answer = await post(`${base}oauth/token`, { grant_type: "client_credentials", audience: API, ...credentials })
  return answer.access_token
}

async function userToken(scope) {
  const answer = await post(`https://${domain}/oauth/token`, {
    grant_type: "password",
    username: "alice@example.com",
    password: "Wonderland-1",
    audience: API,
    scope,
    client_id: "example-api-tests",
    client_secret: "offline-secret-of-the-api-tests",
  })
  return answer.access_token
}

function call(token, method = "GET") {
  return fetch(url, { method, headers: token ? { Authorization: `Bearer ${token}` } : {} })
}

test("a machine with the scope gets 200", async () => {
  const answer = await call(await machineToken())
  assert.equal(answer.status, 200)
  assert.deepEqual(await answer.json(), { sub: "example-machine@clients" })
})

test("a token without the scope gets 403 insufficient_scope", async () => {
  const answer = await call(await machineToken(), "POST")
  assert.equal(answer.status, 403)
  assert.match(answer.headers.get("www-authenticate"), /error="insufficient_scope".*scope="write:items"/)
})

test("a user with the scope and the permission gets 201 and 204", async () => {
  const token = await userToken("openid write:items")
  assert.equal((await call(token, "POST")).status, 201)
  assert.equal((await call(token, "DELETE")).status, 204)
})

test("a permission that is not in the token gets 401", async () => {
  assert.equal((await call(await machineToken(), "DELETE")).status, 401)
})

test("no token gets 401 with a challenge", async () => {
  const answer = await call(null)
  assert.equal(answer.status, 401)
  assert.match(answer.headers.get("www-authenticate"), /^Bearer realm="api"/)
})

test("a token of the tenant's other issuer gets 401", async () => {
  assert.equal((await call(await machineToken(issuer))).status, 401)
})

for (const variant of ["expired", "foreign-audience", "foreign-issuer", "wrong-key", "unknown-kid", "alg-none"]) {
  test(`a token with the fault ${variant} gets 401`, async () => {
    const { token } = await post(`${control}tokens`, { variant, audience: API, user: "alice@example.com" })
    assert.ok(token)
    const answer = await call(token)
    assert.equal(answer.status, 401)
    assert.match(answer.headers.get("www-authenticate"), /error="invalid_token"/)
  })
}
