"""What a request names and the tenant does not play is in its journal entry, its log line and the console."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from mock_idp.oauth.database_connections import ELSEWHERE, PROFILE
from mock_idp.oauth.token.endpoint import GRANTS as REDEEMED
from mock_idp.state.parameters import CLIENT, ENDPOINTS, GRANTS

OAUTH = Path(__file__).parents[2] / "mock-idp/src/mock_idp/oauth"
READ = re.compile(
    r'(?:parameters|metadata)(?:\.get\(|\[)"(\w+)"|"(\w+)" (?:not )?in (?:parameters|metadata)\b|required\("(\w+)"\)'
)


def names_read(paths: Iterable[Path]) -> set[str]:
    code = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    return {name for names in READ.findall(code) for name in names if name}


def latest(tenant: Any, path: str) -> Any:
    entries = tenant.http.get("/__mock__/requests").json()["requests"]
    return next(entry for entry in reversed(entries) if entry["path"] == path)


def test_authorize_lists_the_parameters_that_it_ignores(tenant: Any) -> None:
    tenant.authorize(acr_values="urn:mfa", display="popup", login_hint="alice@example.com", **{"ext-flavour": "x"})
    assert latest(tenant, "/authorize")["not_played"] == ["acr_values", "display"]


def test_a_request_that_is_played_whole_lists_nothing(tenant: Any) -> None:
    tenant.tokens(scope="openid access:mcp offline_access", resource="http://localhost:5555/mcp")
    assert {
        name for entry in tenant.http.get("/__mock__/requests").json()["requests"] for name in entry["not_played"]
    } == set()


def test_a_grant_lists_the_parameters_of_another_grant(tenant: Any) -> None:
    token = tenant.tokens(scope="access:mcp offline_access")["refresh_token"]
    tenant.token(grant_type="refresh_token", refresh_token=token, redirect_uri="https://app.example/", audience="")
    assert latest(tenant, "/oauth/token")["not_played"] == ["redirect_uri"]


def test_a_registration_lists_the_members_that_it_ignores(start: Any) -> None:
    tenant = start(lambda file: file["tenant"].update(flags={"enable_dynamic_client_registration": True}))
    metadata = {"redirect_uris": ["https://app.example/cb"], "logo_uri": "https://app.example/l.png", "contacts": ["a"]}
    assert tenant.http.post("/oidc/register", json=metadata).status_code == 201
    assert latest(tenant, "/oidc/register")["not_played"] == ["logo_uri", "contacts"]


def test_a_dpop_header_at_userinfo_is_listed(tenant: Any) -> None:
    token = tenant.tokens(scope="openid")["access_token"]
    tenant.http.get("/userinfo", headers={"Authorization": f"Bearer {token}", "DPoP": "proof"})
    assert latest(tenant, "/userinfo")["not_played"] == ["dpop (header)"]


def test_the_log_line_of_the_request_has_the_names_and_cannot_be_forged(
    tenant: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="mock_idp.http.middleware"):
        tenant.authorize(**{"display": "popup", "x\nGET /forged 200": "1"})
    line = caplog.records[-1].getMessage()
    assert "not played: 'display', " in line
    assert "\n" not in line


def test_many_and_long_names_are_cut(tenant: Any) -> None:
    tenant.authorize(**{f"n{number}" * 50: "1" for number in range(99)})
    listed = latest(tenant, "/authorize")["not_played"]
    assert len(listed) == 20
    assert max(map(len, listed)) == 60


@pytest.mark.parametrize(
    ("language", "heading", "sent"),
    [
        ("en", "Not played here", "Sent, and ignored by this tenant:"),
        ("ja", "ここでは動かない設定", "送られたが、このテナントが無視したもの："),
    ],
)
def test_the_console_shows_both_lists(start: Any, language: str, heading: str, sent: str) -> None:
    tenant = start(lambda file: file.update(logStreams=[{"name": "a"}, {"name": "b"}], themes=[]))
    tenant.authorize(display="popup")
    page = tenant.http.get("/?tab=not_played", headers={"Accept-Language": language}).text
    assert heading in page
    assert "<code>logStreams (2)</code>" in page
    assert "themes" not in page
    page = tenant.http.get("/", headers={"Accept-Language": language}).text
    assert f"{sent} <code>display</code>" in page


def test_the_console_says_if_everything_is_played(tenant: Any) -> None:
    assert "plays everything" in tenant.http.get("/?tab=not_played").text


def test_the_table_of_each_grant_has_every_parameter_that_its_code_reads() -> None:
    assert GRANTS.keys() == REDEEMED.keys()
    for grant, redeem in REDEEMED.items():
        module = redeem.__module__.rpartition(".")[2]
        # The two password grants share a module, and only one has a realm.
        shared = {"grant_type"} | ({"realm"} if grant == "password" else set())
        assert names_read([OAUTH / f"token/grants/{module}.py"]) - shared <= GRANTS[grant], grant


def test_the_tables_of_the_endpoints_have_every_parameter_that_the_code_reads() -> None:
    authorize = [*OAUTH.glob("authorize/*.py"), OAUTH / "audience.py", OAUTH / "organizations.py"]
    assert names_read(authorize) <= ENDPOINTS["/authorize"]
    assert names_read([OAUTH / "device.py"]) <= ENDPOINTS["/oauth/device/code"]
    assert names_read([OAUTH / "logout.py"]) <= ENDPOINTS["/v2/logout"] | ENDPOINTS["/oidc/logout"]
    signup, change = ENDPOINTS["/dbconnections/signup"], ENDPOINTS["/dbconnections/change_password"]
    assert change < signup
    assert set(PROFILE) | set(ELSEWHERE) | {"user_metadata"} <= signup
    assert names_read([OAUTH / "clients/registration.py"]) <= ENDPOINTS["/oidc/register"]
    assert names_read([OAUTH / "clients/authentication.py"]) == CLIENT
