"""The agent's sign-in with a real browser, from the printed address to the last page."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import NO_BROWSER, LocalStack, Stack

SECONDS = 60


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with LocalStack.on_free_ports(tmp_path).running() as running:
        yield running


@pytest.mark.parametrize(("locale", "done"), [("en-GB", "Signed in"), ("ja-JP", "サインインしました")])
def test_the_agent_signs_in_with_a_real_browser(
    stack: Stack, visit: Any, tmp_path: Path, locale: str, done: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "gatehouse_client", "login", "--browser"],
        env=stack.environment(home, NO_BROWSER),
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        page = visit(_address(process, stack.issuer), locale=locale)
        page.fill("#username", "alice@example.com")
        page.fill("#password", "Wonderland-1")
        page.click("#action")
        page.click("button[value=accept]")
        page.wait_for_url(re.compile(r"/callback\?"))
        assert done in page.text_content("body")
        out, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    assert "auth0|65a11ce00000000000000001" in out
    called = stack.gatehouse("call", "whoami", home=home, browser=NO_BROWSER)
    assert called.returncode == 0, called.stderr


def _address(process: subprocess.Popen[str], issuer: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(rf"{re.escape(issuer)}authorize\?\S+", line):
            return found[0]
    raise AssertionError("the agent printed no address")
