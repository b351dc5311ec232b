"""The doctor and the tenant's objects, and contradictions between the objects and the tenant's answers."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gatehouse_client.causes.catalogue import ENTRIES
from gatehouse_client.doctor.configuration import CONFIGURED, Requirements
from gatehouse_client.doctor.findings import Finding, Mark, combined, ok, unknown
from gatehouse_client.doctor.findings import wrong as found_wrong
from gatehouse_client.doctor.objects import Objects, read_objects
from gatehouse_client.errors import ConfigurationError
from gatehouse_client.signin.http.trace import Trace
from gatehouse_client.tenant import management
from gatehouse_client.tenant.management import Management
from gatehouse_client.tenant.settings import TenantSettings
from mock_idp.pytest_plugin import offline_tenant_keys, start_offline_tenant  # noqa: F401 - fixtures
from mock_idp.tenant.presets import PRESETS
from tests.client.fake_stack import FakeStack
from tests.client.run_command import Command

FILES = tuple(Path(__file__).parents[3] / "auth0" / name for name in ("tenant.yaml", "offline.yaml"))
SET_UP = "GatehouseSetUpDemoClient00000000"
SECRET = "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-4"
AGENT = "GatehouseAgentDemoClient00000000"
MACHINE = "GatehouseMachineDemoClient000000"
DEVICE = "GatehouseDeviceDemoClient0000000"
INSPECTOR = "tpc_GatehouseInspectorDemoClient00000"
ALICE = "auth0|65a11ce00000000000000001"
BOB = "auth0|65b0b0000000000000000002"
API = "http://localhost:5555/mcp"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
# The scopes that the doctor reads with, as `gatehouse doctor --explain management` lists them.
SCOPES = re.findall(r"read:\w+", ENTRIES["management"].advice)
REQUIREMENTS = Requirements(
    audience=API,
    resource=API,
    callback="http://localhost:8642/callback",
    required_permission="access:mcp",
    permissions=("access:mcp", "time:convert"),
    grant_types=("authorization_code", "refresh_token"),
    has_credentials=True,
)
FOUND = {
    "opaque-token": {"resource-profile"},
    "resource-profile-off": {"resource-profile"},
    "default-audience": {"resource-profile"},
    "slash-mismatch": {"api"},
    "no-domain-connection": {"domain-connection"},
    "no-client-grant": {"client-grant", "third-party-grant"},
    "dcr-off": {"registration"},
    "role-missing": {"role"},
    "hs256-api": {"token-algorithm"},
}

Start = Callable[..., Any]


def read(
    tenant: Any,
    client_id: str | None = AGENT,
    person: str | None = ALICE,
    permission: str | None = None,
    **settings: str,
) -> Objects:
    given = {"auth0_mgmt_client_id": SET_UP, "auth0_mgmt_client_secret": SECRET, **settings}
    with Management(TenantSettings(auth0_issuer=tenant.issuer, **given), Trace()) as api:  # type: ignore[arg-type]
        return read_objects(api, client_id, person, API, permission)


def judged(objects: Objects, needs: Requirements = REQUIREMENTS) -> dict[str, Finding]:
    looked = {check: look(objects, needs) for check, (_, look) in CONFIGURED.items()}
    return {check: replace(finding, check=check) for check, finding in looked.items() if finding is not None}


def wrong(findings: dict[str, Finding]) -> set[str]:
    return {check for check, finding in findings.items() if finding.mark is Mark.WRONG}


@pytest.fixture
def objects(start_offline_tenant: Start) -> Objects:  # noqa: F811 - the fixture
    """The objects of this project's tenant."""
    return read(start_offline_tenant(*FILES))


def test_nothing_is_wrong_with_the_right_set_up(objects: Objects) -> None:
    found = judged(objects)
    assert wrong(found) == set()
    assert set(found) == {
        *("application", "callback", "connection", "grant-types", "credentials", "api", "permissions", "client-grant"),
        *("token-algorithm", "rbac", "role", "refresh-token"),
        *("resource-profile", "registration", "client-metadata", "domain-connection", "third-party-grant"),
    }
    assert '"Gatehouse agent", regular_web' in found["application"].seen
    assert '"Gatehouse MCP server", RS256, rfc9068_profile_authz' in found["api"].seen
    assert "mcp-user" in found["role"].seen


