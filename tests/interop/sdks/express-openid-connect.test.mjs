// express-openid-connect: an Express application whose pages need a sign-in, in Chromium.
import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import express from "express"
import oidc from "express-openid-connect"
import { ALICE, consent, newPage, signIn } from "./chromium.mjs"

const { AUTH0_DOMAIN: domain, APP_PORT: port } = process.env
const APP = `http://localhost:${port}`

let server
before(async () => {
  const app = express()
  app.use(
    oidc.auth({
      issuerBaseURL: `https://${domain}/`,
      baseURL: APP,
      clientID: "example-web-application",
      clientSecret: "offline-secret-of-the-web-application",
      secret: "the cookies of this application are encrypted with this",
      authRequired: false,
      idpLogout: true,
      clientAuthMethod: "client_secret_post",
      authorizationParams: { response_type: "code", audience: "https://api.example.com/", scope: "openid profile email read:items" },
    }),
  )
  app.get("/", (request, response) => response.send(request.oidc.isAuthenticated() ? "in" : "out"))
  app.get("/profile", oidc.requiresAuth(), async (request, response) => {
    const userinfo = await request.oidc.fetchUserInfo()
    response.json({ user: request.oidc.user.email, userinfo: userinfo.email, type: request.oidc.accessToken.token_type })
  })
  await new Promise((resolve) => (server = app.listen(port, "localhost", resolve)))
})
after(() => server.close())

test("a page that needs a sign-in leads to the tenant and back, and logout ends both sessions", async () => {
  const page = await newPage()
  await page.goto(`${APP}/profile`)
  await signIn(page)
  await consent(page)
  await page.waitForURL(`${APP}/profile`)
  const seen = JSON.parse(await page.locator("body").innerText())
  assert.deepEqual(seen, { user: ALICE.username, userinfo: ALICE.username, type: "Bearer" })

  await page.goto(`${APP}/logout`)
  await page.waitForURL(`${APP}/`)
  assert.equal(await page.locator("body").innerText(), "out")
  await page.goto(`${APP}/profile`)
  assert.equal(await page.locator("#password").count(), 1)
  await page.context().close()
})

test("a callback that this browser did not begin is refused", async () => {
  const answer = await fetch(`${APP}/callback?code=abc&state=abc`, { redirect: "manual" })
  assert.equal(answer.status, 400)
})
