"""Sessions of the upstream belong to the caller that opened them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gatehouse_server.adapters.upstream.sessions import ForeignSession, Sessions
from tests.server.protected_server import ask
from tests.server.token_issuer import Issuer
from tests.server.upstream.guarded import Upstream, client_of, gate_app, result

pytestmark = pytest.mark.anyio


async def opened(gate: httpx2.AsyncClient, upstream: Upstream, token: str) -> str:
    """Open a session, which the upstream names `inner`. Returns the client's id."""
    before, upstream.answer = upstream.answer, lambda _: result({}, **{"Mcp-Session-Id": "inner"})
    answer = await ask(gate, token, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}})
    upstream.answer = before
    return answer.headers["mcp-session-id"]


async def test_a_session_reaches_the_upstream_under_its_own_id(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer
) -> None:
    session = await opened(gate, upstream, issuer.token())
    assert session != "inner"
    assert "mcp-session-id" not in upstream.requests[0].headers
    later = issuer.token(iat=1)  # another token of the same user and client
    for method in ("POST", "GET", "DELETE"):
        headers = {"Authorization": f"Bearer {later}", "Mcp-Session-Id": session, "Last-Event-Id": "7"}
        answer = (
            await ask(gate, later, "tools/list", mcp_session_id=session)
            if method == "POST"
            else await gate.request(method, "/mcp", headers=headers)
        )
        assert answer.status_code == 200, answer.text
        assert upstream.requests[-1].headers["mcp-session-id"] == "inner"
        assert upstream.requests[-1].method == method
    assert upstream.requests[-2].headers["last-event-id"] == "7"


@pytest.mark.requirement("S27")
@pytest.mark.parametrize("claims", [{"sub": "auth0|bob"}, {"azp": "another-agent"}], ids=str)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_session_of_another_caller_is_not_found(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer, claims: dict[str, Any], method: str
) -> None:
    session = await opened(gate, upstream, issuer.token())
    token = issuer.token(**claims)
    headers = {"Authorization": f"Bearer {token}", "Mcp-Session-Id": session}
    answer = (
        await ask(gate, token, "tools/list", mcp_session_id=session)
        if method == "POST"
        else await gate.request(method, "/mcp", headers=headers)
    )
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, "Session not found.")
    assert len(upstream.requests) == 1


async def test_an_id_that_the_gate_did_not_make_is_not_found(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer
) -> None:
    session = await opened(gate, upstream, issuer.token())
    forged = ["inner", "", "x" * 32, "x" * 32 + "inner", session[:-1], session + "x", session[:32], session.swapcase()]
    for each in forged:
        answer = await ask(gate, issuer.token(), "tools/list", mcp_session_id=each)
        assert answer.status_code == 404, each
    assert len(upstream.requests) == 1


async def test_replicas_with_the_same_key_share_sessions(issuer: Issuer, upstream: Upstream, tmp_path: Path) -> None:
    key, other = tmp_path / "key.pem", tmp_path / "other.pem"
    for file in (key, other):
        private = ec.generate_private_key(ec.SECP256R1())
        file.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    rotated = tmp_path / "rotated.pem"
    rotated.write_bytes(other.read_bytes() + key.read_bytes())
    session = ""
    for file, status in ((key, 200), (key, 200), (other, 404), (rotated, 200), (None, 404)):
        variables = {"UPSTREAM_KEY_FILE": str(file)} if file else {}
        async with client_of(gate_app(upstream.transport, issuer, tmp_path, **variables)) as gate:
            session = session or await opened(gate, upstream, issuer.token())
            answer = await ask(gate, issuer.token(), "tools/list", mcp_session_id=session)
            assert answer.status_code == status, file


def test_two_callers_never_have_the_same_code() -> None:
    sessions = Sessions([b"key"])
    sealed = sessions.sealed("1", ("ab", "c"))
    for owner in (("a", "bc"), ("abc", ""), ("ab", "c1"), ("", "abc")):
        with pytest.raises(ForeignSession):
            sessions.opened(sealed, owner)
    assert sessions.opened(sealed, ("ab", "c")) == "1"


def test_an_id_with_other_characters_is_of_nobody() -> None:
    with pytest.raises(ForeignSession):
        Sessions([b"key"]).opened("\xe9" * 40, ("a", "b"))


@pytest.mark.parametrize("session", ["", "a b", "a\r\nSet-Cookie: x", "é", "x" * 1025])
def test_an_upstream_id_that_is_none_is_refused(session: str) -> None:
    with pytest.raises(ValueError):
        Sessions([b"key"]).sealed(session, ("a", "b"))
