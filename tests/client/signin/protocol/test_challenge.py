"""`WWW-Authenticate` in every form that RFC 9110 allows."""

from __future__ import annotations

import pytest

from gatehouse_client.signin.protocol.challenge import Challenge, bearer_challenge, parse_challenges


@pytest.mark.parametrize(
    ("headers", "parsed"),
    [
        ([], []),
        ([""], []),
        (["Bearer"], [("bearer", {})]),
        (['Bearer realm="x"'], [("bearer", {"realm": "x"})]),
        (['bEARER REALM=x, Scope="a b"'], [("bearer", {"realm": "x", "scope": "a b"})]),
        (['Bearer realm = "x" , scope= a'], [("bearer", {"realm": "x", "scope": "a"})]),
        (
            [r'Bearer error_description="say \"no\", \\ never"'],
            [("bearer", {"error_description": 'say "no", \\ never'})],
        ),
        (['Bearer scope="a", scope="b"'], [("bearer", {"scope": "a"})]),
        (['Basic realm="a, b", Bearer scope="c"'], [("basic", {"realm": "a, b"}), ("bearer", {"scope": "c"})]),
        (["Basic, Bearer scope=c"], [("basic", {}), ("bearer", {"scope": "c"})]),
        (["Negotiate abc==, Bearer scope=c"], [("negotiate", {}), ("bearer", {"scope": "c"})]),
        ([", ,Bearer scope=c,,realm=d ,"], [("bearer", {"scope": "c", "realm": "d"})]),
        (["Basic realm=x", "Bearer scope=c"], [("basic", {"realm": "x"}), ("bearer", {"scope": "c"})]),
        (['Bearer scope="c", realm="never closed'], [("bearer", {"scope": "c"})]),
        (['Bearer scope="c", ="x"'], [("bearer", {"scope": "c"})]),
        (["\x00"], []),
        (['resource_metadata="https://evil.example/", Bearer scope=c'], []),
    ],
)
def test_every_form_is_read(headers: list[str], parsed: list[tuple[str, dict[str, str]]]) -> None:
    assert [(challenge.scheme, dict(challenge.parameters)) for challenge in parse_challenges(headers)] == parsed


def test_a_token68_is_no_parameter() -> None:
    assert parse_challenges(["Negotiate YII=="]) == [Challenge("negotiate", token68="YII==")]


def test_the_bearer_challenge_that_says_most_is_used() -> None:
    chosen = bearer_challenge(["Bearer", 'Bearer error="insufficient_scope", scope="a b"', 'Basic realm="x"'])
    assert chosen is not None
    assert (chosen.error, chosen.scopes) == ("insufficient_scope", ("a", "b"))


def test_without_a_bearer_challenge_there_is_none() -> None:
    assert bearer_challenge(['DPoP algs="ES256"']) is None


def test_a_scope_in_the_realm_is_not_mistaken_for_the_scope() -> None:
    challenge = bearer_challenge(['Bearer realm="scope=admin", resource_metadata="https://x/y"'])
    assert challenge is not None
    assert challenge.scopes is None
    assert challenge.resource_metadata == "https://x/y"


def test_an_empty_scope_asks_for_nothing() -> None:
    challenge = bearer_challenge(['Bearer scope=" "'])
    assert challenge is not None
    assert challenge.scopes is None
