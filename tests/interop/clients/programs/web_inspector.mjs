// The MCP Inspector's web page in Chromium, and a person who uses it: connects, signs in at the tenant's pages if they
// are shown, lists the tools, runs one, and agrees to further permissions. Prints what the page shows.
// node web_inspector.mjs ISSUER OPERATIONS COMMAND...
// OPERATIONS is as of javascript_client.mjs. COMMAND starts the Inspector. PASSWORD is the person's; without it nobody signs in.
import { spawn } from "node:child_process"
import { chromium } from "@playwright/test"

const [issuer, operations, program, ...words] = process.argv.slice(2)
const { CHROMIUM, HOME, PASSWORD, ROBOT_USER } = process.env
const SECONDS = 30

const inspector = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] })
const address = await new Promise((resolve, reject) => {
  let said = ""
  inspector.stdout.on("data", (data) => {
    said += data
    const found = said.match(/http:\/\/\S+\?MCP_INSPECTOR_API_TOKEN=\w+/)
    if (found) resolve(found[0])
  })
  inspector.on("exit", (code) => reject(new Error(`the Inspector ended with ${code}: ${said}`)))
})
const context = await chromium.launchPersistentContext(`${HOME}/profile`, {
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
})
context.setDefaultTimeout(SECONDS * 1000)
const page = context.pages()[0]

const seen = (...locators) => Promise.any(locators.map((each, number) => each.waitFor().then(() => number)))
const text = () => page.locator("body").innerText()

// Do what the tenant asks for, until its pages lead back.
async function signIn() {
  if (!PASSWORD) throw new Error("a person would have to sign in")
  while (page.url().startsWith(issuer)) {
    const before = page.url()
    if (await page.locator("#username").count()) {
      await page.locator("#username").fill(ROBOT_USER)
      await page.locator("#password").fill(PASSWORD)
      await page.locator("#action").first().click()
    } else {
      await page.locator("button[value=accept]").click()
    }
    await page.waitForURL((url) => url.href !== before)
  }
}

async function connected() {
  const ready = page.getByText("Connected", { exact: true })
  const failed = page.getByText("Failed", { exact: true })
  for (;;) {
    const outcome = await seen(ready, failed, page.locator("#username"), page.locator("button[value=accept]"))
    if (outcome === 0) return
    if (outcome === 1) throw new Error(`no connection: ${await text()}`)
    await signIn()
  }
}

async function tools() {
  await page.getByText("Tools", { exact: true }).first().click()
  await page.getByRole("button", { name: "get_time", exact: true }).waitFor()
}

async function connect() {
  await page.goto(address)
  const toggle = page.getByRole("switch", { name: /^Connect or disconnect/ })
  await toggle.waitFor()
  if (!(await toggle.isChecked())) await toggle.click({ force: true }) // a part of the page lies over the switch
  await connected()
}

async function call(name, input) {
  await tools()
  await page.getByRole("button", { name, exact: true }).click()
  for (const [field, value] of Object.entries(input)) {
    const label = new RegExp(`^${field.replaceAll("_", " ")}\\b`, "i")
    await page.getByRole("textbox", { name: label }).fill(value)
  }
  await page.getByRole("button", { name: "Execute Tool" }).click()
  const more = page.getByRole("button", { name: "Authorize", exact: true })
  if ((await seen(page.getByText("Results", { exact: true }), more)) === 0) return
  await more.click()
  await page.waitForURL(`${issuer}**`)
  await signIn()
  await connected()
  await call(name, input)
}

let code = 0
try {
  for (const [operation, ...more] of JSON.parse(operations)) {
    if (operation === "wait") {
      console.log(await (await fetch(more[0])).text())
      continue
    }
    await connect()
    await (operation === "list" ? tools() : call(...more))
    console.log(await text())
  }
} catch (error) {
  console.error(`${error}\n${await text()}`)
  code = 1
}
await context.close()
inspector.kill()
process.exit(code)
