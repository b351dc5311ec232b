"""Agents of others. They sign in and connect without an account; a call of a tool needs a model."""

from __future__ import annotations

import json
from typing import ClassVar

from tests.interop.clients.client import ALICE, LIST, URL, WAIT, McpClient, wait, words_of_the_page
from tests.support.documents import blocks
from tests.support.judged import CannotDo, Miss
from tests.support.pty_session import on_terminal
from tests.support.stack import DEMO_CLIENT


class _Agent(McpClient):
    """An agent.

    Attributes:
        command: the name of its program.
    """

    shows_tools = False
    command: ClassVar[str]

    def run(self, *operations: str, user: str = ALICE, browser: bool = True) -> str:
        if {*operations} - {LIST, WAIT}:
            raise CannotDo("calls a tool only when a model asks for it")
        environment = self._environment(user, browser)
        if not (self.home / "signed-in").exists():
            self._sign_in(environment)
            (self.home / "signed-in").touch()
        return "\n".join(wait(self) if each == WAIT else self._tools(environment) for each in operations)

    @property
    def _program(self) -> str:
        return str(self.machine.programs / self.command)

    def _environment(self, user: str, browser: bool) -> dict[str, str]:
        return self.environment(user, browser)

    def _sign_in(self, environment: dict[str, str]) -> None:
        raise NotImplementedError

    def _tools(self, environment: dict[str, str]) -> str:
        """What it says of the server, to which it has connected."""
        raise NotImplementedError

    def _on_terminal(self, command: list[str], environment: dict[str, str]) -> str:
        """The output of a command that asks for a terminal."""
        with on_terminal(command, cwd=self.home, env=environment) as terminal:
            try:
                code = terminal.end()
            except AssertionError as error:
                raise Miss(f"`{' '.join(command[1:])}` did not end: {terminal.text[-2000:]}") from error
        browser = (self.home / "browser.log").read_text(encoding="utf-8")
        if code != 0:
            raise Miss(f"`{' '.join(command[1:])}` ended with {code}: {terminal.text[-2000:]}\nThe browser: {browser}")
        return terminal.text


class ClaudeCode(_Agent):
    name, package, command = "claude-code", "@anthropic-ai/claude-code", "claude"
    document = r"https://claude\.ai/oauth/claude-code-client-metadata"

    def _sign_in(self, environment: dict[str, str]) -> None:
        add, login = words_of_the_page(self.command, self.stack.mcp_url)
        if self.registered:
            environment = {**environment, "MCP_CLIENT_SECRET": DEMO_CLIENT["AUTH0_CLIENT_SECRET"]}
            add += ["--client-id", DEMO_CLIENT["AUTH0_CLIENT_ID"], "--client-secret"]
            add += ["--callback-port", str(self.stack.callback_port)]
        self.finished([self._program, *add], environment)
        # Without a terminal the program refuses to sign in.
        self._on_terminal([self._program, *login], environment)

    def _tools(self, environment: dict[str, str]) -> str:
        said = self.finished([self._program, "mcp", "list"], environment)
        if "Connected" not in said:
            raise Miss(f"`claude mcp list` says: {said}")
        return said


class Codex(_Agent):
    """Codex. It signs in when the server is added, and connects in a session only."""

    name, package, command = "codex", "@openai/codex", "codex"
    document = r"https://chatgpt\.com/oauth/codex/client\.json"
    document_without_iss = r"https://chatgpt\.com/oauth/codex/[\w-]+/client\.json"

    def _environment(self, user: str, browser: bool) -> dict[str, str]:
        (self.home / "codex").mkdir(exist_ok=True)
        port = f"mcp_oauth_callback_port = {self.stack.callback_port}\n" if self.registered else ""
        if not (self.home / "codex" / "config.toml").exists():
            (self.home / "codex" / "config.toml").write_text(port, encoding="utf-8")
        return self.environment(user, browser, CODEX_HOME=str(self.home / "codex"))

    def _sign_in(self, environment: dict[str, str]) -> None:
        (words,) = words_of_the_page(self.command, self.stack.mcp_url)
        add = [self._program, *words]
        if self.registered:
            add += ["--oauth-client-id", DEMO_CLIENT["AUTH0_CLIENT_ID"]]
            add += ["--oauth-client-secret", DEMO_CLIENT["AUTH0_CLIENT_SECRET"]]
        self.finished(add, environment)

    def run(self, *operations: str, user: str = ALICE, browser: bool = True) -> str:
        if user != ALICE or operations != (LIST,) or not browser:
            raise CannotDo("connects to a server only in a session, which needs a model")
        return super().run(*operations, user=user, browser=browser)

    def _tools(self, environment: dict[str, str]) -> str:
        said = self.finished([self._program, "mcp", "list", "--json"], environment)
        (server,) = json.loads(said)
        if server.get("auth_status") not in ("o_auth", "oauth"):
            raise Miss(f"`codex mcp list` says: {server}")
        return said


