"""What `--trace` shows, and what it must not."""

from __future__ import annotations

import io

import httpx2
import pytest
from rich.console import Console

from gatehouse_client.signin.http.trace import Trace, masked_url


def shown(terminal: bool = False) -> tuple[Trace, io.StringIO]:
    output = io.StringIO()
    return Trace(Console(file=output, force_terminal=terminal, color_system="standard" if terminal else None)), output


@pytest.mark.parametrize(
    "name",
    ["code", "state", "code_verifier", "client_secret", "refresh_token", "access_token", "token", "client_assertion"],
)
def test_secrets_are_masked_in_urls_and_forms(name: str) -> None:
    assert masked_url(f"https://x/y?a=b&{name}=s3cret&c=d") == f"https://x/y?a=b&{name}=***&c=d"
    trace, output = shown()
    trace.sent(httpx2.Request("POST", "https://x/token", data={"grant_type": "a", name: "s3cret"}))
    assert output.getvalue() == f"→ POST https://x/token grant_type=a&{name}=***\n"


@pytest.mark.parametrize(
    ("message", "summary"),
    [
        ({"method": "tools/list"}, " tools/list"),
        ({"method": "tools/call", "params": {"name": "get_time"}}, " tools/call get_time"),
        ({"method": "resources/read", "params": {"uri": "x://y"}}, " resources/read x://y"),
        ({"id": 1, "result": {}}, " (reply)"),
        ([], " (reply)"),
    ],
)
def test_mcp_messages_are_named(message: object, summary: str) -> None:
    trace, output = shown()
    trace.sent(httpx2.Request("POST", "https://x/mcp", json=message, headers={"Authorization": "Bearer s3cret"}))
    assert output.getvalue() == f"→ POST https://x/mcp{summary}\n"


def test_answers_show_their_challenges() -> None:
    trace, output = shown()
    headers = [("WWW-Authenticate", 'Bearer scope="a"'), ("WWW-Authenticate", "Basic"), ("Location", "/x?code=s3cret")]
    trace.received(httpx2.Response(401, headers=headers), "summary")
    assert output.getvalue() == (
        '← 401 WWW-Authenticate: Bearer scope="a" WWW-Authenticate: Basic Location: /x?code=*** summary\n'
    )


def test_control_characters_of_others_do_not_reach_the_terminal() -> None:
    trace, output = shown()
    trace.note("←", "a\x1b]0;title\x07b [red]c[/red]")
    assert output.getvalue() == "← a ]0;title b [red]c[/red]\n"


def test_there_is_colour_on_a_terminal_only() -> None:
    for terminal in (True, False):
        trace, output = shown(terminal)
        trace.received(httpx2.Response(200))
        assert ("\x1b[" in output.getvalue()) is terminal


def test_without_a_console_nothing_happens() -> None:
    trace = Trace()
    trace.sent(httpx2.Request("GET", "https://x/"))
    trace.received(httpx2.Response(200))
    trace.note("→", "x")
    assert not trace.enabled
