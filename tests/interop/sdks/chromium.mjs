// The machine's Chromium, and a person who signs in at the tenant's page.
import { createServer } from "node:http"
import { chromium } from "@playwright/test"

export const ALICE = { username: "alice@example.com", password: "Wonderland-1" }

export function launch() {
  const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
  return chromium.launch({ executablePath: process.env.CHROMIUM, args })
}

/** A window with cookies of its own. It takes any certificate: Chromium has no setting for one more authority. */
export async function newPage(browser) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true })
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
