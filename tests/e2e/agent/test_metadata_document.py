"""The agent without a client in the tenant: its Client ID is the URL of its metadata document (CIMD)."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from tests.e2e.agent.test_doctor import MANAGEMENT, examined, wrong
from tests.support.processes import wait_for_status
from tests.support.stack import NO_BROWSER, LocalStack, Stack

PATH = "/gatehouse.json"


@contextmanager
def published(authority: trustme.CA, callback: str) -> Iterator[str]:
    """Publish the agent's metadata document over https; yields its URL."""
    document: dict[str, object] = {
        "client_name": "Gatehouse agent",
        "application_type": "native",
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [callback],
        "token_endpoint_auth_method": "none",
    }

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == PATH else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        document["client_id"] = url = f"https://localhost:{server.server_port}{PATH}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield url
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def switched_off(stack: Stack, *switches: str) -> Iterator[None]:
    """Turn these settings of the tenant for metadata documents off, and reset the tenant afterwards."""
    off = {f"client_id_metadata_document_{name}": False for name in switches}
    stack.control("PATCH", "configuration", tenant={"tenant": off})
    try:
        yield
    finally:
        stack.control("POST", "reset")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, str]]:
    """A stack whose tenant may fetch documents from this machine, and the URL of the agent's document."""
    running = LocalStack.on_free_ports(tmp_path_factory.mktemp("documents"))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(running.folder / "site.pem")
    fetching = {
        "MOCK_IDP_CIMD_FETCH": "true",
        "MOCK_IDP_CIMD_ALLOW_PRIVATE": "true",
        "MOCK_IDP_CIMD_CA_FILE": str(running.folder / "site.pem"),
    }
    callback = running.variables["OAUTH_CALLBACK_URI"]
    with published(authority, callback) as url, running.tenant(**fetching), running.server():
        wait_for_status(f"{running.origin}/readyz", 200)
        variables = {
            **running.variables,
            "AUTH0_CLIENT_ID": "",
            "AUTH0_CLIENT_SECRET": "",
            "OAUTH_CLIENT_METADATA_URL": url,
        }
        yield replace(running, variables=variables), url


def test_the_agent_signs_in_with_its_metadata_document_and_registers_no_client(
    site: tuple[Stack, str], home: Path
) -> None:
    stack, url = site
    signed_in = stack.gatehouse("login", home=home)
    assert signed_in.returncode == 0, signed_in.stderr
    raw = stack.gatehouse("token", "--raw", home=home, browser=NO_BROWSER).stdout
    claims = json.loads(base64.urlsafe_b64decode(raw.split(".")[1] + "=="))
    assert claims["client_id"] == url
    called = stack.gatehouse("call", "whoami", home=home, browser=NO_BROWSER)
    assert called.returncode == 0, called.stderr
    assert not list(home.rglob("clients/*.json"))


def test_a_sign_in_with_a_metadata_document_is_refreshed_and_ended_without_a_browser(
    site: tuple[Stack, str], home: Path
) -> None:
    stack, _ = site
    assert stack.gatehouse("login", home=home).returncode == 0
    (kept,) = home.rglob("tokens/*.json")
    grant = json.loads(kept.read_text(encoding="utf-8"))
    kept.write_text(json.dumps({**grant, "expires_at": grant["obtained_at"] - 1}), encoding="utf-8")
    called = stack.gatehouse("call", "whoami", home=home, browser=NO_BROWSER)
    assert called.returncode == 0, called.stderr
    renewed = json.loads(kept.read_text(encoding="utf-8"))
    assert renewed["refresh_token"] != grant["refresh_token"], "a public client's refresh token is replaced"
    assert stack.gatehouse("logout", home=home, browser=NO_BROWSER).returncode == 0


def test_the_agent_registers_itself_if_the_tenant_accepts_no_metadata_documents(
    site: tuple[Stack, str], home: Path
) -> None:
    stack, _ = site
    with switched_off(stack, "supported", "dynamic_registration_supported"):
        signed_in = stack.gatehouse("login", home=home)
    assert signed_in.returncode == 0, signed_in.stderr
    (kept,) = home.rglob("clients/*.json")
    assert json.loads(kept.read_text(encoding="utf-8"))["client_id"].startswith("tpc_")


@pytest.mark.parametrize("management", [{}, MANAGEMENT])
def test_the_doctor_checks_with_the_agents_metadata_document(
    site: tuple[Stack, str], home: Path, management: dict[str, str]
) -> None:
    stack, url = site
    results, findings = examined(stack, home, code=0, AUTH0_ISSUER=stack.issuer, **management)
    assert {results[check] for check in ("application", "callback", "credentials", "api", "client-metadata")} == {"ok"}
    assert findings["application"]["seen"] == url
    assert url in findings["client-metadata"]["seen"]


@pytest.mark.parametrize(
    ("dynamic", "found", "told"),
    [
        ("1", {"client-metadata"}, "the agent registers itself"),
        ("0", {"client-metadata", "application"}, "it has no other Client ID"),
    ],
)
def test_the_doctor_reports_that_the_tenant_does_not_accept_the_metadata_document(
    site: tuple[Stack, str], home: Path, dynamic: str, found: set[str], told: str
) -> None:
    stack, url = site
    with switched_off(stack, "supported", "dynamic_registration_supported"):
        results, findings = examined(stack, home, code=1, AUTH0_ISSUER=stack.issuer, OAUTH_DYNAMIC_REGISTRATION=dynamic)
    assert wrong(results) == found
    assert url in findings["client-metadata"]["seen"]
    assert told in findings["client-metadata"]["seen"]


def test_the_doctor_finds_a_metadata_document_that_is_not_imported(site: tuple[Stack, str], home: Path) -> None:
    stack, url = site
    with switched_off(stack, "dynamic_registration_supported"):
        results, findings = examined(stack, home, code=1, AUTH0_ISSUER=stack.issuer)
    assert wrong(results) == {"application"}
    assert url in findings["application"]["seen"]
    assert "import the document" in findings["application"]["advice"]
