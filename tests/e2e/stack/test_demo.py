"""`make demo` runs to its end and shows every step."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.stack import Stack

DEMO = Path(__file__).parents[1] / "run_demo.py"


def test_the_demo_tells_the_whole_story(stack: Stack, tmp_path: Path) -> None:
    told = demo(stack, tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    steps = ("401", "resource_metadata", "alice@example.com", "get_time", "bob@example.com", "403", "access:mcp")
    places = [told.stdout.find(step) for step in steps]
    assert -1 not in places, told.stdout
    assert "eyJ" not in told.stdout, "a token is shown"


def test_the_demo_ends_at_an_error_page_of_the_tenant_and_shows_it(stack: Stack, tmp_path: Path) -> None:
    page = "<head><style>p{}</style></head><h1>Maintenance</h1><p>Seen: <code>42</code></p><p>Try <b>later</b>.</p>"
    stack.control("POST", "faults", endpoint="login", status=503, headers={"Content-Type": "text/html"}, body=page)
    told = demo(stack, tmp_path)
    assert told.returncode == 1
    lines = [line.strip() for line in told.stdout.splitlines()]
    start = lines.index(f"the sign-in stopped at {stack.issuer}u/login (HTTP 503). The page says:")
    assert lines[start + 1 : start + 4] == ["Maintenance", "Seen: 42", "Try later ."]
    assert lines[-1].startswith("The demo stopped: the tenant did not let the scripted browser sign in")


def test_the_demo_ends_before_a_browser_opens_if_the_sign_in_cannot_succeed(stack: Stack, tmp_path: Path) -> None:
    told = demo(stack, tmp_path, OAUTH_CALLBACK_URI="http://localhost:1/other")
    assert told.returncode == 1
    assert "The application does not allow 'http://localhost:1/other'" in told.stdout
    assert "Add OAUTH_CALLBACK_URI to the application's Allowed Callback URLs" in told.stdout
    assert "The demo stopped: exit code 0 was expected, not 3" in told.stdout


def demo(stack: Stack, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DEMO)],
        env={**os.environ, **stack.variables, **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
