from __future__ import annotations

import re
from typing import Any

import pytest

BACK = "http://localhost:5000/bye"


def allowed(file: dict[str, Any]) -> None:
    file["clients"][0]["allowed_logout_urls"] = [BACK]
    file["tenant"]["allowed_logout_urls"] = ["http://localhost:5000/tenant"]


@pytest.fixture
def tenant(start: Any) -> Any:
    return start(allowed)


def is_signed_in(tenant: Any) -> bool:
    return not tenant.authorize().headers["location"].startswith("/u/login")


def test_v2_logout_ends_the_session_and_goes_only_to_allowed_urls(tenant: Any) -> None:
    tenant.sign_in()
    evil = tenant.http.get("/v2/logout", params={"client_id": tenant.agent[0], "returnTo": "http://evil.example/"})
    assert evil.status_code == 400
    assert "location" not in evil.headers
    assert is_signed_in(tenant)
    out = tenant.http.get("/v2/logout", params={"client_id": tenant.agent[0], "returnTo": BACK})
    assert out.headers["location"] == BACK
    assert not is_signed_in(tenant)


def test_v2_logout_without_a_client_uses_the_tenants_list(tenant: Any) -> None:
    assert tenant.http.get("/v2/logout", params={"returnTo": BACK}).status_code == 400
    response = tenant.http.get("/v2/logout", params={"returnTo": "http://localhost:5000/tenant"})
    assert response.headers["location"] == "http://localhost:5000/tenant"


@pytest.mark.parametrize(
    "target",
    [
        f"{BACK}?x=1",
        f"{BACK}#part",
        f"{BACK}?next=https://evil.example/",
        "HTTP://LOCALHOST:5000/bye",
        "https://a.example.com/out?x=1",
    ],
)
def test_v2_logout_compares_neither_query_nor_fragment_nor_the_case_of_the_host(start: Any, target: str) -> None:
    tenant = start(lambda file: file["clients"][0].update(allowed_logout_urls=[BACK, "https://*.example.com/out"]))
    response = tenant.http.get("/v2/logout", params={"client_id": tenant.agent[0], "returnTo": target})
    assert response.status_code == 302
    assert response.headers["location"] == target


def test_v2_logout_also_ignores_the_query_of_the_allowed_url(start: Any) -> None:
    tenant = start(lambda file: file["clients"][0].update(allowed_logout_urls=[f"{BACK}?from=app"]))
    for target in (BACK, f"{BACK}?from=elsewhere"):
        response = tenant.http.get("/v2/logout", params={"client_id": tenant.agent[0], "returnTo": target})
        assert response.headers["location"] == target


@pytest.mark.parametrize(
    "target",
    [
        "http://localhost:5000/Bye",
        "http://localhost:5000/bye/",
        "http://localhost:5000/bye/../evil",
        "http://localhost:5000@evil.example/bye",
        "http://evil.example/?http://localhost:5000/bye",
        "http://evil.example\\@localhost:5000/bye",
        "http://local\thost:5000/bye",
        "//localhost:5000/bye",
        "https://a.b.example.com/out",
        "https://evil.example/.example.com/out",
        "https://evil.example?.example.com/out",
        "https://*.example.com/out",
    ],
)
def test_v2_logout_goes_nowhere_else(start: Any, target: str) -> None:
    tenant = start(lambda file: file["clients"][0].update(allowed_logout_urls=[BACK, "https://*.example.com/out"]))
    response = tenant.http.get("/v2/logout", params={"client_id": tenant.agent[0], "returnTo": target})
    assert response.status_code == 400
    assert "location" not in response.headers


def test_v2_logout_without_a_target_goes_to_the_first_url_without_a_wildcard(start: Any) -> None:
    tenant = start(lambda file: file["clients"][0].update(allowed_logout_urls=["https://*.example.com/out", BACK]))
    response = tenant.http.get("/v2/logout", params={"client_id": tenant.agent[0]})
    assert response.headers["location"] == BACK


def test_the_tenants_list_may_have_a_wildcard(start: Any) -> None:
    tenant = start(lambda file: file["tenant"].update(allowed_logout_urls=["https://*.example.com/out"]))
    assert tenant.http.get("/v2/logout", params={"returnTo": "https://a.example.com/out"}).status_code == 302


def test_oidc_logout_compares_the_whole_url_and_knows_the_wildcard(start: Any) -> None:
    tenant = start(lambda file: file["clients"][0].update(allowed_logout_urls=["https://*.example.com/out?a=1"]))
    known = {"client_id": tenant.agent[0], "post_logout_redirect_uri": "https://b.example.com/out?a=1"}
    assert tenant.http.get("/oidc/logout", params=known).status_code == 302
    for target in ("https://b.example.com/out?a=2", "https://b.example.com/out", "https://B.example.org/out?a=1"):
        changed = {**known, "post_logout_redirect_uri": target}
        assert tenant.http.get("/oidc/logout", params=changed).status_code == 400


def test_oidc_logout_is_advertised_if_its_setting_is_on(start: Any) -> None:
    document = start().http.get("/.well-known/openid-configuration").json()
    assert document["end_session_endpoint"] == "http://localhost:9000/oidc/logout"
    setting = {"oidc_logout": {"rp_logout_end_session_endpoint_discovery": False}}
    off = start(lambda file: file["tenant"].update(setting)).http.get("/.well-known/openid-configuration")
    assert "end_session_endpoint" not in off.json()


def test_an_id_token_hint_of_this_session_logs_out_at_once(tenant: Any) -> None:
    hint = tenant.tokens()["id_token"]
    parameters = {"id_token_hint": hint, "post_logout_redirect_uri": BACK, "state": "a b"}
    response = tenant.http.get("/oidc/logout", params=parameters)
    assert response.headers["location"] == f"{BACK}?state=a+b"
    assert not is_signed_in(tenant)


def test_without_a_hint_the_person_is_asked(tenant: Any) -> None:
    tenant.sign_in()
    page = tenant.http.get("/oidc/logout", params={"client_id": tenant.agent[0], "post_logout_redirect_uri": BACK})
    assert page.status_code == 200
    found = re.search(r'name="state" value="([^"]+)"', page.text)
    assert found is not None
    assert is_signed_in(tenant)
    form = {"state": found[1], "action": "accept"}
    assert tenant.browser().http.post("/u/logout", data=form).status_code == 400
    response = tenant.http.post("/u/logout", data=form)
    assert response.headers["location"] == BACK
    assert not is_signed_in(tenant)


def test_with_a_hint_of_another_session_the_person_is_also_asked(tenant: Any) -> None:
    hint = tenant.browser().tokens()["id_token"]
    tenant.sign_in()
    assert "Do you want to log out" in tenant.http.get("/oidc/logout", params={"id_token_hint": hint}).text


def test_a_contradictory_or_foreign_hint_is_refused(tenant: Any) -> None:
    hint = tenant.tokens()["id_token"]
    wrong = [
        {"id_token_hint": "nonsense"},
        {"id_token_hint": hint, "client_id": tenant.machine[0]},
        {"id_token_hint": hint, "logout_hint": "other"},
        {"client_id": "nobody"},
        {"id_token_hint": hint, "post_logout_redirect_uri": "http://evil.example/"},
    ]
    for parameters in wrong:
        response = tenant.http.get("/oidc/logout", params=parameters)
        assert response.status_code == 400
        assert "location" not in response.headers
    assert is_signed_in(tenant)
