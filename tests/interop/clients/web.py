"""MCP clients with a web page: the MCP Inspector in Chromium."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from tests.interop.clients.client import ALICE, McpClient, operations_as_json, words_of_the_page
from tests.support.scripted_browser import PASSWORDS
from tests.support.stack import DEMO_CLIENT

PROGRAM = Path(__file__).with_name("programs") / "web_inspector.mjs"


class WebInspector(McpClient):
    """The Inspector's web page. A program and a window for each run; the profile of the window is kept."""

    name, package = "inspector-web", "@modelcontextprotocol/inspector"

    def run(self, *operations: str, user: str = ALICE, browser: bool = True) -> str:
        # Node looks for packages in the folders above the script.
        script = self.machine.modules.parent / PROGRAM.name
        shutil.copyfile(PROGRAM, script)
        environment = self.environment(
            user,
            browser,
            CHROMIUM=os.environ.get("CHROMIUM") or "/usr/bin/chromium",
            CLIENT_PORT=str(self.stack.callback_port),
            MCP_AUTO_OPEN_ENABLED="false",
            MCP_INSPECTOR_SECRET_STORE="file",
            PASSWORD=PASSWORDS[user] if browser else "",
        )
        command = [str(self.machine.programs / "mcp-inspector"), *self._words()]
        node = str(self.machine.modules / "node" / "bin" / "node")
        return self.finished(
            [node, str(script), self.stack.issuer, operations_as_json(self, operations), *command], environment
        )

    def _words(self) -> list[str]:
        if not self.registered:
            return words_of_the_page(self.package, self.stack.mcp_url)[-1]
        secrets = {"clientId": DEMO_CLIENT["AUTH0_CLIENT_ID"], "clientSecret": DEMO_CLIENT["AUTH0_CLIENT_SECRET"]}
        server = {"type": "streamable-http", "url": self.stack.mcp_url, "oauth": secrets}
        configuration = self.home / "mcp.json"
        configuration.write_text(json.dumps({"mcpServers": {"gatehouse": server}}), encoding="utf-8")
        return ["--config", str(configuration)]
