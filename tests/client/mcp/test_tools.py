"""`tools`: what each needs, how it is called; and the shell's completion of what the list said last."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from mcp.server.mcpserver import MCPServer

from gatehouse_client.mcp.schema import call_form
from tests.client.fake_stack import FakeStack
from tests.client.run_command import Command
from tests.support.serve_in_thread import serve_in_thread


def complete(command: Command, *words: str) -> list[str]:
    """What the shell would offer for the last word."""
    asked = command(
        _GATEHOUSE_COMPLETE="complete_bash", COMP_WORDS="\n".join(["gatehouse", *words]), COMP_CWORD=str(len(words))
    )
    command.monkeypatch.delenv("_GATEHOUSE_COMPLETE")
    assert asked.stderr == ""
    return asked.stdout.split()


def test_the_list_says_what_each_tool_needs_and_how_it_is_called(command: Command) -> None:
    rows = [line.split("\t") for line in command("tools").stdout.splitlines()]
    shown = {name: (needs, arguments) for name, needs, arguments, _ in rows}
    assert shown["add"] == ("access:mcp", "a=integer b=integer")
    assert shown["get_time"] == ("access:mcp", "[timezone=string]")
    assert shown["book"] == ("access:mcp rooms:book", "room=string")
    assert {row[0]: row[3] for row in rows}["add"] == "Add two whole numbers."


def test_on_a_terminal_it_is_a_table(command: Command) -> None:
    assert command("login").exit_code == 0
    with command.on_terminal("tools") as session:
        assert session.end() == 0
    headings = next(line for line in session.text.splitlines() if line.startswith("Tool "))
    assert headings.split() == ["Tool", "Needs", "Arguments", "Description"]
    assert "access:mcp rooms:book" in session.text


@pytest.mark.parametrize(
    ("schema", "form"),
    [
        ({}, ""),
        ({"properties": {"a": {"type": "string"}}, "required": ["a"]}, "a=string"),
        ({"properties": {"a": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}, "[a=integer]"),
        ({"properties": {"a": {"type": ["string", "integer"]}}}, "[a=integer|string]"),
        ({"properties": {"a": {"enum": ["x", "y"]}}}, "[a=x|y]"),
        ({"properties": {"a": {}}}, "[a=value]"),
    ],
)
def test_arguments_are_shown_as_call_takes_them(schema: dict[str, object], form: str) -> None:
    assert call_form(schema) == form


def test_the_shell_completes_the_tools_of_the_last_list_and_their_arguments(command: Command) -> None:
    assert complete(command, "call", "") == []
    command("tools")
    assert complete(command, "call", "") == ["get_time", "add", "fail", "count", "book"]
    assert complete(command, "call", "co") == ["count"]
    assert complete(command, "call", "add", "") == ["a=", "b="]
    assert complete(command, "call", "nonsense", "") == []
    assert "whoami" in complete(command, "who")


def test_tools_of_another_server_are_not_offered(command: Command) -> None:
    command("tools")
    command.variables["MCP_PUBLIC_URL"] = "http://localhost:1/mcp"
    assert complete(command, "call", "") == []


def test_a_hostile_name_is_not_completed_and_runs_no_command(command: Command, tmp_path: Path) -> None:
    mcp = MCPServer("hostile")
    for name in ("$(touch${IFS}PWNED)", "get_time;touch PWNED", "good"):
        mcp.add_tool(hostile, name=name, description="\\$(touch PWNED)")
    with serve_in_thread(mcp.streamable_http_app(host="0.0.0.0")) as origin:
        command.variables["MCP_PUBLIC_URL"] = f"{origin}/mcp"
        listed = command("tools")
        assert "$(touch${IFS}PWNED)" in listed.stdout
        assert complete(command, "call", "") == ["good"]
        assert complete(command, "call", "$") == []
        assert complete(command, "call", "get_time") == []
        assert complete(command, "call", "good", "") == ["city="]
        memory = Path(command.variables["GATEHOUSE_HOME"]) / "tools.cache"
        kept = json.loads(memory.read_text(encoding="utf-8"))
        for shell in ("complete_zsh", "complete_fish"):
            asked = command(
                _GATEHOUSE_COMPLETE=shell,
                _TYPER_COMPLETE_ARGS="gatehouse call ",
                _TYPER_COMPLETE_FISH_ACTION="get-args",
            )
            command.monkeypatch.delenv("_GATEHOUSE_COMPLETE")
            assert "good" in asked.stdout
            assert "$" not in asked.stdout
        kept["tools"]["$(touch PWNED)"] = ["", ["$(touch PWNED)"]]
        memory.write_text(json.dumps(kept), encoding="utf-8")
        assert complete(command, "call", "") == ["good"]


async def hostile(city: str = "") -> str:
    """A tool."""
    return city


@pytest.mark.parametrize("content", ["", "{", "[]", '{"server": 1}', '{"server": "x", "tools": 1}'])
def test_a_damaged_memory_completes_nothing(command: Command, content: str) -> None:
    home = Path(command.variables["GATEHOUSE_HOME"])
    home.mkdir()
    (home / "tools.cache").write_text(content, encoding="utf-8")
    assert complete(command, "call", "") == []


def test_the_memory_is_for_the_owner_only_and_has_no_secret(stack: FakeStack, command: Command) -> None:
    command("tools")
    memory = Path(command.variables["GATEHOUSE_HOME"]) / "tools.cache"
    assert stat.S_IMODE(memory.stat().st_mode) == 0o600
    assert set(json.loads(memory.read_text(encoding="utf-8"))) == {"server", "tools"}
    assert not [token for token in stack.tokens if token in memory.read_text(encoding="utf-8")]


def test_completion_can_be_shown_for_a_shell(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    shown = command("--show-completion")
    assert shown.exit_code == 0
    assert "_GATEHOUSE_COMPLETE=complete_bash" in shown.stdout
