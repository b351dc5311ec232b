"""The tenant over real sockets: TLS, two issuers, several tenants, broken connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mock_idp.http.serving import ListenError, listen
from tests.support.accepted_connection import has_no_delay

ROOT = Path(__file__).parents[3]
FILES = (ROOT / "auth0/tenant.yaml", ROOT / "auth0/offline.yaml")
CALLBACK = "http://localhost:8642/callback"
API = "http://localhost:5555/mcp"
MACHINE = ("GatehouseMachineDemoClient000000", "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-2")


@pytest.fixture
def tenant(start_offline_tenant: Callable[..., Any]) -> Any:
    return start_offline_tenant(*FILES)


def trusting(tenant: Any) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=tenant.ca_file)


def machine_token(issuer: str, **options: Any) -> dict[str, Any]:
    form = {"grant_type": "client_credentials", "audience": API, "client_id": MACHINE[0], "client_secret": MACHINE[1]}
    answer: dict[str, Any] = httpx2.post(f"{issuer}oauth/token", data=form, **options).json()
    return answer


def test_each_listener_has_its_issuer_and_they_share_their_keys(tenant: Any) -> None:
    verify = trusting(tenant)
    plain = httpx2.get(f"{tenant.issuer}.well-known/openid-configuration").json()
    secure = httpx2.get(f"{tenant.tls_issuer}.well-known/openid-configuration", verify=verify).json()
    assert plain["issuer"] == tenant.issuer
    assert secure["issuer"] == tenant.tls_issuer
    assert secure["jwks_uri"].startswith("https://localhost:")
    assert httpx2.get(plain["jwks_uri"]).json() == httpx2.get(secure["jwks_uri"], verify=verify).json()


def test_the_tenants_authority_is_not_trusted_by_default(tenant: Any) -> None:
    with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx2.get(tenant.tls_issuer)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_the_certificate_is_for_this_machines_names(tenant: Any, name: str) -> None:
    url = tenant.tls_issuer.replace("localhost", name)
    assert httpx2.get(f"{url}livez", verify=trusting(tenant)).text == "ok"


def test_session_cookies_are_secure_under_tls_only(tenant: Any) -> None:
    asked = {
        "client_id": "GatehouseAgentDemoClient00000000",
        "response_type": "code",
        "redirect_uri": CALLBACK,
    }
    secure = httpx2.get(f"{tenant.tls_issuer}authorize", params=asked, verify=trusting(tenant))
    plain = httpx2.get(f"{tenant.issuer}authorize", params=asked)
    assert "secure" in secure.headers["set-cookie"].lower()
    assert "secure" not in plain.headers["set-cookie"].lower()
    for response in (secure, plain):
        assert "httponly" in response.headers["set-cookie"].lower()
        assert "samesite=lax" in response.headers["set-cookie"].lower()


def test_only_the_session_reaches_a_frame_of_another_site_and_only_with_https(tenant: Any) -> None:
    """All forms need the browser mark, which does not."""
    assert dict(same_site(tenant, tenant.tls_issuer)) == {"auth0_session": "none", "auth0_browser": "lax"}
    assert dict(same_site(tenant, tenant.issuer)) == {"auth0_session": "lax", "auth0_browser": "lax"}


def test_several_tenants_run_at_once(start_offline_tenant: Callable[..., Any]) -> None:
    first, second = start_offline_tenant(*FILES), start_offline_tenant(*FILES, presets=["no-client-grant"])
    assert first.issuer != second.issuer
    assert "access_token" in machine_token(first.issuer)
    assert machine_token(second.issuer)["error"] == "access_denied"


def test_a_tenant_can_be_two_documents(start_offline_tenant: Callable[..., Any]) -> None:
    small = {"resourceServers": [{"name": "A", "identifier": "a"}]}
    tenant = start_offline_tenant(small, {"users": []})
    assert httpx2.get(tenant.issuer).status_code == 200
    assert tenant.domain.startswith("localhost:")


def test_a_dropped_connection_breaks_in_the_middle_of_the_answer(tenant: Any) -> None:
    order = {"endpoint": "jwks", "action": "drop"}
    assert httpx2.post(f"{tenant.issuer}__mock__/faults", json=order).status_code == 201
    with pytest.raises(httpx2.RemoteProtocolError):
        httpx2.get(f"{tenant.issuer}.well-known/jwks.json")
    assert httpx2.get(f"{tenant.issuer}.well-known/jwks.json").status_code == 200


def test_a_hanging_request_does_not_block_others(tenant: Any) -> None:
    order = {"endpoint": "jwks", "action": "hang"}
    httpx2.post(f"{tenant.issuer}__mock__/faults", json=order)
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.get(f"{tenant.issuer}.well-known/jwks.json", timeout=0.2)
    assert httpx2.get(f"{tenant.issuer}.well-known/jwks.json").status_code == 200


def test_a_fault_can_delay_the_answer(tenant: Any) -> None:
    order = {"endpoint": "jwks", "delay_seconds": 0.3, "times": 2}
    httpx2.post(f"{tenant.issuer}__mock__/faults", json=order)
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.get(f"{tenant.issuer}.well-known/jwks.json", timeout=0.1)
    assert httpx2.get(f"{tenant.issuer}.well-known/jwks.json", timeout=5).status_code == 200


def test_answers_on_an_open_connection_are_not_delayed_under_plain_asyncio() -> None:
    (listener,) = listen("127.0.0.1", 0, setting="MOCK_IDP_PORT")
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(has_no_delay(listener))


def same_site(tenant: Any, issuer: str) -> set[tuple[str, str]]:
    """The cookies of a sign-in without their ports, each with its SameSite."""
    query = {"client_id": "GatehouseAgentDemoClient00000000", "response_type": "code", "redirect_uri": CALLBACK}
    with httpx2.Client(verify=trusting(tenant), follow_redirects=True) as browser:
        page = browser.get(f"{issuer}authorize", params=query)
        first = page.history[0].headers.get_list("set-cookie")
        form = {"state": page.url.params["state"], "username": "alice@example.com", "password": "Wonderland-1"}
        answer = browser.post(page.url, data=form, follow_redirects=False)
    cookies = [*first, *answer.headers.get_list("set-cookie")]
    return {
        (cookie.partition("=")[0].rpartition("_")[0], cookie.lower().partition("samesite=")[2].partition(";")[0])
        for cookie in cookies
    }


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("a..b", "MOCK_IDP_HOST: 'a..b' cannot be resolved: it is no domain name; set it to localhost"),
        ("192.0.2.1", "MOCK_IDP_HOST: no address of '192.0.2.1' belongs to this machine; set it to localhost"),
    ],
    ids=["no name", "of another machine"],
)
def test_a_host_without_an_address_of_this_machine_is_named(host: str, message: str) -> None:
    with pytest.raises(ListenError) as refused:
        listen(host, 0, setting="MOCK_IDP_PORT")
    assert str(refused.value) == message