@pytest.mark.parametrize(
    ("client_id", "grant_types", "has_credentials"),
    [
        (MACHINE, ("client_credentials",), True),
        (DEVICE, (DEVICE_CODE, "refresh_token"), False),
        (AGENT, (), False),
        (None, ("authorization_code", "refresh_token"), False),
    ],
)
def test_nothing_is_wrong_with_the_other_ways_to_sign_in(
    start_offline_tenant: Start,  # noqa: F811 - the fixture
    client_id: str | None,
    grant_types: tuple[str, ...],
    has_credentials: bool,
) -> None:
    objects = read(start_offline_tenant(*FILES), client_id, None)
    assert (
        wrong(judged(objects, replace(REQUIREMENTS, grant_types=grant_types, has_credentials=has_credentials))) == set()
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_each_misconfiguration_is_found_by_its_check_and_by_no_other(
    start_offline_tenant: Start,  # noqa: F811 - the fixture
    preset: str,
) -> None:
    tenant = start_offline_tenant(*FILES, presets=[preset])
    assert wrong(judged(read(tenant))) == FOUND[preset]


def test_the_tenant_is_only_read_and_secrets_are_not_requested(
    start_offline_tenant: Start,  # noqa: F811 - the fixture
) -> None:
    tenant = start_offline_tenant(*FILES)
    objects = read(tenant)
    journal = httpx2.get(f"{tenant.issuer}__mock__/requests").json()["requests"]
    asked = {each["method"] for each in journal if each["path"].startswith("/api/v2/")}
    assert asked == {"GET"}
    assert "secret" not in repr(objects).replace("client_secret_post", "")


def test_a_machine_has_the_permissions_of_its_grant(objects: Objects) -> None:
    machine = {"name": "A machine", "client_id": MACHINE, "app_type": "non_interactive"}
    objects.application = {**machine, "grant_types": ["client_credentials"]}
    needs = replace(REQUIREMENTS, grant_types=("client_credentials",))
    assert judged(objects, needs)["client-grant"].mark is Mark.OK
    without = judged(objects, replace(needs, required_permission="time:convert"))
    assert wrong(without) == {"client-grant"}
    assert "lacks time:convert; it has access:mcp" in without["client-grant"].seen
    objects.grants = []
    assert "no client grant of the type client" in judged(objects, needs)["client-grant"].seen


def test_a_third_party_application_is_judged_by_third_party_rules(
    start_offline_tenant: Start,  # noqa: F811 - the fixture
) -> None:
    needs = replace(REQUIREMENTS, callback="http://localhost:6274/oauth/callback", has_credentials=False)
    objects = read(start_offline_tenant(*FILES), INSPECTOR)
    assert wrong(judged(objects, needs)) == set()
    objects.connections = [{"name": "people", "is_domain_connection": False}]
    assert wrong(judged(objects, needs)) == {"connection", "domain-connection"}
    objects.grants = []
    assert wrong(judged(objects, needs)) >= {"client-grant", "third-party-grant"}


@pytest.mark.parametrize(
    ("part", "change", "check", "expected"),
    [
        ("application", None, "application", "no application with this Client ID"),
        ("application", {"callbacks": []}, "callback", "not 'http://localhost:8642/callback'"),
        ("application", {"grant_types": ["authorization_code"]}, "grant-types", "refresh_token"),
        ("application", {"token_endpoint_auth_method": "none"}, "credentials", "has no secret"),
        ("api", {"enforce_policies": False}, "rbac", "Enable RBAC"),
        ("api", {"token_dialect": "rfc9068_profile"}, "rbac", "Add Permissions in the Access Token"),
        ("api", {"allow_offline_access": False}, "refresh-token", "Allow Offline Access is off"),
        (
            "api",
            {"scopes": [{"value": "access:mcp"}]},
            "permissions",
            "not define time:convert; it has access:mcp",
        ),
        ("api", {"identifier": "https://other.example/"}, "api", "it has https://other.example/"),
        ("api", {"identifier": "https://localhost:5555/mcp"}, "api", "(https, not http)"),
        (
            "api",
            {"subject_type_authorization": {"user": {"policy": "require_client_grant"}}},
            "client-grant",
            "require_client_grant",
        ),
        ("settings", {"resource_parameter_profile": None}, "resource-profile", "an opaque token"),
    ],
)
def test_each_fault_of_an_object_is_found(
    objects: Objects, part: str, change: dict[str, Any] | None, check: str, expected: str
) -> None:
    if part == "api":
        objects.apis = [{**api, **(change or {})} for api in objects.apis or [] if api["identifier"] == API]
    else:
        setattr(objects, part, {} if change is None else {**getattr(objects, part), **change})
    found = judged(objects)
    assert check in wrong(found)
    assert wrong(found) <= {check, "refresh-token"}, "an application without the grant type also gets no refresh token"
    assert expected in found[check].seen


def test_before_a_sign_in_it_is_said_whether_anybody_has_the_role(
    start_offline_tenant: Start,  # noqa: F811 - the fixture
) -> None:
    role = judged(read(start_offline_tenant(*FILES), person=None, permission="access:mcp"))["role"]
    assert role.mark is Mark.UNKNOWN
    assert role.seen == "nobody is signed in; access:mcp is in the role mcp-user, which somebody has"
    without = start_offline_tenant(*FILES, presets=["role-missing"])
    nobody = judged(read(without, person=None, permission="access:mcp"))["role"]
    assert nobody.mark is Mark.UNKNOWN, "a permission that a person has without a role is not visible here"
    assert "nobody has the role mcp-user, so the server answers everybody 403" in nobody.seen
    assert "gatehouse tenant apply --give-role E-MAIL" in nobody.seen
    other = read(start_offline_tenant(*FILES), person=None, permission="mcp:use")
    needs = replace(REQUIREMENTS, required_permission="mcp:use")
    assert "no role has mcp:use" in judged(other, needs)["role"].seen


def test_a_callback_with_a_wildcard_is_not_judged(objects: Objects) -> None:
    assert objects.application
    objects.application = {**objects.application, "callbacks": ["http://*.example.com/callback"]}
    assert judged(objects)["callback"].mark is Mark.UNKNOWN


def test_without_registration_the_rules_for_registered_clients_are_not_checked(objects: Objects) -> None:
    objects.settings = {"resource_parameter_profile": "compatibility"}
    objects.connections, objects.grants = [], []
    assert wrong(judged(objects)) == {"registration"}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_missing_scope_is_named_and_the_rest_is_read(
    start_offline_tenant: Start,  # noqa: F811 - the fixture
    scope: str,
) -> None:
    rest = [each for each in SCOPES if each != scope]
    narrow = {"name": "Narrow", "client_id": "narrow", "client_secret": "the-secret-of-the-narrow", "scope": rest}
    tenant = start_offline_tenant(*FILES)
    body = {"offline": {"management_clients": [narrow]}}
    assert httpx2.patch(f"{tenant.issuer}__mock__/configuration", json=body).is_success
    objects = read(tenant, auth0_mgmt_client_id="narrow", auth0_mgmt_client_secret="the-secret-of-the-narrow")
    assert scope in " ".join(objects.unread)
    found = judged(objects)
    assert wrong(found) == set()
    assert len(found) > 5


def test_refused_credentials_raise_an_error_that_does_not_contain_them(
    start_offline_tenant: Start,  # noqa: F811 - the fixture
) -> None:
    with pytest.raises(ConfigurationError, match="does not accept AUTH0_MGMT_CLIENT_ID") as raised:
        read(start_offline_tenant(*FILES), auth0_mgmt_client_secret="wr0ng-s3cret")
    assert "wr0ng-s3cret" not in str(raised.value)


def test_an_application_without_access_to_the_management_api_raises_an_error(
    start_offline_tenant: Start,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(management, "backoff", lambda _attempt: 0.0)
    secret = "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-2"
    with pytest.raises(management.ForbiddenError, match="may not use the Management API"):
        read(start_offline_tenant(*FILES), auth0_mgmt_client_id=MACHINE, auth0_mgmt_client_secret=secret)


def test_without_the_sdk_the_doctor_says_what_to_install_and_continues(
    stack: FakeStack, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "auth0.management.client", None)
    result = command("doctor", "--json", AUTH0_MGMT_TOKEN="a-t0ken", AUTH0_ISSUER=stack.issuer)
    checks = {check["check"]: check for check in json.loads(result.stdout)["checks"]}
    assert checks["management"]["result"] == "unknown"
    assert "gatehouse-client[tenant]" in checks["management"]["seen"]
    assert checks["server"]["result"] == checks["application"]["result"] == "ok"
    assert "a-t0ken" not in result.output


def test_two_sources_that_agree_are_both_shown() -> None:
    assert combined(ok("the API."), ok('"Gatehouse", RS256')) == ok('the API; "Gatehouse", RS256')


def test_the_only_source_that_knows_a_result_decides() -> None:
    assert combined(unknown("nobody is signed in"), found_wrong("Off.")) == found_wrong("Off.")
    assert combined(ok("there"), unknown("not allowed to read")) == ok("there")


def test_a_contradiction_is_shown_and_the_answers_to_a_client_decide() -> None:
    finding = combined(found_wrong("The token is signed with HS256."), ok("the API signs with RS256"))
    assert finding.mark is Mark.WRONG
    assert "The token is signed with HS256. But the Management API says: the API signs with RS256." in finding.seen


def test_the_tenants_objects_decide_over_a_guess() -> None:
    finding = combined(ok("The endpoint evaluates registrations.", guessed=True), found_wrong("It is off."))
    assert finding.mark is Mark.WRONG
    assert finding.seen == "It is off. The tenant's answers suggest otherwise: The endpoint evaluates registrations."
