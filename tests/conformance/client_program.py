"""The program that the conformance suite's client scenarios run: Gatehouse's client with a scripted browser.

The suite runs `client_program.py URL`. The environment holds the scenario's name and context. Only the way to sign in
depends on the scenario; a person would also choose it by GATEHOUSE_SIGN_IN.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import webbrowser
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import mcp_types as types
from mcp.client import Client
from mcp.client.context import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client

from gatehouse_client.errors import GatehouseError
from gatehouse_client.mcp.explain import explaining_errors
from gatehouse_client.mcp.session import CLIENT_INFO, connect
from gatehouse_client.settings import load_settings
from gatehouse_client.signin.http.trace import Trace
from tests.support.free_ports import free_port

SIGN_INS = {
    "auth/client-credentials-basic": "machine",
    "auth/client-credentials-jwt": "machine",
    "auth/cross-app-access-complete-flow": "assertion",
    "auth/enterprise-managed-authorization": "assertion",
    "auth/wif-jwt-bearer": "assertion",
}
CONTEXT = {
    "issuer": "AUTH0_ISSUER",
    "client_id": "AUTH0_CLIENT_ID",
    "client_secret": "AUTH0_CLIENT_SECRET",
    "private_key_pem": "AUTH0_CLIENT_PRIVATE_KEY",
    "valid_jwt": "GATEHOUSE_ASSERTION",
    "idp_client_id": "OAUTH_IDP_CLIENT_ID",
    "idp_id_token": "OAUTH_IDP_ID_TOKEN",
    "idp_token_endpoint": "OAUTH_IDP_TOKEN_ENDPOINT",
}
METADATA_URL = "https://conformance-test.local/client-metadata.json"
EXAMPLES: dict[str, Any] = {"integer": 5, "number": 5, "string": "x", "boolean": True, "array": [], "object": {}}


def main() -> int:
    """Exit code 0 if every step succeeded."""
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    webbrowser.open = browse  # all other code is the client's own
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(dict(variables(sys.argv[1], context, home)))
        os.chdir(home)
        try:
            asyncio.run(call_all_tools(context))
        except GatehouseError as error:
            sys.stderr.write(f"{error}\n")
            return error.exit_code
    return 0


def variables(url: str, context: dict[str, Any], home: str) -> Iterator[tuple[str, str]]:
    """The client's settings."""
    yield "MCP_PUBLIC_URL", url
    yield "GATEHOUSE_HOME", home
    yield "GATEHOUSE_KEYRING", "0"
    yield "GATEHOUSE_SIGN_IN", SIGN_INS.get(os.environ.get("MCP_CONFORMANCE_SCENARIO", ""), "browser")
    yield "BROWSER", "scripted"
    yield "OAUTH_CALLBACK_URI", f"http://localhost:{free_port()}/callback"
    yield "OAUTH_CALLBACK_TIMEOUT", "20"
    yield "OAUTH_CLIENT_METADATA_URL", METADATA_URL
    yield from ((CONTEXT[name], value) for name, value in context.items() if name in CONTEXT)


async def call_all_tools(context: dict[str, Any]) -> None:
    """Sign in, list the tools, call each of them."""
    settings = load_settings()
    connection = await connect(settings, lambda line: sys.stderr.write(f"{line}\n") and None, Trace())
    with explaining_errors(connection.url):
        async with connection.http_client() as http:
            transport = streamable_http_client(connection.url, http_client=http)
            client = Client(
                transport,
                mode=connection.mode,
                prior_discover=connection.discovered,
                client_info=CLIENT_INFO,
                cache=None,
                elicitation_callback=accept_defaults,
            )
            async with client:
                tools = (await client.list_tools()).tools
                calls = context.get("toolCalls") or [
                    {"name": tool.name, "arguments": example(tool, tools)} for tool in tools
                ]
                for call in calls:
                    await client.call_tool(call["name"], call.get("arguments") or {})


def example(tool: types.Tool, tools: list[types.Tool]) -> dict[str, Any]:
    """Arguments that the tool's schema allows. An argument named `schema` gets the schema of the first tool."""
    properties = tool.input_schema.get("properties", {})
    values = EXAMPLES | ({"object": tools[0].input_schema} if "schema" in properties else {})
    required = tool.input_schema.get("required", [])
    return {name: values[properties.get(name, {}).get("type", "string")] for name in required}


async def accept_defaults(_: ClientRequestContext, parameters: types.ElicitRequestParams) -> types.ElicitResult:
    """Accept the form with its default values."""
    properties = getattr(parameters, "requested_schema", {}).get("properties", {})
    content = {
        name: schema.get("default", EXAMPLES[schema.get("type", "string")]) for name, schema in properties.items()
    }
    return types.ElicitResult(action="accept", content=content)


def browse(url: str) -> bool:
    """The browser: follows the redirects to the client's own callback."""
    try:
        urlopen(url, timeout=20).close()
    except HTTPError as error:
        error.close()
    return True


if __name__ == "__main__":
    sys.exit(main())
