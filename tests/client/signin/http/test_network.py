"""Where the sign-in may connect to."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatehouse_client.errors import SignInError, UnreachableError
from gatehouse_client.signin.http.addresses import Nearness, nearness
from gatehouse_client.signin.http.fetch import Fetcher
from gatehouse_client.signin.http.network import NetworkGuard, Resolve, authorities
from tests.client.fake_stack import FakeStack
from tests.support.quick_python import run
from tests.support.serve_in_thread import serve_in_thread

pytestmark = pytest.mark.anyio

TENANT_FILE = str(Path(__file__).parents[4] / "auth0" / "tenant.yaml")
NAMES = {
    "mcp.example": ["8.8.8.8"],
    "public.example": ["8.8.4.4", "2001:4860:4860::8888"],
    "intranet.example": ["10.1.2.3"],
    "rebound.example": ["8.8.4.4", "127.0.0.1"],
    "cloud.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:10.1.2.3"],
    "office.example": ["192.168.1.9"],
}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def resolve(name: str) -> list[str]:
    try:
        return NAMES[name]
    except KeyError:
        raise OSError(-2, "Name or service not known") from None


def guard(*trusted: str, private_network: bool = False, resolve: Resolve = resolve) -> NetworkGuard:
    return NetworkGuard(trusted, private_network=private_network, resolve=resolve)


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("8.8.8.8", Nearness.PUBLIC),
        ("2001:4860:4860::8888", Nearness.PUBLIC),
        ("10.0.0.1", Nearness.PRIVATE),
        ("172.16.0.1", Nearness.PRIVATE),
        ("100.64.0.1", Nearness.PRIVATE),
        ("fd00::1", Nearness.PRIVATE),
        ("fec0::1", Nearness.PRIVATE),
        ("127.8.8.8", Nearness.LOOPBACK),
        ("::1", Nearness.LOOPBACK),
        ("::ffff:127.0.0.1", Nearness.LOOPBACK),
        ("64:ff9b::7f00:1", Nearness.LOOPBACK),
        ("2002:7f00:1::", Nearness.LOOPBACK),
        ("169.254.169.254", Nearness.FORBIDDEN),
        ("fe80::1%eth0", Nearness.FORBIDDEN),
        ("0.0.0.0", Nearness.FORBIDDEN),
        ("224.0.0.1", Nearness.FORBIDDEN),
        ("::", Nearness.FORBIDDEN),
    ],
)
def test_how_near_an_address_is(address: str, near: Nearness) -> None:
    assert nearness(address) is near


async def test_a_public_server_may_name_public_addresses_and_the_connection_goes_to_these() -> None:
    public = guard("https://mcp.example/mcp")
    assert await public.addresses("https://public.example/x") == NAMES["public.example"]


@pytest.mark.parametrize(
    "host", ["intranet.example", "rebound.example", "cloud.example", "mapped.example", "localhost", "[::1]", "10.0.0.1"]
)
async def test_a_public_server_may_name_nothing_inside(host: str) -> None:
    with pytest.raises(SignInError, match="nearer to this machine"):
        await guard("https://mcp.example/mcp").addresses(f"https://{host}/x")


async def test_a_server_of_the_intranet_may_name_the_intranet_and_not_this_machine() -> None:
    intranet = guard("https://office.example/mcp")
    assert await intranet.addresses("https://intranet.example/") == ["10.1.2.3"]
    for host in ("rebound.example", "localhost", "cloud.example"):
        with pytest.raises(SignInError):
            await intranet.addresses(f"https://{host}/")


async def test_a_server_on_this_machine_may_name_it_but_not_the_clouds_metadata() -> None:
    local = guard("http://localhost:5555/mcp")
    assert await local.addresses("http://127.0.0.1:9000/") == []
    assert await local.addresses("https://intranet.example/") == ["10.1.2.3"]
    with pytest.raises(SignInError):
        await local.addresses("https://cloud.example/")


async def test_the_switch_for_intranets_opens_private_addresses_only() -> None:
    open_guard = guard("https://mcp.example/mcp", private_network=True)
    assert await open_guard.addresses("https://intranet.example/") == ["10.1.2.3"]
    for host in ("localhost", "cloud.example"):
        with pytest.raises(SignInError):
            await open_guard.addresses(f"https://{host}/")


async def test_what_the_person_configured_may_be_anywhere() -> None:
    configured = guard("https://mcp.example/mcp", "https://intranet.example/")
    assert await configured.addresses("https://intranet.example/.well-known/openid-configuration") == []


async def test_a_name_without_an_address_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match=r"nowhere\.example cannot be reached"):
        await guard("https://mcp.example/mcp").addresses("https://nowhere.example/")


async def test_behind_a_proxy_the_proxy_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert await guard("https://mcp.example/mcp").addresses("https://nowhere.example/") == []


async def test_the_connection_goes_to_the_checked_address_and_asks_for_the_name(stack: FakeStack) -> None:
    """The name is unknown to the system's resolver: only the address that was checked can lead there."""
    port = stack.issuer.rsplit(":", 1)[1].strip("/")
    asked: list[str] = []

    async def known(name: str) -> list[str]:
        asked.append(name)
        return ["127.0.0.1"]

    fetch = Fetcher(guard=guard("http://localhost/mcp", resolve=known))
    reply = await fetch.get(f"http://tenant.invalid:{port}/.well-known/openid-configuration")
    assert reply.status == 200
    assert reply.url.startswith("http://tenant.invalid:")
    assert asked == ["tenant.invalid"]


