"""What the upstream learns about the caller: a signed assertion, plain headers, or nothing."""

from __future__ import annotations

import runpy
import shlex
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from mcp.server.auth.provider import AccessToken

from gatehouse_server.adapters.upstream.identity import Assertions, GateKeys
from gatehouse_server.serving.settings import SettingsError
from tests.server.protected_server import ask
from tests.server.token_issuer import RESOURCE, Clock, Issuer
from tests.server.upstream.guarded import UPSTREAM, Upstream, client_of, gate_app
from tests.support.documents import the_block
from tests.support.processes import ROOT

pytestmark = pytest.mark.anyio

CALL = {"name": "open"}


async def sent(upstream: Upstream, issuer: Issuer, folder: Path, token: str, **variables: str) -> tuple[Any, Any]:
    """The headers that the upstream got, and the published key set."""
    async with client_of(gate_app(upstream.transport, issuer, folder, **variables)) as gate:
        answer = await ask(gate, token, "tools/call", CALL)
        assert answer.status_code == 200, answer.text
        keys = await gate.get("/.well-known/jwks.json")
    return upstream.requests[-1].headers, keys


def verified(text: str, keys: httpx2.Response, kind: str) -> dict[str, Any]:
    """The claims of an assertion, verified as an upstream would do it."""
    head = jwt.get_unverified_header(text)
    assert head["typ"] == kind
    (published,) = [key for key in keys.json()["keys"] if key["kid"] == head["kid"]]
    assert set(published) == {"crv", "kty", "x", "y", "kid", "use", "alg"}, "no private member"
    return jwt.decode(text, jwt.PyJWK(published), ["ES256"], audience=UPSTREAM, issuer=RESOURCE)


@pytest.mark.parametrize("way", ["assertion", "bearer"])
async def test_an_assertion_names_the_caller_and_its_permissions(
    issuer: Issuer, upstream: Upstream, tmp_path: Path, way: str
) -> None:
    before = int(time.time())
    token = issuer.token(scope="access:mcp shop:admin")
    headers, keys = await sent(upstream, issuer, tmp_path, token, UPSTREAM_IDENTITY=way)
    if way == "bearer":
        claims = verified(headers["authorization"].removeprefix("Bearer "), keys, "at+jwt")
        assert "gatehouse-assertion" not in headers
    else:
        claims = verified(headers["gatehouse-assertion"], keys, "gatehouse-assertion+jwt")
        assert "authorization" not in headers
    assert (claims["sub"], claims["client_id"]) == ("auth0|alice", "agent")
    assert claims["permissions"] == ["access:mcp", "shop:admin", "shop:read", "shop:write"]
    assert claims["scope"].split() == claims["permissions"]
    assert before <= claims["iat"] <= claims["exp"] - 60 <= time.time()
    assert token not in str(headers.raw)


async def test_the_example_for_upstreams_verifies_the_assertion(
    issuer: Issuer, upstream: Upstream, tmp_path: Path
) -> None:
    headers, keys = await sent(upstream, issuer, tmp_path, issuer.token())
    example = runpy.run_path(str(ROOT / "docs" / "examples" / "verify_assertion.py"))
    verify = example["caller"]
    key = jwt.PyJWK(keys.json()["keys"][0])
    published = SimpleNamespace(get_signing_key_from_jwt=lambda _: key)
    verify.__globals__.update(keys=published, GATE="http://localhost:5555", OWN_URL=UPSTREAM)
    assert verify(headers["gatehouse-assertion"])["sub"] == "auth0|alice"
    verify.__globals__["OWN_URL"] = "http://another/mcp"
    with pytest.raises(jwt.InvalidAudienceError):
        verify(headers["gatehouse-assertion"])


async def test_plain_headers_cannot_be_broken_by_a_subject(issuer: Issuer, upstream: Upstream, tmp_path: Path) -> None:
    token = issuer.token(sub="a%|b\r\nGatehouse-Permissions: admin\u00e9")
    headers, keys = await sent(upstream, issuer, tmp_path, token, UPSTREAM_IDENTITY="headers")
    assert headers["gatehouse-subject"] == "a%25|b%0D%0AGatehouse-Permissions: admin%C3%A9"
    assert headers["gatehouse-client"] == "agent"
    assert headers.get_list("gatehouse-permissions") == ["access:mcp"]
    assert not {"authorization", "gatehouse-assertion"} & set(headers)
    assert keys.status_code == 404


