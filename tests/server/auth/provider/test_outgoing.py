"""The server's own requests use the proxies of the environment: keys and token exchange, with a real proxy."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse

from gatehouse_server.auth.provider.keys import KeysUnavailable, SigningKeys
from gatehouse_server.auth.provider.outgoing import proxy_for
from gatehouse_server.auth.provider.token_exchange import ExchangeFailed, TokenExchange
from tests.server.token_issuer import Issuer
from tests.support.free_ports import free_port
from tests.support.http_proxy import HttpProxy, http_proxy
from tests.support.quick_python import run
from tests.support.serve_in_thread import serve_in_thread

pytestmark = pytest.mark.anyio
NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, *map(str.lower, NAMES), "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def proxy() -> Iterator[HttpProxy]:
    with http_proxy() as running:
        yield running


def tenant(issuer: Issuer) -> Starlette:
    async def jwks(_: Request) -> JSONResponse:
        return JSONResponse(issuer.jwks())

    async def token(_: Request) -> JSONResponse:
        return JSONResponse({"access_token": "exchanged", "expires_in": 60})

    app = Starlette()
    app.add_route("/jwks", jwks)
    app.add_route("/token", token, methods=["POST"])
    return app


async def test_keys_come_over_tls_through_the_proxy_with_an_authority_of_ones_own(
    issuer: Issuer, proxy: HttpProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, certificate, key = trustme.CA(), tmp_path / "certificate.pem", tmp_path / "key.pem"
    issued = authority.issue_cert("tenant.test")
    issued.private_key_and_cert_chain_pem.write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("http://", "http://ann:secret@"))
    with serve_in_thread(tenant(issuer), certificate=certificate, key=key) as origin:
        host = f"tenant.test:{origin.rsplit(':', 1)[1]}"
        keys = SigningKeys(f"https://{host}/jwks", "RS256", authorities=trusted)
        assert await keys.get("one") is not None
        await keys.aclose()
    assert proxy.asked == [f"CONNECT {host}"]
    assert proxy.credentials[0] is not None


async def test_keys_and_token_exchange_use_the_proxy_for_plain_http(
    issuer: Issuer, proxy: HttpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    with serve_in_thread(tenant(issuer)) as origin:
        inside = origin.replace("localhost", "tenant.test")
        keys = SigningKeys(f"{inside}/jwks", "RS256")
        assert await keys.get("one") is not None
        await keys.aclose()
        exchange = TokenExchange(f"{inside}/token", "id", "secret")
        assert await exchange.token_for("t", "urn:api", "a", until=2**40) == "exchanged"
    assert proxy.asked == [f"GET {inside}/jwks", f"POST {inside}/token"]


async def test_this_machine_and_the_hosts_of_no_proxy_are_reached_directly(
    issuer: Issuer, proxy: HttpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    with serve_in_thread(tenant(issuer)) as origin:
        for url in (origin, origin.replace("localhost", "127.0.0.1")):
            keys = SigningKeys(f"{url}/jwks", "RS256")
            assert await keys.get("one") is not None
            await keys.aclose()
    assert proxy.asked == []


async def test_a_proxy_that_fails_is_named_without_its_password(
    proxy: HttpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.refuse = 407
    gone = f"http://ann:secret@127.0.0.1:{free_port()}"
    for url, seen in ((proxy.url.replace("//", "//ann:secret@"), "407"), (gone, "connect")):
        monkeypatch.setenv("HTTPS_PROXY", url)
        keys = SigningKeys("https://tenant.test/jwks", "RS256")
        with pytest.raises(KeysUnavailable) as raised:
            await keys.get("one")
        await keys.aclose()
        with pytest.raises(ExchangeFailed) as failed:
            await TokenExchange("https://tenant.test/token", "id", "secret2").token_for("t", "a", "s", until=2**40)
        for said in (str(raised.value), str(failed.value)):
            assert f"through the proxy {url.replace('ann:secret', '***')} (HTTPS_PROXY)" in said
            assert seen in said.lower()
            assert "secret" not in said


WRONG = [
    "socks5://127.0.0.1:1080",
    "ftp://proxy.example",
    "http://",
    "http://proxy.example:port",
    "http://proxy.example:99999",
    "http://[::1",
    "http://pro xy.example",
    "http://u:hidden@:80",
    "://",
]


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "all_proxy"])
def test_a_wrong_proxy_is_one_line_at_the_start(tmp_path: Path, name: str, value: str) -> None:
    ran = start(tmp_path, AUTH0_DOMAIN="tenant.test", **{name: value})
    assert ran.returncode == 2
    assert f"  - {name} is " in ran.stderr
    assert "Valid is http://HOST:PORT or https://HOST:PORT; or add tenant.test to NO_PROXY" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "hidden" not in ran.stderr
    assert ("SOCKS" in ran.stderr) == value.startswith("socks")


def test_a_wrong_proxy_that_no_request_uses_changes_nothing(tmp_path: Path) -> None:
    wrong = {"ALL_PROXY": "socks5://127.0.0.1:1080", "http_proxy": "http://["}
    for more in ({"AUTH0_DOMAIN": "tenant.test", "NO_PROXY": ".test"}, {"AUTH0_ISSUER": "http://localhost:9000/"}):
        ran = start(tmp_path, **wrong, **more)
        assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("entries", "url", "excepted"),
    [
        ("*", "https://mcp.test/", True),
        ("MCP.Test", "https://mcp.test./", True),
        (".test", "https://mcp.test/", True),
        ("p.test", "https://mcp.test/", False),
        ("other.test mcp.test:443", "https://mcp.test/", True),
        ("mcp.test:8443", "https://mcp.test/", False),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("fd00::/8", "https://[fd00::1]:8443/", True),
        ("[fd00::1]:8443", "https://[fd00::1]:8443/", True),
        (",,[,]://:/:1,.", "https://mcp.test/", False),
        ("", "http://tenant.localhost/", True),
        ("", "http://127.9.9.9/", True),
        ("", "http://[::ffff:127.0.0.1]/", True),
    ],
)
def test_no_proxy(monkeypatch: pytest.MonkeyPatch, entries: str, url: str, excepted: bool) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", entries)
    assert (proxy_for(url) is None) == excepted


def start(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Start the server only to print its permissions."""
    command = [sys.executable, "-m", "gatehouse_server", "--permissions"]
    return run(command, cwd=folder, env=variables, timeout=60)
