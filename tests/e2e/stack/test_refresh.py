"""An expired access token is refreshed without a browser."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import NO_BROWSER, Stack

HOUR = 3600


def test_an_expired_token_is_refreshed_before_the_call(stack: Stack, home: Path) -> None:
    path, kept = signed_in(stack, home)
    path.write_text(json.dumps(kept | {"expires_at": time.time() - HOUR}), encoding="utf-8")
    answer = stack.gatehouse("call", "whoami", home=home, browser=NO_BROWSER)
    assert answer.returncode == 0, answer.stderr
    assert load(path)["access_token"] != kept["access_token"]


def test_a_token_that_the_server_refuses_as_expired_is_refreshed(stack: Stack, home: Path) -> None:
    path, kept = signed_in(stack, home)
    now = int(time.time())
    expired = stack.mint(claims={"iat": now - 2 * HOUR, "exp": now - HOUR})
    path.write_text(json.dumps(kept | {"access_token": expired}), encoding="utf-8")
    answer = stack.gatehouse("call", "whoami", home=home, browser=NO_BROWSER)
    assert answer.returncode == 0, answer.stderr
    assert load(path)["access_token"] not in (expired, kept["access_token"])


def test_a_refresh_token_that_the_tenant_refuses_leads_to_a_new_sign_in(stack: Stack, home: Path) -> None:
    path, kept = signed_in(stack, home)
    path.write_text(
        json.dumps(kept | {"expires_at": time.time() - HOUR, "refresh_token": "unknown-to-the-tenant"}),
        encoding="utf-8",
    )
    answer = stack.gatehouse("call", "whoami", home=home)
    assert answer.returncode == 0, answer.stderr
    assert load(path)["refresh_token"] != "unknown-to-the-tenant"


def signed_in(stack: Stack, home: Path) -> tuple[Path, dict[str, Any]]:
    """Sign alice in. Returns the file of her tokens and its content."""
    done = stack.gatehouse("login", home=home)
    assert done.returncode == 0, done.stderr
    files = [path for path in home.rglob("*.json") if "refresh_token" in load(path)]
    assert len(files) == 1, files
    if files[0].stat().st_mode & 0o777 != 0o600:
        pytest.fail("tokens are readable for others")
    return files[0], load(files[0])


def load(path: Path) -> dict[str, Any]:
    """A JSON file."""
    return dict(json.loads(path.read_text(encoding="utf-8")))
