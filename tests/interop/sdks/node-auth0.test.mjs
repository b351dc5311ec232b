// node-auth0: the authentication client and the management client, over TLS.
import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { AuthenticationClient, ManagementClient } from "auth0"
import { createRemoteJWKSet, jwtVerify } from "jose"
import { ALICE, consent, newPage, serve, signIn } from "./chromium.mjs"

const { AUTH0_DOMAIN: domain, APP_PORT: port } = process.env
const API = "https://api.example.com/"
const CALLBACK = `http://localhost:${port}/callback`
const keys = createRemoteJWKSet(new URL(`https://${domain}/.well-known/jwks.json`))

const machine = client("example-machine", "offline-secret-of-the-machine")
const apiTests = client("example-api-tests", "offline-secret-of-the-api-tests")
const web = client("example-web-application", "offline-secret-of-the-web-application")
const management = new ManagementClient({
  domain,
  clientId: "example-set-up",
  clientSecret: "offline-secret-of-the-set-up",
})

function client(clientId, clientSecret) {
  return new AuthenticationClient({ domain, clientId, clientSecret })
}

async function verified(token, audience = API) {
  const { payload } = await jwtVerify(token, keys, { issuer: `https://${domain}/`, audience })
  return payload
}

function passwordGrant(user, more = {}) {
  return apiTests.oauth.passwordGrant({ ...user, audience: API, scope: "openid email read:items", ...more })
}

let end
before(async () => {
  end = await serve(port, (_, response) => response.end("Back in the application"))
})
after(() => end())

test("a machine gets a token", async () => {
  const { data } = await machine.oauth.clientCredentialsGrant({ audience: API })
  const claims = await verified(data.access_token)
  assert.equal(claims.sub, "example-machine@clients")
  assert.equal(claims.scope, "read:items")
})

test("a refusal is an error with Auth0's code and text", async () => {
  await assert.rejects(machine.oauth.clientCredentialsGrant({ audience: "https://nowhere.example/" }), {
    error: "access_denied",
    error_description: "Service not enabled within domain: https://nowhere.example/",
    statusCode: 403,
  })
})

test("a user signs in with the password grant, and the SDK accepts the ID token", async () => {
  const { data } = await passwordGrant(ALICE)
  assert.deepEqual((await verified(data.access_token)).permissions.sort(), ["read:items", "write:items"])
  assert.equal((await verified(data.id_token, "example-api-tests")).email, ALICE.username)
})

test("a wrong password is refused", async () => {
  await assert.rejects(passwordGrant({ ...ALICE, password: "wrong" }), {
    error: "invalid_grant",
    error_description: "Wrong email or password.",
    statusCode: 400,
  })
})

test("a code from the browser becomes tokens, which are renewed and revoked", async () => {
  const query = new URLSearchParams({
    response_type: "code",
    client_id: "example-web-application",
    redirect_uri: CALLBACK,
    audience: API,
    scope: "openid profile offline_access read:items",
  })
  const page = await newPage()
  await page.goto(`https://${domain}/authorize?${query}`)
  await signIn(page)
  await consent(page)
  await page.waitForURL(`${CALLBACK}**`)
  const code = new URL(page.url()).searchParams.get("code")
  await page.context().close()
  const { data } = await web.oauth.authorizationCodeGrant({ code, redirect_uri: CALLBACK })
  assert.equal((await verified(data.id_token, "example-web-application")).name, "Alice Adams")
  const renewed = await web.oauth.refreshTokenGrant({ refresh_token: data.refresh_token })
  assert.equal((await verified(renewed.data.access_token)).scope, "openid profile offline_access read:items")
  const token = renewed.data.refresh_token ?? data.refresh_token
  await web.oauth.revokeRefreshToken({ token })
  await assert.rejects(web.oauth.refreshTokenGrant({ refresh_token: token }), { error: "invalid_grant" })
})

