"""Applications with a client library of others: one program for each language, in programs/."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import ClassVar

from tests.interop.clients.client import ALICE, McpClient, operations_as_json
from tests.support.stack import DEMO_CLIENT

PROGRAMS = Path(__file__).with_name("programs")


class _Library(McpClient):
    def run(self, *operations: str, user: str = ALICE, browser: bool = True) -> str:
        secrets = [DEMO_CLIENT["AUTH0_CLIENT_ID"], DEMO_CLIENT["AUTH0_CLIENT_SECRET"]] if self.registered else []
        told = [self.name, self.stack.mcp_url, str(self.stack.callback_port), operations_as_json(self, operations)]
        environment = self.environment(user, browser, ISSUER=self.stack.issuer)
        return self.finished([*self._program(), *told, *secrets], environment)

    def _program(self) -> list[str]:
        raise NotImplementedError


class _JavaScript(_Library):
    def _program(self) -> list[str]:
        # Node looks for packages in the folders above the script.
        script = self.machine.modules.parent / "javascript_client.mjs"
        shutil.copyfile(PROGRAMS / script.name, script)
        return [str(self.machine.modules / "node" / "bin" / "node"), str(script)]


class _Python(_Library):
    of_the_tests: ClassVar[bool] = True
    """Whether the library stands in the environment of the tests; else in one with the SDK 1."""

    def _program(self) -> list[str]:
        python = sys.executable if self.of_the_tests else str(self.machine.python)
        return [python, str(PROGRAMS / "python_client.py")]


class TypeScriptSdk1(_JavaScript):
    name, package = "typescript-1", "@modelcontextprotocol/sdk"


class TypeScriptSdk2(_JavaScript):
    name, package = "typescript-2", "@modelcontextprotocol/client"


class AiSdk(_JavaScript):
    name, package = "ai-sdk", "@ai-sdk/mcp"


class PythonSdk1(_Python):
    name, package, of_the_tests = "python-1", "mcp", False


class PythonSdk2(_Python):
    name, package = "python-2", "mcp"


class LangChain(_Python):
    name, package, of_the_tests = "langchain", "langchain-mcp-adapters", False


class FastMcp(_Python):
    name, package = "fastmcp", "fastmcp-slim"

    def environment(self, user: str, browser: bool, **more: str) -> dict[str, str]:
        plain = super().environment(user, browser, **more)
        # Python's webbrowser waits for a program without `&`, and with it the client's callback.
        return {**plain, "BROWSER": f"{plain['BROWSER']} %s &"} if browser else plain


class PydanticAi(FastMcp):
    name, package = "pydantic-ai", "pydantic-ai-slim"
