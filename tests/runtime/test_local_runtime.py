"""The local runtime: `make up`, `make down` and others without Docker."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.free_ports import free_port
from tests.support.processes import ROOT, wait_for_status
from tests.support.pty_session import on_terminal
from tests.support.quick_python import run
from tests.support.stack import LocalStack


class Runtime:
    """`scripts/stack` with its own ports and folder."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.variables = {
            "STACK_RUN_DIR": str(stack.folder),
            "COMPOSE_PROJECT_NAME": f"gatehouse-test-{stack.mcp_port}",
            "AUTH0_DOMAIN": f"localhost:{stack.tenant_port}",
            "AUTH0_ISSUER": stack.issuer,
            "AUTH0_AUDIENCE": stack.mcp_url,
            "MOCK_IDP_PORT": str(stack.tenant_port),
            "MOCK_IDP_TLS_PORT": str(free_port()),
            "MOCK_IDP_STATE_DIR": str(stack.folder / "keys"),
            "MCP_PORT": str(stack.mcp_port),
            "MCP_PUBLIC_URL": stack.mcp_url,
            "OAUTH_CALLBACK_PORT": str(stack.callback_port),
        }

    def make(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "scripts/stack", "--runtime", "local", *command],
            cwd=ROOT,
            env={**os.environ, **self.variables, **more},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def processes(self) -> list[str]:
        """The command lines of the processes in the stack's process group."""
        group = int((self.stack.folder / "stack.pid").read_text(encoding="utf-8"))
        if not Path("/proc/self").exists():
            command = ["ps", "-o", "args=", "--pgroup", str(group)]
            return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it may just have ended
                if os.getpgid(int(process.name)) == group and (words := (process / "cmdline").read_bytes()):
                    found.append(words.replace(b"\0", b" ").decode().strip())
        return found


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    runtime = Runtime(LocalStack.on_free_ports(tmp_path))
    yield runtime
    if (tmp_path / "stack.pid").exists():
        runtime.make("down")


def test_up_starts_everything_once_and_down_stops_everything(runtime: Runtime) -> None:
    first = runtime.make("up")
    assert first.returncode == 0, first.stderr
    assert "Runtime: local" in first.stdout
    for text in (runtime.stack.mcp_url, runtime.stack.issuer, "alice@example.com", "make demo", "make ask"):
        assert text in first.stdout
    running = runtime.processes()
    again = runtime.make("up")
    assert again.returncode == 0, again.stderr
    assert runtime.processes() == running
    group = int((runtime.stack.folder / "stack.pid").read_text(encoding="utf-8"))
    assert runtime.make("down").returncode == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
    for port in (runtime.stack.mcp_port, runtime.stack.tenant_port):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert "Nothing was running" in runtime.make("down").stdout