async def test_an_address_that_does_not_answer_gives_way_to_the_next(stack: FakeStack) -> None:
    port = stack.issuer.rsplit(":", 1)[1].strip("/")

    async def two(_: str) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    fetch = Fetcher(guard=guard("http://localhost/mcp", resolve=two))
    assert (await fetch.get(f"http://tenant.invalid:{port}/.well-known/openid-configuration")).status == 200


async def test_nothing_is_sent_to_an_address_that_may_not_be() -> None:
    def send(request: httpx2.Request) -> httpx2.Response:
        pytest.fail(f"sent {request.url}")

    fetch = Fetcher(transport=httpx2.MockTransport(send), guard=guard("https://mcp.example/mcp"))
    calls: list[Callable[[], object]] = [
        lambda: fetch.get("https://cloud.example/"),
        lambda: fetch.post("https://cloud.example/", {}),
        lambda: fetch.post_json("https://cloud.example/", {}),
    ]
    for call in calls:
        with pytest.raises(SignInError):
            await call()  # type: ignore[misc]


async def test_tls_is_verified_against_the_name_though_the_connection_goes_to_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def here(_: str) -> list[str]:
        return ["127.0.0.1"]

    fetch = Fetcher(guard=guard("http://localhost/mcp", resolve=here))
    with tls_server(tmp_path, "tenant.test") as (port, certificate):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert (await fetch.get(f"https://tenant.test:{port}/")).status == 404
        with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
            await fetch.get(f"https://other.test:{port}/")


def test_the_authorities_are_read_once_and_anew_when_others_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_systems = authorities()
    assert authorities() is the_systems
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with monkeypatch.context() as changed:
        changed.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        (trusted,) = authorities().get_ca_certs(binary_form=True)
    assert ssl.DER_cert_to_PEM_cert(trusted) == authority.cert_pem.bytes().decode()
    assert authorities() is the_systems


def test_an_authority_of_ones_own_is_trusted_besides_the_usual_ones(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    contexts = (authorities(), authorities(tmp_path / "ca.pem"))
    usual, with_it = (set(context.get_ca_certs(binary_form=True)) for context in contexts)
    assert [ssl.DER_cert_to_PEM_cert(der) for der in with_it - usual] == [authority.cert_pem.bytes().decode()]
    assert with_it > usual


@pytest.mark.parametrize("name", ["AUTH0_CA_FILE", "SSL_CERT_FILE"])
@pytest.mark.parametrize(
    "command",
    [["tools"], ["doctor"], ["tenant", "plan", "--file", TENANT_FILE]],
    ids=["tools", "doctor", "tenant plan"],
)
def test_a_file_of_authorities_that_has_none_is_one_line(tmp_path: Path, name: str, command: list[str]) -> None:
    (tmp_path / "ca.pem").write_text("no certificate", encoding="utf-8")
    tenant = {"AUTH0_DOMAIN": "x.example.com", "AUTH0_MGMT_TOKEN": "t", "MCP_PUBLIC_URL": "https://x.example.com/mcp"}
    ran = run(
        [sys.executable, "-m", "gatehouse_client", *command],
        cwd=tmp_path,
        env={**os.environ, **tenant, "GATEHOUSE_HOME": str(tmp_path), name: "ca.pem"},
        timeout=60,
    )
    assert ran.returncode == 2, ran.stderr
    said = f"{name} is 'ca.pem': it must be a file with certificates in PEM (it has no certificate)."
    assert said in ran.stderr.replace("\n", " ")
    assert "Traceback" not in ran.stderr


@contextmanager
def tls_server(folder: Path, name: str) -> Iterator[tuple[int, Path]]:
    """A server with a certificate of its own for `name`; its port, and the certificate to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )

    async def nothing_here(_: Request) -> Response:
        return Response(status_code=404)

    with serve_in_thread(Starlette(routes=[Route("/", nothing_here)]), certificate=certificate, key=private) as origin:
        yield int(origin.rsplit(":", 1)[1]), certificate
