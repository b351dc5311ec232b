"""The texts of the checks: the troubleshooting page and the advice of errors come from one table."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatehouse_client.causes.catalogue import ENTRIES, advice, check_of
from gatehouse_client.cli.doctor import page
from tests.client.run_command import Command

PAGE = Path(__file__).parents[3] / "docs" / "troubleshooting.md"


def test_the_troubleshooting_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it again: gatehouse doctor --explain all"


def test_explain_all_prints_the_page(command: Command) -> None:
    assert command("doctor", "--explain", "all").stdout == page()


@pytest.mark.parametrize("check", ENTRIES)
def test_explain_shows_what_a_check_is_about_and_how_to_fix_it(command: Command, check: str) -> None:
    result = command("doctor", "--explain", check)
    assert result.exit_code == 0
    assert ENTRIES[check].title in result.stdout
    assert ENTRIES[check].advice in result.stdout


def test_an_unknown_check_is_refused_with_the_list_of_checks(command: Command) -> None:
    for option in ("--explain", "--skip"):
        result = command("doctor", option, "nonsense")
        assert result.exit_code == 2
        assert "no check 'nonsense'" in result.stderr
        assert "callback, " in result.stderr


@pytest.mark.parametrize(
    ("said", "check"),
    [
        ("access_denied: Service not found: http://localhost:5555/mcp/", "api"),
        ("access_denied: Service not enabled within domain: http://localhost:5555/mcp/", "api"),
        ("invalid_request: no connections enabled for the client", "connection"),
        ('invalid_request: Client is not authorized to access resource server "x"', "client-grant"),
        ("Callback URL mismatch.", "callback"),
        ("Unknown client: x", "application"),
        ("Grant type 'refresh_token' not allowed for the client.", "grant-types"),
        ("The token is encrypted and meant for the tenant's /userinfo: the client asked for no audience.", "token"),
        ("The token is not for http://localhost:5555/mcp.", "token-audience"),
        ("The token's audience differs from this server's by a slash at the end: it is not x.", "token-audience"),
        ("The token is not from https://tenant.example/.", "issuer"),
        ("The token's issuer differs from this server's by a slash at the end: it is not x.", "issuer"),
        ("Only RS256 signatures are accepted.", "token-algorithm"),
        ("The token is signed with a key that the issuer does not publish.", "token-signature"),
        ("The token's signature does not match.", "token-signature"),
        ("The token lacks the permission access:mcp.", "role"),
        ("The token was issued in the future: compare the clocks.", "clock"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "tls"),
        ("Invalid Host header", "hosts"),
    ],
)
def test_an_answer_of_a_tenant_or_server_leads_to_its_check(said: str, check: str) -> None:
    assert check_of(said) == check
    assert f"gatehouse doctor --explain {check}" in advice(said)


def test_an_unknown_answer_gets_no_advice() -> None:
    assert check_of("access_denied: User did not authorize the request") is None
    assert advice("access_denied: User did not authorize the request") == ""
