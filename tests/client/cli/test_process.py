"""The command as a process of its own: help, quiet pipes, Ctrl-C, damaged stores, no tracebacks."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.fake_stack import FakeStack
from tests.client.run_command import Command, clean_environment
from tests.support import quick_python

SECONDS = 60
# What takes long to load, and what only a session with the server or the agent needs.
MODELS = {"fastmcp", "langchain", "langchain_core", "langgraph", "langsmith"}
SLOW = {"cryptography", "mcp", "mcp_types", "prompt_toolkit", *MODELS}
SAYS_WHAT_IT_LOADED = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps([*sys.modules]), file=sys.stderr))
from gatehouse_client.cli.app import main
main()
"""


def run(command: Command, *arguments: str, **variables: str) -> tuple[int, str, str]:
    process = command.process(*arguments, **variables)
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


def test_alone_it_shows_the_help_with_the_exit_codes() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "gatehouse_client"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert shown.returncode == 0
    assert shown.stderr == ""
    for word in ("login", "logout", "tools", "call", "ask", "chat", "Exit codes", "130"):
        assert word in shown.stdout


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("arguments", ["", "login", "call", "doctor", "tenant", "tenant apply"])
def test_a_help_cuts_no_names_and_fits_the_terminal(arguments: str, columns: int) -> None:
    command = [sys.executable, "-m", "gatehouse_client", *arguments.split(), "--help"]
    shown = quick_python.run(command, env={**clean_environment(), "COLUMNS": str(columns)}, timeout=SECONDS).stdout
    lines = [line.rstrip() for line in shown.splitlines() if "Usage: " not in line]
    assert max(map(len, lines)) <= columns
    names = {"": ["--install-completion", "--show-completion"], "tenant apply": ["--show-secrets", "--env-file"]}
    for name in ("--help", *names.get(arguments, [])):
        assert f"{name} " in shown
    assert "**" not in shown


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        ("--help", SLOW | {"pydantic", "httpx2", "anyio"}),
        ("whoami", SLOW),
        ("logout", SLOW),
        ("doctor --explain all", SLOW | {"httpx2"}),
        ("tenant --help", SLOW | {"httpx2"}),
    ],
)
def test_a_command_loads_nothing_slow_that_it_does_not_need(
    command: Command, arguments: str, unneeded: set[str]
) -> None:
    loaded = loaded_by(command, *arguments.split())
    assert "gatehouse_client.cli.app" in loaded
    assert loaded & unneeded == set()


@pytest.mark.parametrize("arguments", ["call get_time", "ask what time is it"])
def test_a_call_and_a_question_to_the_offline_model_load_no_package_of_models(command: Command, arguments: str) -> None:
    assert command("login").exit_code == 0
    loaded = loaded_by(command, *arguments.split())
    assert ("gatehouse_client.agent.agent" in loaded) is arguments.startswith("ask")
    assert loaded & (MODELS | {"prompt_toolkit"}) == set()


def test_a_call_with_a_stored_token_is_three_requests_to_the_server(command: Command, stack: FakeStack) -> None:
    assert command("login").exit_code == 0
    before, tokens = len(stack.entries("mcp")), len(stack.tokens)
    assert command("call", "get_time").exit_code == 0
    methods = [entry["method"] for entry in stack.entries("mcp")[before:]]
    assert methods == ["server/discover", "tools/list", "tools/call"]
    assert len(stack.tokens) == tokens


def test_a_chat_in_a_pipe_loads_no_line_editor(command: Command) -> None:
    assert command("login").exit_code == 0
    loaded = loaded_by(command, "chat")
    assert "gatehouse_client.agent.agent" in loaded
    assert "prompt_toolkit" not in loaded


def loaded_by(command: Command, *arguments: str) -> set[str]:
    """The modules that a process of the command has loaded at its end."""
    ended = subprocess.run(
        [sys.executable, "-c", SAYS_WHAT_IT_LOADED, *arguments],
        env={**clean_environment(), **command.variables},
        cwd=command.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return set(json.loads(ended.stderr.splitlines()[-1]))


def test_a_wrong_option_exits_with_2(command: Command) -> None:
    code, out, err = run(command, "tools", "--nonsense")
    assert (code, out) == (2, "")
    assert "--nonsense" in err


def test_wrong_settings_exit_with_2_and_no_traceback(command: Command) -> None:
    code, out, err = run(command, "tools", GATEHOUSE_SIGN_IN="magic", OAUTH_CALLBACK_PORT="x")
    assert (code, out) == (2, "")
    assert "GATEHOUSE_SIGN_IN is 'magic'" in err
    assert "OAUTH_CALLBACK_PORT is 'x'" in err
    assert "Traceback" not in err


def test_the_sign_in_address_is_printed_for_a_person_without_a_browser(command: Command, stack: FakeStack) -> None:
    process = command.process("tools")
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    url = next(line.strip() for line in lines if line.startswith(stack.issuer))
    assert command.browse(url)
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert out.startswith("get_time\t")


def test_ctrl_c_while_waiting_for_the_browser_exits_with_130(command: Command, stack: FakeStack) -> None:
    process = command.process("login")
    assert process.stderr is not None
    for line in iter(process.stderr.readline, ""):
        if line.startswith(stack.issuer):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, err
    assert out == ""
    assert err.endswith("Interrupted.\n")
    assert "Traceback" not in err


def test_pipes_stay_quiet_and_nothing_but_the_result_is_on_stdout(command: Command) -> None:
    assert command("login").exit_code == 0
    assert run(command, "call", "add", "a=1", "b=2") == (0, "3\n", "")
    assert run(command, "ask", "add 1 and 2")[:2] == (0, "The result of add is 3.\n")


def test_a_damaged_store_is_reported_and_the_sign_in_goes_on(
    command: Command, stack: FakeStack, tmp_path: Path
) -> None:
    command("login")
    (file,) = (tmp_path / "home" / "tokens").glob("*.json")
    file.write_text("{", encoding="utf-8")
    result = command("tools")
    assert result.exit_code == 0
    assert "The stored sign-in was damaged" in result.stderr
    assert len(stack.entries("authorize")) == 2


@pytest.mark.parametrize("home", ["file", "/proc/nothing"])
def test_a_home_that_cannot_be_written_does_not_stop_the_sign_in(command: Command, tmp_path: Path, home: str) -> None:
    (tmp_path / "file").touch()
    result = command("call", "add", "a=1", "b=2", GATEHOUSE_HOME=str(tmp_path / home))
    assert (result.exit_code, result.stdout) == (0, "3\n")
    assert "The sign-in cannot be kept" in result.stderr


def test_two_processes_at_once_renew_once(command: Command, stack: FakeStack, tmp_path: Path) -> None:
    stack.rotate = True
    assert command("login").exit_code == 0
    stack.forget_access_tokens()
    processes = [command.process("call", "add", "a=1", "b=2") for _ in range(2)]
    ends = [process.communicate(timeout=SECONDS) for process in processes]
    assert [(process.returncode, out) for process, (out, _) in zip(processes, ends, strict=True)] == [(0, "3\n")] * 2
    assert len(stack.entries("refresh")) == 1
    assert len(stack.entries("authorize")) == 1
