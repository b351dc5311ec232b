"""`make demo` runs to its end and shows every step."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e import run_demo
from tests.support.quick_python import QuickPopen
from tests.support.stack import Stack

Demo = Callable[[], tuple[int, str]]


@pytest.fixture
def demo(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Demo:
    """Run the demo in this process. Returns its exit code, and what it printed."""

    def run() -> tuple[int, str]:
        monkeypatch.chdir(tmp_path)
        for name, value in stack.variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(subprocess, "Popen", QuickPopen)
        return run_demo.main(), capsys.readouterr().out

    return run


def test_the_demo_tells_the_whole_story(demo: Demo) -> None:
    code, told = demo()
    assert code == 0, told
    steps = ("401", "resource_metadata", "alice@example.com", "get_time", "bob@example.com", "403", "access:mcp")
    places = [told.find(step) for step in steps]
    assert -1 not in places, told
    assert "eyJ" not in told, "a token is shown"


def test_the_demo_ends_at_an_error_page_of_the_tenant_and_shows_it(demo: Demo, stack: Stack) -> None:
    page = "<head><style>p{}</style></head><h1>Maintenance</h1><p>Seen: <code>42</code></p><p>Try <b>later</b>.</p>"
    stack.control("POST", "faults", endpoint="login", status=503, headers={"Content-Type": "text/html"}, body=page)
    code, told = demo()
    assert code == 1
    lines = [line.strip() for line in told.splitlines()]
    start = lines.index(f"the sign-in stopped at {stack.issuer}u/login (HTTP 503). The page says:")
    assert lines[start + 1 : start + 4] == ["Maintenance", "Seen: 42", "Try later ."]
    assert lines[-1].startswith("The demo stopped: the tenant did not let the scripted browser sign in")


def test_the_demo_ends_before_a_browser_opens_if_the_sign_in_cannot_succeed(stack: Stack, tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, str(run_demo.__file__)],
        env={**os.environ, **stack.variables, "OAUTH_CALLBACK_URI": "http://localhost:1/other"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 1
    assert "The application does not allow 'http://localhost:1/other'" in told.stdout
    assert "Add OAUTH_CALLBACK_URI to the application's Allowed Callback URLs" in told.stdout
    assert "The demo stopped: exit code 0 was expected, not 3" in told.stdout
