"""The whole story: a refusal, a sign-in, a tool call; and a refusal for a user without the permission."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2

from tests.support.stack import NO_BROWSER, Stack


def test_a_call_without_a_token_is_refused_with_a_challenge_that_names_the_tenant(stack: Stack) -> None:
    refusal = stack.call(None)
    assert refusal.status_code == 401
    challenge = refusal.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer ")
    assert 'scope="access:mcp"' in challenge
    assert "error=" not in challenge, "RFC 6750 section 3.1: no error code when there were no credentials"
    metadata_url = re.search(r'resource_metadata="([^"]+)"', challenge)
    assert metadata_url is not None
    metadata = httpx2.get(metadata_url[1]).json()
    assert metadata["resource"] == stack.mcp_url
    assert metadata["authorization_servers"] == [stack.issuer]


def test_the_root_form_of_the_metadata_is_the_same_document(stack: Stack) -> None:
    origin = stack.origin
    path_form = httpx2.get(f"{origin}/.well-known/oauth-protected-resource/mcp")
    root_form = httpx2.get(f"{origin}/.well-known/oauth-protected-resource")
    assert path_form.status_code == root_form.status_code == 200
    assert path_form.json() == root_form.json()


def test_alice_signs_in_sees_the_tools_and_gets_the_time(stack: Stack, home: Path) -> None:
    tools = stack.gatehouse("tools", home=home)
    assert tools.returncode == 0, tools.stderr
    assert "get_time" in tools.stdout
    assert "whoami" in tools.stdout
    answer = stack.gatehouse("--json", "call", "get_time", "timezone=Asia/Tokyo", home=home, browser=NO_BROWSER)
    assert answer.returncode == 0, answer.stderr
    told = datetime.fromisoformat(find(json.loads(answer.stdout), "time"))
    assert told.utcoffset() == timedelta(hours=9)
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=2)


def test_the_agent_answers_with_the_time(stack: Stack, alice_home: Path) -> None:
    answer = stack.gatehouse("ask", "What time is it now in UTC?", home=alice_home, browser=NO_BROWSER)
    assert answer.returncode == 0, answer.stderr
    shown = datetime.strptime(answer.stdout.strip(), "It is %H:%M:%S on %A, %d %B %Y in UTC.").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - shown) < timedelta(minutes=2)


def test_whoami_names_alice_and_her_permission(stack: Stack, alice_home: Path) -> None:
    answer = stack.gatehouse("--json", "call", "whoami", home=alice_home, browser=NO_BROWSER)
    assert answer.returncode == 0, answer.stderr
    assert find(json.loads(answer.stdout), "subject") == "auth0|65a11ce00000000000000001"
    assert find(json.loads(answer.stdout), "permissions") == ["access:mcp"]


def test_bob_signs_in_and_is_refused_with_the_missing_permission(stack: Stack, home: Path) -> None:
    refused = stack.gatehouse("call", "get_time", home=home, user="bob@example.com")
    assert refused.returncode == 4, refused.stderr
    assert "access:mcp" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""


def test_declining_consent_ends_with_one_sentence(stack: Stack, home: Path) -> None:
    stack.control("POST", "reset")  # the tenant remembers consent
    declined = stack.gatehouse("login", home=home, ROBOT_CONSENT="deny")
    assert declined.returncode == 3, declined.stderr
    assert "denied" in declined.stderr.lower() or "declined" in declined.stderr.lower()
    assert "Traceback" not in declined.stderr


def test_after_logout_the_next_call_signs_in_again(stack: Stack, home: Path) -> None:
    assert stack.gatehouse("login", home=home).returncode == 0
    assert stack.gatehouse("logout", home=home, browser=NO_BROWSER).returncode == 0
    assert not [path for path in home.rglob("*.json") if "access_token" in path.read_text(encoding="utf-8")]
    again = stack.gatehouse("tools", home=home)
    assert again.returncode == 0, again.stderr


def find(value: object, name: str) -> str:
    """The first value of that name anywhere in a JSON document."""
    found = [*_all(value, name)]
    assert found, f"no {name} in {value}"
    return found[0]


def _all(value: object, name: str) -> list[str]:
    if isinstance(value, dict):
        own = [value[name]] if name in value else []
        return own + [hit for entry in value.values() for hit in _all(entry, name)]
    if isinstance(value, list):
        return [hit for entry in value for hit in _all(entry, name)]
    return []
