// An application with a JavaScript MCP client library. Prints what it saw as JSON.
// node javascript_client.mjs LIBRARY MCP_URL CALLBACK_PORT OPERATIONS [CLIENT_ID CLIENT_SECRET]
// LIBRARY is one of the names below. OPERATIONS is JSON: [["list"], ["wait", URL], ["call", "get_time", {...}]]. Without a
// client id it registers itself. Tokens are kept in oauth.json, in the working directory. $BROWSER is a program that opens an address.
import { spawn } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"

const LIBRARIES = {
  async "typescript-1"(url, authProvider) {
    const { UnauthorizedError } = await import("@modelcontextprotocol/sdk/client/auth.js")
    const { Client } = await import("@modelcontextprotocol/sdk/client/index.js")
    const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js")
    return ofTheSdk({ Client, StreamableHTTPClientTransport, UnauthorizedError }, url, authProvider, (query) => query.get("code"))
  },
  async "typescript-2"(url, authProvider) {
    const sdk = await import("@modelcontextprotocol/client")
    return ofTheSdk(sdk, url, authProvider, (query) => query)
  },
  async "ai-sdk"(url, authProvider) {
    const { auth, createMCPClient, UnauthorizedError } = await import("@ai-sdk/mcp")
    const signedIn = signingIn(UnauthorizedError, async (query) => {
      const more = { authorizationCode: query.get("code"), callbackState: query.get("state") ?? undefined }
      await auth(authProvider, { serverUrl: new URL(url), ...more })
    })
    const client = await signedIn(() => createMCPClient({ transport: { type: "http", url, authProvider } }))
    const tools = () => signedIn(() => client.tools())
    return {
      list: async () => Object.keys(await tools()),
      call: async (name, input) => {
        const tool = (await tools())[name]
        return signedIn(() => tool.execute(input, { toolCallId: "1", messages: [] }))
      },
      close: () => client.close(),
    }
  },
}

async function ofTheSdk({ Client, StreamableHTTPClientTransport, UnauthorizedError }, url, authProvider, answerOf) {
  let transport
  const signedIn = signingIn(UnauthorizedError, (query) => transport.finishAuth(answerOf(query)))
  const client = new Client({ name: "somebody", version: "1" })
  await signedIn(() => {
    transport = new StreamableHTTPClientTransport(new URL(url), { authProvider })
    return client.connect(transport)
  })
  return {
    list: async () => (await signedIn(() => client.listTools())).tools.map((tool) => tool.name),
    call: (name, input) => signedIn(() => client.callTool({ name, arguments: input })),
    close: () => client.close(),
  }
}

// What an application does around a library: when it must ask the person, finish the sign-in and try once more.
function signingIn(UnauthorizedError, finish) {
  return async (work) => {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof UnauthorizedError)) throw error
      await finish(await provider.answer)
      return await work()
    }
  }
}

const [library, url, port, operations, clientId, clientSecret] = process.argv.slice(2)
const redirectUrl = `http://localhost:${port}/callback`
const kept = existsSync("oauth.json") ? JSON.parse(readFileSync("oauth.json", "utf8")) : {}
let answered

function keep(name, value) {
  kept[name] = value
  writeFileSync("oauth.json", JSON.stringify(kept))
}

const listener = createServer((request, response) => {
  response.end("Done.")
  answered(new URL(request.url, redirectUrl).searchParams)
})
await new Promise((ready) => listener.listen(Number(port), "localhost", ready))

const provider = {
  redirectUrl,
  clientMetadata: {
    client_name: "Somebody's JavaScript client",
    redirect_uris: [redirectUrl],
    grant_types: ["authorization_code", "refresh_token"],
    token_endpoint_auth_method: "none",
  },
  clientInformation: () => kept.client ?? (clientId && { client_id: clientId, client_secret: clientSecret, issuer: process.env.ISSUER }),
  saveClientInformation: (client) => keep("client", client),
  authorizationServerInformation: () => kept.server,
  saveAuthorizationServerInformation: (server) => keep("server", server),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => keep("tokens", tokens),
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => keep("verifier", verifier),
  state: () => crypto.randomUUID(),
  saveState: (state) => keep("state", state),
  storedState: () => kept.state,
  redirectToAuthorization(address) {
    this.answer = new Promise((resolve, reject) => {
      answered = resolve
      spawn(process.env.BROWSER, [address.href], { stdio: ["ignore", "ignore", "inherit"] })
        .on("exit", (code) => code && reject(new Error("No browser could be opened")))
    })
  },
}

const client = await LIBRARIES[library](url, provider)
for (const [operation, ...words] of JSON.parse(operations)) {
  const seen = operation === "wait" ? await (await fetch(words[0])).text() : await client[operation](...words)
  console.log(JSON.stringify(seen))
}
await client.close()
listener.close()
