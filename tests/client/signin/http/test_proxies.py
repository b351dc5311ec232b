"""HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, with a real proxy."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from gatehouse_client.errors import ConfigurationError
from gatehouse_client.signin.http.proxies import proxy_for
from tests.client.fake_stack import FakeStack, server_app
from tests.client.run_command import Command
from tests.support.documents import the_block
from tests.support.free_ports import free_port
from tests.support.http_proxy import HttpProxy, http_proxy
from tests.support.quick_python import run
from tests.support.serve_in_thread import serve_in_thread

TENANT_FILE = str(Path(__file__).parents[4] / "auth0" / "tenant.yaml")
NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, *map(str.lower, NAMES), "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)


@dataclass
class Intranet:
    """A server that only a proxy can reach: no resolver knows its name.

    Attributes:
        variables: what the command needs besides the proxy.
    """

    url: str
    variables: dict[str, str]


@pytest.fixture
def proxy() -> Iterator[HttpProxy]:
    with http_proxy() as running:
        yield running


@pytest.fixture
def intranet(stack: FakeStack, tmp_path: Path) -> Iterator[Intranet]:
    authority, certificate, key = trustme.CA(), tmp_path / "certificate.pem", tmp_path / "key.pem"
    issued = authority.issue_cert("mcp.test")
    issued.private_key_and_cert_chain_pem.write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    token = stack.issue(frozenset({"access:mcp"}))["access_token"]
    with serve_in_thread(server_app(stack), certificate=certificate, key=key) as origin:
        url = f"https://mcp.test:{origin.rsplit(':', 1)[1]}/mcp"
        stack.server = url
        variables = {"MCP_PUBLIC_URL": url, "GATEHOUSE_TOKEN": token, "AUTH0_CA_FILE": str(tmp_path / "ca.pem")}
        yield Intranet(url, {**variables, "AUTH0_CLIENT_ID": "", "AUTH0_CLIENT_SECRET": ""})


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_the_agent_reaches_its_server_through_the_proxy(
    command: Command, intranet: Intranet, proxy: HttpProxy, name: str
) -> None:
    result = command("tools", **intranet.variables, **{name: proxy.url})
    assert result.exit_code == 0, result.stderr
    assert "get_time" in result.stdout
    assert set(proxy.asked) == {f"CONNECT {intranet.url.split('/')[2]}"}


def test_user_and_password_go_to_the_proxy_only(command: Command, intranet: Intranet, proxy: HttpProxy) -> None:
    with_user = proxy.url.replace("http://", "http://ann:p%40ss@")
    assert command("tools", **intranet.variables, HTTPS_PROXY=with_user).exit_code == 0
    expected = "Basic " + base64.b64encode(b"ann:p@ss").decode()
    assert set(proxy.credentials) == {expected}


def test_a_proxy_without_a_scheme_is_http(command: Command, intranet: Intranet, proxy: HttpProxy) -> None:
    assert command("tools", **intranet.variables, HTTPS_PROXY=proxy.url.removeprefix("http://")).exit_code == 0


def test_this_machine_is_never_reached_through_a_proxy(stack: FakeStack, command: Command, proxy: HttpProxy) -> None:
    everything = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), proxy.url)
    assert command("login", **everything).exit_code == 0
    assert command("tools", **everything).exit_code == 0
    assert stack.entries("authorize")
    assert proxy.asked == []


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_refuses_is_named(command: Command, intranet: Intranet, proxy: HttpProxy, status: int) -> None:
    proxy.refuse = status
    with_user = proxy.url.replace("http://", "http://ann:secret@")
    result = command("tools", **intranet.variables, HTTPS_PROXY=with_user)
    said = " ".join(result.stderr.split())
    assert result.exit_code == 5
    shown = proxy.url.replace("http://", "http://***@")
    assert f"The proxy {shown} (HTTPS_PROXY) does not connect to the MCP server {intranet.url}: {status}" in said
    assert "add mcp.test to NO_PROXY" in said
    assert "secret" not in said


def test_a_proxy_that_does_not_run_is_named(command: Command, intranet: Intranet) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = command("tools", **intranet.variables, HTTPS_PROXY=url)
    said = " ".join(result.stderr.split())
    assert result.exit_code == 5
    shown = the_block("docs/network.md", "Proxies", "text").removesuffix("...\n")
    assert shown.replace("http://proxy.example:3128", url) in said
    assert "Is the server running?" not in said


def test_an_untrusted_certificate_behind_a_proxy_is_still_about_the_certificate(
    command: Command, intranet: Intranet, proxy: HttpProxy
) -> None:
    result = command("tools", **{**intranet.variables, "AUTH0_CA_FILE": ""}, HTTPS_PROXY=proxy.url)
    said = " ".join(result.stderr.split())
    assert f"cannot be reached through the proxy {proxy.url} (HTTPS_PROXY)" in said
    assert "gatehouse doctor --explain tls" in said


WRONG = [
    "socks5://127.0.0.1:1080",
    "socks5h://u:p@127.0.0.1:1080",
    "SOCKS4://127.0.0.1",
    "ftp://proxy.example",
    "http://",
    "http://proxy.example:port",
    "http://proxy.example:99999",
    "http://proxy.example:0",
    "http://[::1",
    "http://pro xy.example",
    "proxy.example:80:80",
    "http://u:se\x1bcret@:80",
    "://",
    "\u202e",
    "http://" + "a" * 3000 + "\u2026:1",
]


@pytest.mark.parametrize("value", WRONG, ids=[f"{value[:20]!a}" for value in WRONG])
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "all_proxy"])
def test_a_wrong_proxy_is_one_line_that_names_the_variable(command: Command, name: str, value: str) -> None:
    result = command("tools", MCP_PUBLIC_URL="https://mcp.test/mcp", **{name: value})
    assert result.exit_code == 2
    said = " ".join(result.stderr.split())
    assert said.startswith(f"{name} is ")
    assert "Valid is http://HOST:PORT or https://HOST:PORT." in said
    assert "add mcp.test to NO_PROXY" in said
    assert "cret" not in said.replace("secret", "")
    assert ("SOCKS" in said) == value.lower().startswith("socks")


@pytest.mark.parametrize(
    "arguments",
    [["tools"], ["login"], ["doctor"], ["logout"], ["whoami"], ["ask", "time?"]],
    ids=lambda arguments: arguments[0],
)
@pytest.mark.parametrize("value", ["socks5://127.0.0.1:1080", "http://[::1"])
def test_a_wrong_proxy_that_no_request_uses_changes_nothing(command: Command, arguments: list[str], value: str) -> None:
    assert command("login").exit_code == 0
    expected = command(*arguments, NO_COLOR="1").exit_code
    assert command("login").exit_code == 0
    result = command(*arguments, ALL_PROXY=value, HTTPS_PROXY=value, http_proxy=value)
    assert result.exit_code == expected, result.stderr


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:1080", "http://[::1"])
@pytest.mark.parametrize(
    "arguments",
    [["tools"], ["login"], ["doctor"], ["ask", "time?"], ["tenant", "plan", "--file", TENANT_FILE]],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_no_command_ends_in_a_traceback(tmp_path: Path, arguments: list[str], value: str) -> None:
    variables = {
        "AUTH0_DOMAIN": "x.example.com",
        "AUTH0_MGMT_TOKEN": "t",
        "MCP_PUBLIC_URL": "https://x.example.com/mcp",
    }
    ran = run(
        [sys.executable, "-m", "gatehouse_client", *arguments],
        cwd=tmp_path,
        env={**os.environ, **variables, "GATEHOUSE_HOME": str(tmp_path), "ALL_PROXY": value},
        timeout=60,
    )
    assert ran.returncode == 2, ran.stderr
    assert "ALL_PROXY is " in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("entries", "url", "excepted"),
    [
        ("*", "https://mcp.test/", True),
        ("mcp.test", "https://mcp.test/", True),
        ("MCP.Test", "https://mcp.test./", True),
        ("test", "https://mcp.test/", True),
        (".test", "https://mcp.test/", True),
        ("*.test", "https://mcp.test/", True),
        ("p.test", "https://mcp.test/", False),
        ("other.test, mcp.test", "https://mcp.test/", True),
        ("other.test mcp.test", "https://mcp.test/", True),
        ("mcp.test:443", "https://mcp.test/", True),
        ("mcp.test:8443", "https://mcp.test/", False),
        ("https://mcp.test", "https://mcp.test/", True),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.1.2.3", "https://10.1.2.3/", True),
        ("fd00::/8", "https://[fd00::1]:8443/", True),
        ("[fd00::1]", "https://[fd00::1]/", True),
        ("[fd00::1]:8443", "https://[fd00::1]:8443/", True),
        ("fd00::/8", "https://10.1.2.3/", False),
        ("", "https://mcp.test/", False),
        (",,[,]://:/:1,.", "https://mcp.test/", False),
        ("999.0.0.0/99", "https://mcp.test/", False),
    ],
)
def test_no_proxy(monkeypatch: pytest.MonkeyPatch, entries: str, url: str, excepted: bool) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", entries)
    assert (proxy_for(url) is None) == excepted


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:1/",
        "http://LOCALHOST./",
        "http://tenant.localhost/",
        "http://127.0.0.1/",
        "http://127.9.9.9/",
        "http://[::1]:5/",
        "http://[::ffff:127.0.0.1]/",
    ],
)
def test_loopback_uses_no_proxy(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "nonsense://")
    assert proxy_for(url) is None


def test_the_variable_of_the_scheme_goes_first_and_lower_case_before_upper_case(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://all.test:1")
    assert str(proxy_for("https://x.test/")) == "http://all.test:1 (ALL_PROXY)"
    monkeypatch.setenv("HTTPS_PROXY", "http://upper.test:1")
    assert str(proxy_for("https://x.test/")) == "http://upper.test:1 (HTTPS_PROXY)"
    assert str(proxy_for("http://x.test/")) == "http://all.test:1 (ALL_PROXY)"
    monkeypatch.setenv("https_proxy", "http://lower.test:1")
    assert str(proxy_for("https://x.test/")) == "http://lower.test:1 (https_proxy)"
    monkeypatch.setenv("all_proxy", "")
    assert proxy_for("http://x.test/") is None


def test_a_cgi_server_does_not_take_the_proxy_from_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    monkeypatch.setenv("HTTP_PROXY", "http://evil.test:1")
    assert proxy_for("http://x.test/") is None
    monkeypatch.setenv("http_proxy", "http://ours.test:1")
    assert proxy_for("http://x.test/") is not None


def test_user_and_password_are_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://ann:s3cret@proxy.test:1")
    assert "s3cret" not in f"{proxy_for('https://x.test/')} {proxy_for('https://x.test/')!r}"
    for value in ("ann:s3cret@proxy.test:nope", "socks5://ann:s3cret@proxy.test", "http://ann:s3cret@x@:1:1"):
        monkeypatch.setenv("HTTPS_PROXY", value)
        with pytest.raises(ConfigurationError) as raised:
            proxy_for("https://x.test/")
        assert "s3cret" not in str(raised.value)
