// The machine's Chromium, and a person who signs in at the tenant's page.
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { chromium } from "@playwright/test"

export const ALICE = { username: "alice@example.com", password: "Wonderland-1" }

// A silent sign-in without refresh tokens needs the tenant's cookie in a frame. By default Chromium sends none there, if
// the application is of another site.
const ALLOW_COOKIES_IN_FRAMES = { profile: { cookie_controls_mode: 0, block_third_party_cookies: false } }

/** A window with a profile of its own. It takes any certificate: Chromium has no setting for one more authority. */
export async function newPage() {
  const profile = mkdtempSync(join(process.env.HOME, "profile-"))
  mkdirSync(join(profile, "Default"))
  writeFileSync(join(profile, "Default", "Preferences"), JSON.stringify(ALLOW_COOKIES_IN_FRAMES))
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    ignoreHTTPSErrors: true,
  })
  context.setDefaultTimeout(10_000)
  return context.newPage()
}

export async function signIn(page, user = ALICE) {
  await page.locator("#username").fill(user.username)
  await page.locator("#password").fill(user.password)
  await page.locator("#action").first().click()
}

/** Auth0 asks for consent if the callback is on localhost. */
export function consent(page) {
  return page.locator("button[value=accept]").click()
}

/** Serve an application at a port of localhost. Returns the function that ends it. */
export async function serve(port, answer) {
  const server = createServer(answer)
  await new Promise((resolve) => server.listen(port, "localhost", resolve))
  return () => server.close()
}
