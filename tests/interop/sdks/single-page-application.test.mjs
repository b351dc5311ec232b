// auth0-spa-js in Chromium. The application is on app.localhost, because Auth0 has no silent sign-in on localhost itself.
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { after, afterEach, before, beforeEach, test } from "node:test"
import { newPage, serve, signIn } from "./chromium.mjs"

const { AUTH0_DOMAIN: domain, APP_PORT: port } = process.env
const APP = `http://app.localhost:${port}`
const API = "https://api.example.com/"
const dist = dirname(createRequire(import.meta.url).resolve("@auth0/auth0-spa-js"))
const sdk = readFileSync(join(dist, "..", "..", "dist", "auth0-spa-js.production.js"))
const OPTIONS = {
  domain,
  authorizeTimeoutInSeconds: 10,
  clientId: "example-single-page-application",
  authorizationParams: { redirect_uri: APP, audience: API, scope: "openid profile email read:items" },
}

let end, page
before(async () => {
  end = await serve(port, (request, response) => {
    const script = request.url === "/sdk.js"
    response.setHeader("Content-Type", script ? "text/javascript" : "text/html")
    response.end(script ? sdk : '<!doctype html><title>Application</title><script src="/sdk.js"></script>')
  })
})
after(() => end())
beforeEach(async () => {
  page = await newPage()
  await page.goto(APP)
})
afterEach(() => page.context().close())

/** Make the SDK's client in the page, as an application does at each load. */
function makeClient(more = {}) {
  return page.evaluate(async (options) => (window.client = await auth0.createAuth0Client(options)) && true, {
    ...OPTIONS,
    ...more,
  })
}

async function signedIn(more = {}) {
  await makeClient(more)
  await page.evaluate(() => void window.client.loginWithRedirect())
  await page.waitForURL(`https://${domain}/**`)
  await signIn(page)
  await page.waitForURL(`${APP}/?code=**`)
  await makeClient(more)
  await page.evaluate(async () => {
    await window.client.handleRedirectCallback()
    history.replaceState({}, "", "/")
  })
}

function token(options = {}) {
  return page.evaluate(async (options) => {
    try {
      return await window.client.getTokenSilently(options)
    } catch (error) {
      return { error: error.error, message: error.message }
    }
  }, options)
}

/** Record the forms that the page and the SDK's worker send to /oauth/token. */
function tokenRequests() {
  const forms = []
  page.context().on("request", (request) => {
    if (request.url().endsWith("/oauth/token")) forms.push(Object.fromEntries(new URLSearchParams(request.postData())))
  })
  return forms
}

function claims(jwt) {
  return JSON.parse(Buffer.from(jwt.split(".")[1], "base64url"))
}

test("a person signs in with a redirect", async () => {
  await signedIn()
  assert.equal((await page.evaluate(() => window.client.getUser())).email, "alice@example.com")
  assert.equal(await page.evaluate(() => window.client.isAuthenticated()), true)
  const { aud, scope } = claims(await token())
  assert.ok(aud.includes(API))
  assert.equal(scope, "openid profile email read:items")
})

test("after a reload the application gets a token silently, in a hidden frame", async () => {
  await signedIn()
  await page.reload()
  await makeClient()
  const silent = await token({ cacheMode: "off" })
  assert.equal(typeof silent, "string", JSON.stringify(silent))
  assert.ok(claims(silent).aud.includes(API))
})

test("createAuth0Client finds the session of a person after a reload, as auth0-react does", async () => {
  await signedIn()
  await page.reload()
  await makeClient()
  assert.equal((await page.evaluate(() => window.client.getUser()))?.email, "alice@example.com")
})

test("without a session the silent sign-in ends with login_required", async () => {
  await makeClient()
  assert.deepEqual(await token(), { error: "login_required", message: "Login required" })
})

test("refresh tokens rotate, and the old one does not work again", async () => {
  const forms = tokenRequests()
  await signedIn({ useRefreshTokens: true, cacheLocation: "localstorage" })
  assert.equal(typeof (await token({ cacheMode: "off" })), "string")
  assert.equal(typeof (await token({ cacheMode: "off" })), "string")
  const sent = forms.filter((form) => form.grant_type === "refresh_token").map((form) => form.refresh_token)
  assert.equal(sent.length, 2)
  assert.notEqual(sent[0], sent[1])
  const body = new URLSearchParams({
    grant_type: "refresh_token",
    client_id: OPTIONS.clientId,
    refresh_token: sent[0],
  })
  const answer = await fetch(`https://${domain}/oauth/token`, { method: "POST", body })
  assert.equal(answer.status, 400)
  assert.equal((await answer.json()).error, "invalid_grant")
})

test("logout ends the session and returns to the application", async () => {
  await signedIn()
  await page.evaluate((returnTo) => {
    history.replaceState({}, "", "/account")
    window.client.logout({ logoutParams: { returnTo } })
  }, APP)
  await page.waitForURL(`${APP}/`)
  await makeClient()
  assert.equal((await token()).error, "login_required")
})
