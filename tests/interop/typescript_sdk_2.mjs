// The client of the TypeScript SDK 2 against the running stack: signs in, lists, calls, steps up. Prints what it saw as JSON.
// node typescript_sdk_2.mjs MCP_URL CALLBACK_PORT [CLIENT_ID CLIENT_SECRET]; without them the client registers itself.
// $BROWSER_COMMAND (words in JSON) is given the address to open.
import { spawn } from "node:child_process";
import { createServer } from "node:http";

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";

const [url, port, clientId, clientSecret] = process.argv.slice(2);
const redirectUrl = `http://localhost:${port}/callback`;
const asked = [];
let answered;

const listener = createServer((request, response) => {
  const query = new URL(request.url, redirectUrl).searchParams;
  response.end("Done.");
  answered(query);
});
await new Promise((ready) => listener.listen(Number(port), "localhost", ready));

class Provider {
  redirectUrl = redirectUrl;
  clientMetadata = {
    client_name: "Somebody's TypeScript client",
    redirect_uris: [redirectUrl],
    grant_types: ["authorization_code"],
    token_endpoint_auth_method: "none",
  };
  client = clientId ? { client_id: clientId, client_secret: clientSecret } : undefined;

  clientInformation() { return this.client; }
  saveClientInformation(client) { this.client = client; }
  tokens() { return this.kept; }
  saveTokens(tokens) { this.kept = tokens; }
  codeVerifier() { return this.verifier; }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  redirectToAuthorization(address) {
    asked.push(address.searchParams.get("scope"));
    this.answer = new Promise((resolve) => { answered = resolve; });
    const [command, ...words] = JSON.parse(process.env.BROWSER_COMMAND);
    spawn(command, [...words, address.href], { stdio: ["ignore", "ignore", "inherit"] });
  }
}

const provider = new Provider();

// What an application does around the SDK: when it must ask the person, finish the sign-in and try again.
async function signedIn(transport, work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await transport().finishAuth(await provider.answer);
    return await work();
  }
}

let transport;
const client = new Client({ name: "typescript", version: "1" });
await signedIn(() => transport, async () => {
  transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
  await client.connect(transport);
});
const tools = (await client.listTools()).tools.map((tool) => tool.name);
const who = await client.callTool({ name: "whoami", arguments: {} });
const convert = { time: "2026-07-28T09:30", from_timezone: "Asia/Tokyo", to_timezone: "UTC" };
const converted = await signedIn(() => transport, () => client.callTool({ name: "convert_time", arguments: convert }));
console.log(JSON.stringify({ tools, who: who.structuredContent, converted: converted.structuredContent, asked }));
await client.close();
listener.close();
