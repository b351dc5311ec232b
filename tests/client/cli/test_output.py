"""Output on pipes, narrow terminals, other encodings and other systems."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import mcp_types as types
import pytest
import typer.core
from typer.testing import CliRunner

from gatehouse_client import __version__
from gatehouse_client.cli.app import app
from gatehouse_client.mcp.session import Session
from gatehouse_client.signin.flows.browser import has_screen, private_window
from gatehouse_client.signin.flows.paste import read_stdin_line
from tests.client.fake_stack import FakeStack
from tests.client.run_command import Command

COLOURED = "\x1b[31mred\x1b[0m \N{SNOWMAN}"


@pytest.fixture
def coloured(command: Command) -> None:
    """Every tool answers with escape sequences."""

    async def call(*_: object) -> types.CallToolResult:
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=COLOURED)], structured_content={"text": COLOURED}
        )

    assert command("login").exit_code == 0
    command.monkeypatch.setattr(Session, "call", call)


@pytest.mark.usefixtures("coloured")
@pytest.mark.parametrize("variables", [{}, {"FORCE_COLOR": "1"}, {"NO_COLOR": "1"}, {"TTY_COMPATIBLE": "1"}])
def test_a_piped_result_is_the_text_as_it_is(command: Command, variables: dict[str, str]) -> None:
    assert command("call", "get_time", **variables).stdout == f"{COLOURED}\n"
    as_json = command("--json", "call", "get_time", **variables).stdout
    assert len(as_json.splitlines()) == 1
    assert json.loads(as_json)["structuredContent"] == {"text": COLOURED}
    rows = command("tools", **variables).stdout.splitlines()
    assert rows[0].split("\t")[:3] == ["get_time", "access:mcp", "[timezone=string]"]
    assert command("whoami", **variables).stdout.startswith("Person\talice@example.com\n")


@pytest.mark.parametrize("encoding", ["cp932", "cp1252"])
def test_output_in_another_encoding_is_never_an_error(command: Command, stack: FakeStack, encoding: str) -> None:
    stack.person = "ア\N{SNOWMAN}\N{GRINNING FACE}é"
    assert command("login").exit_code == 0
    for arguments in (("--help",), ("whoami",), ("whoami", "--json"), ("tools",), ("doctor",), ("call", "\N{SNOWMAN}")):
        process = command.process(*arguments, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
        assert process.stdout is not None
        assert process.stderr is not None
        out, err = process.stdout.buffer.read(), process.stderr.buffer.read()
        process.stdout.close()
        process.stderr.close()
        process.wait(60)
        assert b"Traceback" not in err, err.decode(encoding)
        text = out.decode(encoding)
        if arguments == ("whoami", "--json"):
            assert json.loads(text)["person"] == stack.person, "JSON loses nothing"
        if arguments == ("doctor",):
            assert "  v server " in text
            assert "  x " in text or " 0 wrong" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("--json", "call"),
        ("call", "--json"),
        ("--json", "nonsense"),
        ("tools", "--json", "--nonsense"),
        ("--json", "-x"),
    ],
)
def test_errors_of_the_command_line_are_json_if_results_are(command: Command, arguments: tuple[str, ...]) -> None:
    result = command(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    error = json.loads(result.stderr)
    assert error["error"] == "usage"
    assert error["message"]
    assert command(*(word for word in arguments if word != "--json"), "--", "--json").exit_code == 2


def test_with_json_the_exit_codes_stay(command: Command) -> None:
    assert command("--json", "whoami").exit_code == 3
    assert command("--json", "--help").exit_code == 0
    assert command("--json", "ask", "please fail").exit_code == 1


def test_ask_as_json_names_the_tools_that_failed(command: Command) -> None:
    assert json.loads(command("--json", "ask", "please fail").stdout)["failed_tools"] == ["fail"]
    assert json.loads(command("--json", "ask", "add 3 and 4").stdout)["failed_tools"] == []


def test_the_version(command: Command) -> None:
    assert command("--version").stdout == f"gatehouse {__version__}\n"
    assert json.loads(command("--json", "--version").stdout) == {"version": __version__}


def test_a_narrow_terminal_cuts_no_names_and_ids(command: Command, stack: FakeStack) -> None:
    stack.person = "a.person.with.a.long.name@department.corporation.example"
    assert command("login").exit_code == 0
    for columns in ("40", "80", "200"):
        with command.on_terminal("whoami", COLUMNS=columns) as session:
            assert session.end() == 0
        for value in (stack.person, stack.server, stack.issuer, "auth0|1"):
            assert value in session.text
        with command.on_terminal("tools", COLUMNS=columns) as session:
            assert session.end() == 0
        for value in ("access:mcp rooms:book", "a=integer b=integer", "[timezone=string]", "get_time"):
            assert value in session.text


@pytest.mark.parametrize("system", ["nt", "posix"])
def test_arguments_are_used_as_they_are_given_on_every_system(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str
) -> None:
    (tmp_path / "a.txt").touch()
    monkeypatch.setattr(typer.core, "os", SimpleNamespace(name=system, environ=os.environ))
    monkeypatch.setattr(sys, "argv", ["gatehouse", "call", "get_time", "timezone=*"])
    monkeypatch.setattr("typer._click.utils._expand_args", lambda *_, **__: pytest.fail("arguments are expanded"))
    monkeypatch.setenv("MCP_PUBLIC_URL", "http://localhost:1/mcp")
    with pytest.raises(SystemExit) as ended:
        app()
    assert ended.value.code == 5


@pytest.mark.parametrize(
    ("system", "variables", "screen"),
    [
        ("linux", {}, False),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("darwin", {}, True),
        ("win32", {}, True),
    ],
)
def test_a_screen_is_found_on_every_system(
    monkeypatch: pytest.MonkeyPatch, system: str, variables: dict[str, str], screen: bool
) -> None:
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", system)
    assert has_screen() is screen


def test_a_private_window_of_windows_is_found_in_the_folder_of_programs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "Microsoft/Edge/Application/msedge.exe"
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("PATH", "")
    for name in ("PROGRAMFILES", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "empty"))
    monkeypatch.setenv("PROGRAMFILES(X86)", str(tmp_path))
    assert private_window("https://x.example/") == [str(program), "--inprivate", "https://x.example/"]


def test_the_help_has_every_exit_code() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    for code in ("0 done", "1 the tool", "2 wrong usage", "3 not signed in", "4 forbidden", "5 the server", "130"):
        assert code in " ".join(shown.split())
    assert "tenant plan" in shown


@pytest.mark.anyio
@pytest.mark.parametrize("error", [OSError("not a socket"), NotImplementedError()], ids=["selector", "proactor"])
async def test_a_console_of_windows_is_read_in_a_thread(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def wait_readable(_: int) -> None:
        raise error

    monkeypatch.setattr("anyio.wait_readable", wait_readable)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: 0, readline=lambda: " アリス\n", encoding="cp932"))
    assert await read_stdin_line() == "アリス"


@pytest.mark.anyio
async def test_an_answer_is_read_in_the_encoding_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: reader, encoding="cp932"))
    os.write(writer, "アリス\n".encode("cp932"))
    assert await read_stdin_line() == "アリス"
    os.close(writer)
    assert await read_stdin_line() is None
    os.close(reader)


@pytest.mark.parametrize("token", ["日本", "a\x01b", "a b", "é"])
def test_a_token_that_cannot_be_in_a_header_is_an_error_of_configuration(command: Command, token: str) -> None:
    result = command("tools", GATEHOUSE_TOKEN=token)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "GATEHOUSE_TOKEN" in result.stderr
    assert token not in result.stderr