class OpenCode(_Agent):
    name, package, command = "opencode", "opencode-ai", "opencode"
    callbacks = ("http://127.0.0.1:19876/mcp/oauth/callback",)

    def _sign_in(self, environment: dict[str, str]) -> None:
        page = next(block.text for block in blocks("docs/clients.md", language="json"))
        configuration = json.loads(page.replace(URL, self.stack.mcp_url))
        if self.registered:
            secrets = {"clientId": DEMO_CLIENT["AUTH0_CLIENT_ID"], "clientSecret": DEMO_CLIENT["AUTH0_CLIENT_SECRET"]}
            configuration["mcp"]["gatehouse"]["oauth"] = secrets
        (self.home / "opencode.json").write_text(json.dumps(configuration), encoding="utf-8")
        self._on_terminal([self._program, "mcp", "auth", "gatehouse"], environment)

    def _tools(self, environment: dict[str, str]) -> str:
        said = self.finished([self._program, "mcp", "list"], environment)
        if "connected" not in said:
            raise Miss(f"`opencode mcp list` says: {said}")
        return said


class GeminiCli(_Agent):
    """Gemini CLI. It signs in only in a session, which starts without a model if there is any key."""

    name, package, command = "gemini-cli", "@google/gemini-cli", "gemini"

    def _environment(self, user: str, browser: bool) -> dict[str, str]:
        more = {"GEMINI_API_KEY": "none", "GEMINI_CLI_TRUST_WORKSPACE": "true", "GEMINI_FORCE_FILE_STORAGE": "true"}
        return self.environment(user, browser, **more)

    def _sign_in(self, environment: dict[str, str]) -> None:
        (page,) = [each.text for each in blocks("docs/clients.md", language="json") if '"scopes"' in each.text]
        settings = json.loads(page.replace(URL, self.stack.mcp_url))
        if self.registered:
            settings["mcpServers"]["gatehouse"]["oauth"] |= {
                "clientId": DEMO_CLIENT["AUTH0_CLIENT_ID"],
                "clientSecret": DEMO_CLIENT["AUTH0_CLIENT_SECRET"],
                "redirectUri": f"http://localhost:{self.stack.callback_port}/oauth/callback",
            }
        settings |= {"security": {"auth": {"selectedType": "gemini-api-key"}}}
        settings |= {"general": {"enableAutoUpdate": False}, "privacy": {"usageStatisticsEnabled": False}}
        (self.home / ".gemini").mkdir()
        (self.home / ".gemini" / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        with on_terminal([self._program], cwd=self.home, env=environment) as terminal:
            try:
                terminal.until("Type your message")
                terminal.press("/mcp auth gatehouse")
                terminal.until("\n gatehouse ")  # what it suggests; before that, Enter would be a part of the text
                terminal.press("\r")
                terminal.until("Do you want to continue?")
                terminal.press("\r")
                terminal.until("uccessfully authenticated and reloaded")
            except AssertionError as error:
                raise Miss(f"`/mcp auth gatehouse` did not succeed: {terminal.text[-2000:]}") from error

    def _tools(self, environment: dict[str, str]) -> str:
        said = self._on_terminal([self._program, "mcp", "list"], environment)
        if "Connected" not in said:
            raise Miss(f"`gemini mcp list` says: {said}")
        return said