test("the management client creates, finds, changes and deletes a user", async () => {
  const carol = { username: "carol@example.com", password: "Carpenter-3!" }
  const { user_id: id } = await management.users.create({
    connection: "Username-Password-Authentication",
    email: carol.username,
    password: carol.password,
    user_metadata: { plan: "gold" },
  })
  const found = await management.users.get(id)
  assert.equal(found.email, carol.username)
  assert.deepEqual(found.user_metadata, { plan: "gold" })
  await passwordGrant(carol)

  assert.equal((await management.users.update(id, { name: "Carol Clark" })).name, "Carol Clark")

  await management.users.delete(id)
  await assert.rejects(management.users.get(id), { statusCode: 404 })
  await assert.rejects(passwordGrant(carol), { error: "invalid_grant" })
})

test("the management client refuses a user without a database, and a second one with the same address", async () => {
  const alice = { connection: "Username-Password-Authentication", email: ALICE.username, password: "Wonderland-2!" }
  await assert.rejects(management.users.create(alice), { statusCode: 409 })
  await assert.rejects(management.users.create({ ...alice, connection: "nowhere", email: "d@example.com" }), {
    statusCode: 404,
  })
})

test("the management client lists users, roles, clients and APIs by pages", async () => {
  const emails = []
  for await (const user of await management.users.list({ per_page: 1 })) emails.push(user.email)
  assert.deepEqual(emails.sort(), [ALICE.username, "bob@example.com"])
  const roles = await management.roles.list()
  assert.deepEqual(
    roles.data.map((role) => role.name),
    ["editor"],
  )
  const apis = await management.resourceServers.list()
  assert.ok(apis.data.some((api) => api.identifier === API))
})

test("the management client gives a user a role, and the next token has its permissions", async () => {
  const bob = { username: "bob@example.com", password: "Builder-2" }
  const [{ user_id: id }] = await management.users.listUsersByEmail({ email: bob.username })
  const [role] = (await management.roles.list()).data
  await management.users.roles.assign(id, { roles: [role.id] })
  const { data } = await passwordGrant(bob)
  assert.deepEqual((await verified(data.access_token)).permissions.sort(), ["read:items", "write:items"])
  await management.users.roles.delete(id, { roles: [role.id] })
})

test("the management client reads the tenant log", async () => {
  await assert.rejects(passwordGrant({ ...ALICE, password: "wrong again" }))
  const { data } = await management.logs.list({ per_page: 50 })
  const failed = data.find((entry) => entry.type === "fepft")
  assert.equal(failed.client_name, "API tests")
  assert.deepEqual(await management.logs.get(failed.log_id), failed)
})

test("a person signs up, is blocked by the management client, and is let in again", async () => {
  const dora = { username: "dora@example.com", password: "Detective-4!" }
  const account = { email: dora.username, password: dora.password, connection: "Username-Password-Authentication" }
  const { data } = await apiTests.database.signUp(account)
  assert.equal(data.email_verified, false)
  await assert.rejects(apiTests.database.signUp(account), { error: "invalid_signup", statusCode: 400 })
  await passwordGrant(dora)

  const [{ user_id: id }] = await management.users.listUsersByEmail({ email: dora.username })
  await management.users.update(id, { blocked: true })
  await assert.rejects(passwordGrant(dora), { error: "unauthorized", error_description: "user is blocked" })
  await management.users.update(id, { blocked: false })
  await passwordGrant(dora)
  assert.ok((await management.users.logs.list(id)).data.some((entry) => entry.type === "sepft"))
  await management.users.delete(id)
})

test("the management client creates an organization with a connection and a member", async () => {
  const [connection] = (await management.connections.list()).data
  const enabled = [{ connection_id: connection.id, assign_membership_on_login: true }]
  const { id } = await management.organizations.create({ name: "globex", enabled_connections: enabled })
  const [alice] = await management.users.listUsersByEmail({ email: ALICE.username })
  await management.organizations.members.create(id, { members: [alice.user_id] })
  const members = (await management.organizations.members.list(id)).data
  assert.deepEqual(members.map((member) => member.email), [ALICE.username])
  const connections = (await management.organizations.enabledConnections.list(id)).data
  assert.deepEqual(connections.map((each) => each.connection_id), [connection.id])
  await management.organizations.delete(id)
  await assert.rejects(management.organizations.get(id), { statusCode: 404 })
})