async def test_without_an_identity_the_upstream_learns_nothing(
    issuer: Issuer, upstream: Upstream, tmp_path: Path
) -> None:
    headers, _ = await sent(upstream, issuer, tmp_path, issuer.token(), UPSTREAM_IDENTITY="none")
    assert "alice" not in str(headers.raw)
    assert not [name for name in headers if name.startswith(("gatehouse", "auth"))]


def token_of(**values: Any) -> AccessToken:
    return AccessToken(**{"token": "t", "client_id": "agent", "subject": "alice", "scopes": ["a"], **values})


def test_an_assertion_is_sent_again_only_for_half_of_its_life_and_only_for_the_same_caller() -> None:
    clock, keys = Clock(1000), GateKeys.generated()
    assertions = Assertions(keys, "https://gate", "https://up", clock=clock)
    ((_, first),) = assertions.headers(token_of())
    others = [token_of(subject="bob"), token_of(client_id="x"), token_of(scopes=["a", "b"]), token_of(scopes=["b"])]
    for other in [*others, None, token_of(expires_at=1010), token_of(subject=None)]:
        assert assertions.headers(other)[0][1] != first, other
    clock.now = 1029
    assert assertions.headers(token_of())[0][1] == first
    clock.now = 1030
    assert assertions.headers(token_of())[0][1] != first
    clock.now = 900
    claims = jwt.decode(assertions.headers(token_of())[0][1], options={"verify_signature": False})
    assert (claims["iat"], claims["exp"]) == (900, 960), "a clock that was set back makes no assertion of the future"


def test_an_assertion_never_outlives_the_callers_token() -> None:
    assertions = Assertions(GateKeys.generated(), "https://gate", "https://up", clock=Clock(1000))
    claims = jwt.decode(assertions.headers(token_of(expires_at=1010))[0][1], options={"verify_signature": False})
    assert claims["exp"] == 1010


def test_the_gate_itself_asks_as_itself_and_without_permissions() -> None:
    assertions = Assertions(GateKeys.generated(), "https://gate", "https://up", clock=Clock(1000))
    claims = jwt.decode(assertions.headers(None)[0][1], options={"verify_signature": False})
    assert (claims["sub"], claims["client_id"], claims["permissions"]) == ("https://gate", "https://gate", [])


def test_the_number_of_kept_assertions_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatehouse_server.adapters.upstream.identity.MAX_ASSERTIONS", 2)
    assertions = Assertions(GateKeys.generated(), "https://gate", "https://up", clock=Clock(1000))
    first = assertions.headers(token_of())
    for subject in ("b", "c"):
        assertions.headers(token_of(subject=subject))
    assert assertions.headers(token_of()) != first


def pem(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def test_all_keys_of_the_file_are_published_and_the_first_one_signs() -> None:
    old, new = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    keys = GateKeys.from_pem(b"# comment\n" + pem(new) + pem(old))
    published = [key["kid"] for key in keys.key_set()["keys"]]
    assert len(set(published)) == 2
    assert jwt.get_unverified_header(keys.sign({}, "JWT"))["kid"] == published[0]
    assert GateKeys.from_pem(pem(old)).key_set()["keys"] == keys.key_set()["keys"][1:]
    assert all("d" not in key for key in keys.key_set()["keys"])


def test_the_command_of_the_page_makes_a_key_file(tmp_path: Path) -> None:
    (line,) = the_block("docs/upstream.md", "Sessions and replicas", "sh").splitlines()
    subprocess.run(shlex.split(line), cwd=tmp_path, check=True, capture_output=True)
    (key,) = GateKeys.from_pem((tmp_path / "upstream-key.pem").read_bytes()).key_set()["keys"]
    assert key["crv"] == "P-256"


@pytest.mark.parametrize("name", ["missing", "empty", "rsa", "p384", "public"])
def test_another_key_file_is_one_clear_error(issuer: Issuer, tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{name}.pem"
    good = ec.generate_private_key(ec.SECP256R1())
    contents = {
        "empty": b"",
        "rsa": pem(good) + pem(rsa.generate_private_key(65537, 2048)),
        "p384": pem(ec.generate_private_key(ec.SECP384R1())),
        "public": good.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    }
    if name in contents:
        file.write_bytes(contents[name])
    with pytest.raises(SettingsError, match=r"UPSTREAM_KEY_FILE is .*openssl genpkey"):
        gate_app(Upstream().transport, issuer, tmp_path, UPSTREAM_KEY_FILE=str(file))