def test_make_runs_the_agents_commands_and_fails_if_the_doctor_finds_a_problem(runtime: Runtime) -> None:
    """The doctor finds that the tenant has no API with the audience."""
    home = {"GATEHOUSE_HOME": str(runtime.stack.folder / "home"), "GATEHOUSE_KEYRING": "0"}
    with runtime.stack.running():
        planned = runtime.make("client", "tenant", "plan", **home)
        assert planned.returncode == 0, planned.stderr
        assert planned.stdout.endswith(f"{runtime.stack.issuer} is as auth0/tenant.yaml says.\n")
        doctor = subprocess.run(
            ["make", "doctor", "RUNTIME=local", f"PYTHON={sys.executable}", "DO=--skip callback"],
            cwd=ROOT,
            env={**os.environ, **runtime.variables, **home, "AUTH0_AUDIENCE": "http://localhost:1/mcp"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert doctor.returncode == 2, doctor.stderr  # make's exit code for a failed command
    assert "✗ api " in doctor.stdout
    assert "✓ management " in doctor.stdout
    assert "callback " not in doctor.stdout


def test_without_the_stack_the_agents_commands_say_how_to_start_it(runtime: Runtime) -> None:
    home = {"GATEHOUSE_HOME": str(runtime.stack.folder / "home"), "GATEHOUSE_KEYRING": "0"}
    for command in (["tenant", "plan"], ["call", "get_time"]):
        refused = runtime.make("client", *command, **home)
        assert (refused.returncode, refused.stdout) == (5, "")
        assert "`make up` starts it" in refused.stderr
        assert "cannot be reached" in refused.stderr
        assert "Traceback" not in refused.stderr
    doctor = runtime.make("client", "doctor", "--json", **home)
    assert doctor.returncode == 1, doctor.stderr
    results = {finding["check"]: finding["result"] for finding in json.loads(doctor.stdout)["checks"]}
    assert results["server"] == results["discovery"] == "wrong"


def test_another_tenant_can_be_planned_before_the_stack_is_started(runtime: Runtime) -> None:
    with runtime.stack.tenant(MCP_PUBLIC_URL="http://localhost:1/mcp"):
        planned = runtime.make("client", "tenant", "plan", MOCK_IDP_PORT="")
    assert planned.returncode == 6, planned.stderr
    assert f"create\tAPI\t{runtime.stack.mcp_url}" in planned.stdout


def test_beside_another_tenant_the_offline_one_is_neither_started_nor_mentioned(runtime: Runtime) -> None:
    with runtime.stack.tenant():
        # Another tenant, of which only the address is known.
        up = runtime.make("up", MOCK_IDP_PORT="", COMPOSE_PROFILES="mock")
        assert up.returncode == 0, up.stderr
        assert not [line for line in runtime.processes() if "mock" in line]
        assert "alice@example.com" not in up.stdout
        assert "make demo" not in up.stdout
        assert "\nNext\n  make doctor " in up.stdout


def test_another_tenant_that_does_not_answer_is_named_with_the_reason(runtime: Runtime) -> None:
    url = f"http://localhost:{free_port()}/"
    up = runtime.make("up", AUTH0_DOMAIN="", AUTH0_ISSUER=url)
    assert up.returncode == 1
    assert up.stderr.startswith(
        f"The server runs, but it is not ready: The tenant's signing keys cannot be had from {url}"
    )
    assert f"The tenant in .env is {url}. `make doctor` says what is wrong." in up.stderr


def test_a_port_in_use_is_a_one_line_error_that_says_what_to_do(runtime: Runtime) -> None:
    with socket.create_server(("127.0.0.1", runtime.stack.mcp_port)):
        refused = runtime.make("up")
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert f"Port {runtime.stack.mcp_port} is in use" in refused.stderr
    assert "MCP_PORT" in refused.stderr


def test_the_servers_error_for_a_wrong_variable_is_shown(runtime: Runtime) -> None:
    refused = runtime.make("up", JWT_ALGORITHM="HS256")
    assert refused.returncode == 1
    assert "JWT_ALGORITHM is 'HS256'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_server_can_start_before_its_tenant(tmp_path: Path) -> None:
    stack = LocalStack.on_free_ports(tmp_path)
    with stack.server():
        wait_for_status(f"{stack.origin}/readyz", 503)
        assert httpx2.get(f"{stack.origin}/livez").status_code == 200
        assert httpx2.post(stack.mcp_url, json={}).status_code == 401
        with stack.tenant():
            wait_for_status(f"{stack.origin}/readyz", 200)


def test_the_server_works_while_its_tenant_is_stopped(tmp_path: Path) -> None:
    stack = LocalStack.on_free_ports(tmp_path)
    with stack.server():
        with stack.tenant():
            wait_for_status(f"{stack.origin}/readyz", 200)
            token = stack.mint()
        answer = stack.call(token)
        assert answer.status_code == 200, answer.text


def test_the_server_stops_with_one_line_if_its_port_is_in_use(tmp_path: Path) -> None:
    stack = LocalStack.on_free_ports(tmp_path)
    with socket.create_server(("127.0.0.1", stack.mcp_port)):
        ended = run(
            [sys.executable, "-m", "gatehouse_server"],
            env={**os.environ, "AUTH0_DOMAIN": "tenant.example.com", "MCP_PORT": str(stack.mcp_port)},
            cwd=tmp_path,
            timeout=30,
        )
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert "MCP_PORT" in ended.stderr


def shown_by_make(*arguments: str) -> dict[str, list[str]]:
    """The commands that `make` shows, by group."""
    groups = {}
    for block in _made(*arguments).split("\n\n")[1:]:
        title, *lines = block.splitlines()
        groups[title] = re.findall(r"^  make ([a-z0-9]+) ", "\n".join(lines), re.MULTILINE)
    return groups


def _made(*arguments: str, columns: int = 80) -> str:
    """What `make` prints on a terminal, without colours."""
    command = ["make", "--no-print-directory", *arguments]
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": str(columns), "TERM": "xterm"}
    with on_terminal(command, env=environment, cwd=ROOT) as session:
        assert session.end() == 0
        assert "\x1b[" not in session.raw
        return session.text


def test_make_alone_shows_the_few_commands_of_the_first_steps() -> None:
    shown = shown_by_make()
    assert list(shown) == ["First steps", "Options"]
    assert shown["First steps"] == ["demo", "up", "ask", "client", "doctor", "logs", "down", "test"]
    assert shown["Options"] == ["help"]


def test_make_help_shows_every_target_in_its_group() -> None:
    shown = shown_by_make("help", "DO=all")
    assert list(shown) == ["First steps", "Run", "Test", "Maintain", "Options"]
    targets = re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(sum(shown.values(), ["help"])) == sorted(targets)
    assert len(targets) <= 26


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_help_of_make_fits_the_terminal_and_cuts_nothing(columns: int) -> None:
    text = _made("help", "DO=all", columns=columns)
    assert max(map(len, text.splitlines())) <= max(columns, 62)  # the first line is one sentence
    words = " ".join(text.split())
    for meaning in re.findall(r"## (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1:]:
        assert meaning in words


@pytest.mark.parametrize("target", ["test", "e2e", "browser", "worlds"])
def test_t_is_passed_to_pytest_as_words_and_not_run_by_the_shell(target: str, tmp_path: Path) -> None:
    marker = tmp_path / "made-by-the-shell"
    chosen = f"-k 'one or two' tests/a.py::test_it[x-$(touch {marker})] ; `touch {marker}`"
    # A program instead of pytest prints its arguments.
    stub = tmp_path / "stub.py"
    stub.write_text(
        "import runpy, sys\n"
        "sys.path.insert(0, 'scripts/stack')\n"
        "import local, packages\n"
        "packages.ensure = lambda: None\n"
        "packages.add = lambda requirements: None\n"
        "local.run = lambda command, **_: print(repr(command[3:])) or 0\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path('scripts/stack/__main__.py', run_name='__main__')\n",
        encoding="utf-8",
    )
    ran = subprocess.run(
        [
            *("make", "--no-print-directory", target, "RUNTIME=local"),
            *(f"PYTHON={sys.executable} {stub}", f"T={chosen.replace('$', '$$')}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == repr(shlex.split(chosen))
    assert not marker.exists()


def test_an_unclosed_quote_in_t_is_a_one_line_error() -> None:
    refused = subprocess.run(
        [sys.executable, "scripts/stack", "--runtime", "local", "test"],
        cwd=ROOT,
        env={**os.environ, "T": "-k 'one"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "T is" in refused.stderr
