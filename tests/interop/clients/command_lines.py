"""MCP clients with a command line: the MCP Inspector, mcporter, and mcp-remote, which bridges to stdio."""

from __future__ import annotations

import asyncio
import json

from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.interop.clients.client import (
    ALICE,
    ARGUMENTS,
    LIST,
    SECONDS,
    WAIT,
    McpClient,
    wait,
    without_queries,
    words_of_the_page,
)
from tests.support.judged import Miss
from tests.support.stack import DEMO_CLIENT

CLIENT_ID, CLIENT_SECRET = DEMO_CLIENT["AUTH0_CLIENT_ID"], DEMO_CLIENT["AUTH0_CLIENT_SECRET"]


class Inspector(McpClient):
    """The Inspector's command line. A process for each operation."""

    name, package = "inspector", "@modelcontextprotocol/inspector"

    def run(self, *operations: str, user: str = ALICE, browser: bool = True) -> str:
        more = {"MCP_AUTO_OPEN_ENABLED": "true", "MCP_INSPECTOR_SECRET_STORE": "file"}
        environment = self.environment(user, browser, **more)
        words, _ = words_of_the_page(self.package, self.stack.mcp_url)
        assert words[-2:] == self._words(LIST)
        command = [str(self.machine.programs / "mcp-inspector"), *words[:-2]]
        if self.registered:
            command += ["--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET]
            command += ["--callback-url", f"http://localhost:{self.stack.callback_port}/callback"]
        return "\n".join(
            wait(self) if each == WAIT else self.finished([*command, *self._words(each)], environment)
            for each in operations
        )

    def _words(self, operation: str) -> list[str]:
        if operation == LIST:
            return ["--method", "tools/list"]
        words = [f"{name}={value}" for name, value in ARGUMENTS[operation].items()]
        return ["--method", "tools/call", "--tool-name", operation, "--tool-arg", *words]


class McPorter(McpClient):
    """mcporter. `auth` signs in, then a process for each operation."""

    name, package = "mcporter", "mcporter"

    def run(self, *operations: str, user: str = ALICE, browser: bool = True) -> str:
        environment = self.environment(user, browser, MCPORTER_SECRET=CLIENT_SECRET)
        program = str(self.machine.programs / "mcporter")
        if not (self.home / "added").exists():
            words, login, _ = words_of_the_page("mcporter", self.stack.mcp_url)
            add = [program, *words]
            if self.registered:
                add += ["--oauth-client-id", CLIENT_ID, "--oauth-client-secret-env", "MCPORTER_SECRET"]
                add += ["--oauth-token-endpoint-auth-method", "client_secret_post"]
                add += ["--oauth-redirect-url", f"http://localhost:{self.stack.callback_port}/callback"]
            self.finished(add, environment)
            self.finished([program, *login], environment)
            (self.home / "added").touch()
        return "\n".join(
            wait(self) if each == WAIT else self.finished([program, *self._words(each)], environment)
            for each in operations
        )

    def _words(self, operation: str) -> list[str]:
        if operation == LIST:
            return words_of_the_page("mcporter", self.stack.mcp_url)[-1]
        words = [f"{name}={value}" for name, value in ARGUMENTS[operation].items()]
        return ["call", f"gatehouse.{operation}", *words]


class McpRemote(McpClient):
    """mcp-remote, between a client over stdio and the server."""

    name, package = "mcp-remote", "mcp-remote"

    def run(self, *operations: str, user: str = ALICE, browser: bool = True) -> str:
        words = [self.stack.mcp_url, str(self.stack.callback_port), "--transport", "http-only"]
        if self.registered:
            client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
            words += ["--static-oauth-client-info", json.dumps(client)]
        command = StdioServerParameters(
            command=str(self.machine.programs / "mcp-remote"), args=words, env=self.environment(user, browser)
        )
        try:
            return asyncio.run(asyncio.wait_for(self._through(command, operations), SECONDS))
        except TimeoutError:
            raise Miss(f"mcp-remote did not end in {SECONDS} s: {self._log()}") from None
        except Exception as error:
            raise Miss(f"mcp-remote: {error}: {self._log()}") from error

    async def _through(self, command: StdioServerParameters, operations: tuple[str, ...]) -> str:
        seen = []
        with (self.home / "mcp-remote.log").open("w", encoding="utf-8") as log:
            async with stdio_client(command, errlog=log) as streams, ClientSession(*streams) as session:
                await session.initialize()
                for operation in operations:
                    if operation == WAIT:
                        seen.append(await asyncio.to_thread(wait, self))
                    elif operation == LIST:
                        seen.append((await session.list_tools()).model_dump_json())
                    else:
                        answer = await session.call_tool(operation, dict(ARGUMENTS[operation]))
                        seen.append(answer.model_dump_json())
        return "\n".join(seen)

    def _log(self) -> str:
        return without_queries((self.home / "mcp-remote.log").read_text(encoding="utf-8"))[-2000:]
