"""Hostile tokens against a real server: each gets a 401 and an audit line with the reason."""

from __future__ import annotations

import pytest

from tests.security.forged_tokens import forged_tokens
from tests.security.server_process import ServerProcess
from tests.server.hostile_tokens import HOSTILE

NAMES = list(forged_tokens("", ""))


@pytest.mark.requirement("S6")
@pytest.mark.requirement("S15")
@pytest.mark.requirement("S16")
@pytest.mark.requirement("S20")
@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_token_is_refused_with_its_reason(server: ServerProcess, name: str) -> None:
    reason, request = forged_tokens(server.stack.issuer, server.stack.audience)[name]
    token = server.stack.mint(**request)
    refusal, line = server.ask(token)
    assert refusal.status_code == 401, refusal.text
    assert 'error="invalid_token"' in refusal.headers["WWW-Authenticate"]
    assert (line["decision"], line["reason"], line["status"]) == ("refuse", reason, 401)
    assert "subject" not in line, "claims of a refused token must not be logged"


def test_there_are_at_least_sixty_hostile_tokens() -> None:
    assert len({*NAMES, *HOSTILE}) >= 60
    requests = [str(request) for _, request in forged_tokens("http://localhost/", "http://localhost/mcp").values()]
    assert len(set(requests)) == len(requests), "two names have the same token"


def test_a_good_token_is_accepted(server: ServerProcess) -> None:
    answer, line = server.ask(server.stack.mint())
    assert answer.status_code == 200, answer.text
    assert (line["decision"], line["subject"]) == ("allow", "auth0|65a11ce00000000000000001")


@pytest.mark.requirement("S25")
def test_the_server_wrote_no_part_of_a_token(server: ServerProcess) -> None:
    tokens = [
        server.stack.mint(),
        server.stack.mint(variant="expired"),
        server.stack.mint(header={"jku": "https://x/"}),
    ]
    for token in tokens:
        server.ask(token)
    written = server.written()
    for token in tokens:
        header, claims, signature = token.split(".")
        assert signature not in written
        assert claims not in written
        assert header not in written
