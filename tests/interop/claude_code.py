"""Claude Code: `claude mcp add`, `claude mcp login` on a terminal, `claude mcp list`."""

from __future__ import annotations

from pathlib import Path

from tests.interop import signed_in
from tests.support.processes import run_program
from tests.support.pty_session import on_terminal
from tests.support.stack import LocalStack

DOCUMENT = r"https://claude\.ai/oauth/claude-code-client-metadata"
SECONDS = 60


def problems(stack: LocalStack, programs: Path, home: Path) -> list[str]:
    """Sign in, then connect. Returns what is wrong."""
    claude, environment = str(programs / "claude"), signed_in.environment(home)

    def run(*arguments: str) -> str:
        done = run_program([claude, "mcp", *arguments], home, environment, SECONDS)
        return done.stdout + done.stderr

    run("add", "--transport", "http", "gatehouse", stack.mcp_url)
    before = run("list")
    # Without a terminal the program refuses to sign in.
    with on_terminal([claude, "mcp", "login", "gatehouse"], cwd=home, env=environment) as terminal:
        try:
            code = terminal.end()
        except AssertionError:  # it waits for the browser for ever
            code = -1
    listed = run("list")
    found = signed_in.problems(stack, DOCUMENT)
    if "Needs authentication" not in before:
        found.append(f"before the sign-in `claude mcp list` says: {before}")
    if code != 0:
        log = (home / "browser.log").read_text(encoding="utf-8")
        found.append(f"`claude mcp login` ended with {code}: {terminal.text[-2000:]}\nThe browser: {log}")
    if "Connected" not in listed:
        found.append(f"after the sign-in `claude mcp list` says: {listed}")
    if not signed_in.allowed_calls(stack):
        found.append("the MCP server allowed no request")
    return found
