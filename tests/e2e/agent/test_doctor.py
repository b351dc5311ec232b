"""`gatehouse doctor` against the running stack: it finds each misconfiguration, and nothing in a correct set-up."""

from __future__ import annotations

import base64
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import DEMO_CLIENT, NO_BROWSER, Stack

MACHINE = {
    "GATEHOUSE_SIGN_IN": "machine",
    "AUTH0_CLIENT_ID": "GatehouseMachineDemoClient000000",
    "AUTH0_CLIENT_SECRET": "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-2",
}
DEVICE = {
    "GATEHOUSE_SIGN_IN": "device",
    "AUTH0_CLIENT_ID": "GatehouseDeviceDemoClient0000000",
    "AUTH0_CLIENT_SECRET": "",
}
MANAGEMENT = {
    "AUTH0_MGMT_CLIENT_ID": "GatehouseSetUpDemoClient00000000",
    "AUTH0_MGMT_CLIENT_SECRET": "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-4",
}


def examined(
    stack: Stack, home: Path, *arguments: str, code: int, **variables: str
) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """The doctor's findings: the result of each check, and the whole findings."""
    done = stack.gatehouse("doctor", "--others", "--json", *arguments, home=home, browser=NO_BROWSER, **variables)
    assert done.returncode == code, done.stdout + done.stderr
    report = json.loads(done.stdout)
    own = [finding for finding in report["checks"] if not finding["only_for_others"]]
    assert report["ok"] is (code == 0) is not any(finding["result"] == "wrong" for finding in own)
    findings = {finding["check"]: finding for finding in report["checks"]}
    return {check: finding["result"] for check, finding in findings.items()}, findings


def wrong(results: dict[str, str]) -> set[str]:
    return {check for check, result in results.items() if result == "wrong"}


def test_a_correct_set_up_has_no_findings_before_a_sign_in(stack: Stack, home: Path) -> None:
    results, findings = examined(stack, home, code=0)
    assert results["resource-profile"] == results["api"] == results["grant-types"] == "ok"
    assert results["role"] == results["domain-connection"] == "unknown"
    assert "gatehouse login" in findings["token"]["seen"]
    assert findings["role"]["seen"].startswith("nobody is signed in; whoever signs in needs the permission access:mcp")
    assert "--register" in findings["domain-connection"]["seen"]


def test_a_correct_set_up_has_no_findings_after_a_sign_in(stack: Stack, home: Path) -> None:
    assert stack.gatehouse("login", home=home).returncode == 0
    results, _ = examined(stack, home, "--register", code=0)
    assert {check for check, result in results.items() if result == "unknown"} <= {"tls", "management", "permissions"}
    again, _ = examined(stack, home, code=0)
    assert again["domain-connection"] == "ok", "the registered client is stored for the next run"
    assert stack.gatehouse("call", "whoami", home=home, browser=NO_BROWSER).returncode == 0, "the sign-in still works"


OTHERS = {"resource-identifier", "resource-profile", "registration", "domain-connection", "third-party-grant"}
"""Checks that only clients of other people need."""


@pytest.mark.parametrize(
    ("preset", "found"),
    [
        ("opaque-token", {"resource-profile"}),
        ("resource-profile-off", {"resource-profile"}),
        ("default-audience", {"resource-profile"}),
        ("slash-mismatch", {"api"}),
        ("no-domain-connection", {"domain-connection"}),
        ("no-client-grant", {"client-grant", "third-party-grant"}),
        ("dcr-off", {"registration"}),
        ("role-missing", {"role"}),
        ("hs256-api", {"token-algorithm"}),
    ],
)
def test_each_misconfiguration_is_found_by_its_check_and_by_no_other(
    stack: Stack, home: Path, preset: str, found: set[str]
) -> None:
    with stack.misconfigured(preset):
        stack.gatehouse("login", home=home)
        results, findings = examined(stack, home, "--register", code=1 if found - OTHERS else 0)
    assert wrong(results) == found
    for check in found:
        assert findings[check]["advice"]
        assert findings[check]["fix"]


@pytest.mark.parametrize(
    ("preset", "found"),
    [
        ("opaque-token", {"resource-profile"}),
        ("resource-profile-off", {"resource-profile"}),
        ("default-audience", {"resource-profile"}),
        ("slash-mismatch", {"api"}),
        ("no-domain-connection", {"domain-connection"}),
        ("no-client-grant", {"client-grant", "third-party-grant"}),
        ("dcr-off", {"registration"}),
        ("role-missing", set[str]()),  # only a sign-in tells whose role to check
        ("hs256-api", {"token-algorithm"}),
    ],
)
def test_with_management_credentials_each_misconfiguration_is_found_before_a_sign_in(
    stack: Stack, home: Path, preset: str, found: set[str]
) -> None:
    with stack.misconfigured(preset):
        results, _ = examined(stack, home, code=1 if found - OTHERS else 0, AUTH0_ISSUER=stack.issuer, **MANAGEMENT)
    assert wrong(results) == found
    assert results["management"] == "ok"


def test_with_management_credentials_a_correct_set_up_has_no_findings(stack: Stack, alice_home: Path) -> None:
    variables = {"AUTH0_ISSUER": stack.issuer, **MANAGEMENT}
    results, findings = examined(stack, alice_home, "--trace", code=0, **variables)
    assert {check for check, result in results.items() if result == "unknown"} <= {"tls"}
    assert "mcp-user" in findings["role"]["seen"]
    traced = stack.gatehouse("doctor", "--trace", home=alice_home, browser=NO_BROWSER, **variables)
    assert "/api/v2/clients/" in traced.stderr
    assert MANAGEMENT["AUTH0_MGMT_CLIENT_SECRET"] not in traced.stdout + traced.stderr + json.dumps(findings)
    assert "Bearer ey" not in traced.stderr


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"AUTH0_MGMT_CLIENT_SECRET": "wr0ng-s3cret"}, "does not accept AUTH0_MGMT_CLIENT_ID"),
        ({"AUTH0_MGMT_CLIENT_SECRET": ""}, "Not set: AUTH0_MGMT_CLIENT_SECRET."),
        ({"AUTH0_MGMT_TOKEN": "n0nsense"}, "does not accept AUTH0_MGMT_TOKEN"),
    ],
)
def test_wrong_management_credentials_do_not_fail_the_doctor(
    stack: Stack, home: Path, variables: dict[str, str], expected: str
) -> None:
    mistaken = {"AUTH0_ISSUER": stack.issuer, **MANAGEMENT, **variables}
    results, findings = examined(stack, home, code=0, **mistaken)
    assert results["management"] == "unknown"
    assert expected in findings["management"]["seen"]
    assert results["api"] == results["application"] == "ok"
    assert not any(secret in json.dumps(findings) for secret in ("wr0ng-s3cret", "n0nsense"))


@pytest.mark.parametrize("management", [{}, MANAGEMENT])
def test_a_machine_client_is_checked_completely_without_a_person(
    stack: Stack, home: Path, management: dict[str, str]
) -> None:
    results, findings = examined(stack, home, code=0, AUTH0_ISSUER=stack.issuer, **MACHINE, **management)
    decided = {"application", "credentials", "grant-types", "api", "client-grant", "token", "token-audience"}
    decided |= {"token-algorithm", "token-signature", "role", "accepted", "hosts"}
    assert {results[check] for check in decided} == {"ok"}
    assert not list(home.rglob("tokens/*.json")), "nothing is stored"
    assert "client_credentials" in findings["grant-types"]["seen"]


@pytest.mark.parametrize(
    ("variables", "preset", "found"),
    [
        ({"AUTH0_CLIENT_SECRET": "wr0ng-s3cret"}, None, {"credentials"}),
        ({"AUTH0_CLIENT_SECRET": ""}, None, {"credentials"}),
        (DEMO_CLIENT, None, {"grant-types"}),
        ({}, "slash-mismatch", {"api"}),
        ({}, "no-client-grant", {"client-grant"}),
        ({}, "hs256-api", {"token-algorithm"}),
        ({"REQUIRED_PERMISSION": "time:convert"}, None, {"required-permission"}),
    ],
)
def test_each_fault_in_a_machine_clients_sign_in_is_found(
    stack: Stack, home: Path, variables: dict[str, str], preset: str | None, found: set[str]
) -> None:
    mistaken = {**MACHINE, **variables}
    with stack.misconfigured(preset) if preset else nullcontext():
        results, findings = examined(stack, home, code=1, **mistaken)
    assert wrong(results) == found
    if preset == "slash-mismatch":
        assert "the final slash" in findings["api"]["seen"]
    assert "wr0ng-s3cret" not in json.dumps(findings)


@pytest.mark.parametrize("management", [{}, MANAGEMENT])
def test_a_sign_in_on_another_device_needs_no_callback(stack: Stack, home: Path, management: dict[str, str]) -> None:
    results, _ = examined(stack, home, code=0, AUTH0_ISSUER=stack.issuer, **DEVICE, **management)
    assert results["callback"] == "unknown"
    assert {results[check] for check in ("application", "grant-types", "credentials", "api", "client-grant")} == {"ok"}
    with stack.misconfigured("slash-mismatch"):
        results, _ = examined(stack, home, code=1, AUTH0_ISSUER=stack.issuer, **DEVICE, **management)
    assert wrong(results) == {"api"}


def test_a_ready_token_is_checked(stack: Stack, home: Path) -> None:
    results, _ = examined(stack, home, code=0, GATEHOUSE_SIGN_IN="token", GATEHOUSE_TOKEN=stack.mint())
    assert results["accepted"] == results["token"] == results["token-audience"] == "ok"
    ended = stack.mint(claims={"iat": 1_600_000_000, "exp": 1_600_003_600})
    results, findings = examined(stack, home, code=1, GATEHOUSE_SIGN_IN="token", GATEHOUSE_TOKEN=ended)
    assert wrong(results) == {"token"}
    assert "GATEHOUSE_TOKEN has expired" in findings["token"]["seen"]
    assert findings["token"]["advice"].startswith("Set a new GATEHOUSE_TOKEN")
    assert results["token-signature"] == results["role"] == "unknown"
    assert ended not in json.dumps(findings)


@pytest.mark.parametrize("management", [{}, MANAGEMENT])
def test_an_expired_sign_in_leaves_the_token_checks_unknown(
    stack: Stack, home: Path, management: dict[str, str]
) -> None:
    assert stack.gatehouse("login", home=home).returncode == 0
    make_outdated(home, expires_at=1_600_000_000)
    results, findings = examined(stack, home, code=0, AUTH0_ISSUER=stack.issuer, **management)
    expected = {check: finding["seen"] for check, finding in findings.items() if finding["group"] == "Stored sign-in"}
    assert [check for check, seen in expected.items() if "gatehouse login" in seen] == ["token"]
    assert "expired at 2020-09-1" in expected["token"]
    assert results["token-signature"] == results["accepted"] == "unknown"
    assert results["role"] == ("ok" if management else "unknown"), "the tenant's objects tell it without a token"


@pytest.mark.parametrize("management", [{}, MANAGEMENT])
def test_an_old_key_is_distinguished_from_a_wrong_algorithm(
    stack: Stack, home: Path, management: dict[str, str]
) -> None:
    assert stack.gatehouse("login", home=home).returncode == 0
    make_outdated(home)
    results, findings = examined(stack, home, code=1, AUTH0_ISSUER=stack.issuer, **management)
    assert wrong(results) == {"token-signature", "refresh-token"}
    assert results["token-algorithm"] == "ok"
    signature = findings["token-signature"]
    assert "is not among the published keys" in signature["seen"]
    assert "Management API" not in signature["seen"]
    assert "gatehouse login --force" in signature["advice"]
    assert "because token-signature is wrong" in findings["accepted"]["seen"]


def make_outdated(home: Path, **values: object) -> None:
    """Replace the stored token with one of an old key that the tenant does not publish, without a refresh token."""
    (kept,) = home.rglob("tokens/*.json")
    grant = json.loads(kept.read_text(encoding="utf-8"))
    header = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "typ": "at+jwt", "kid": "earlier"}).encode())
    token = ".".join([header.decode().rstrip("="), *grant["access_token"].split(".")[1:]])
    kept.write_text(json.dumps({**grant, "access_token": token, "refresh_token": None, **values}), encoding="utf-8")


def test_every_preset_of_the_tenant_has_a_test(stack: Stack) -> None:
    marks = test_each_misconfiguration_is_found_by_its_check_and_by_no_other.pytestmark  # type: ignore[attr-defined]
    tried = {preset for preset, _ in marks[0].args[1]}
    assert {preset["name"] for preset in stack.control("GET", "presets").json()["presets"]} == tried


@pytest.mark.parametrize(
    ("variables", "found", "expected"),
    [
        ({"AUTH0_CLIENT_ID": "nobody"}, {"application"}, "nobody"),
        ({"OAUTH_CALLBACK_URI": "http://127.0.0.1:5000/callback"}, {"callback"}, "127.0.0.1:5000"),
        ({"AUTH0_CLIENT_SECRET": "wrong-secret-of-somebody"}, {"credentials"}, "access_denied"),
        (
            {
                "AUTH0_CLIENT_ID": "tpc_GatehouseInspectorDemoClient00000",
                "AUTH0_CLIENT_SECRET": "",
                "OAUTH_CALLBACK_URI": "http://localhost:6274/oauth/callback",
                "GATEHOUSE_SIGN_IN": "device",
            },
            {"grant-types"},
            "device_code",
        ),
    ],
)
def test_wrong_settings_of_the_agent_are_found(
    stack: Stack, home: Path, variables: dict[str, str], found: set[str], expected: str
) -> None:
    results, findings = examined(stack, home, code=1, **variables)
    assert found <= wrong(results) <= {*found, "callback-port"}
    assert all(expected in findings[check]["seen"] for check in found)
    assert "wrong-secret-of-somebody" not in json.dumps(findings)


def test_an_audience_that_differs_from_the_servers_url_is_found(stack: Stack, home: Path) -> None:
    results, findings = examined(stack, home, code=1, AUTH0_AUDIENCE=f"{stack.audience}/")
    assert wrong(results) == {"api", "resource-identifier"}
    assert "the final slash" in findings["api"]["seen"]
    assert findings["resource-identifier"]["fix"]["environment"] == f"AUTH0_AUDIENCE={stack.mcp_url}"


def test_a_tenant_that_differs_from_the_servers_is_found(stack: Stack, home: Path) -> None:
    results, _ = examined(stack, home, code=1, AUTH0_ISSUER=stack.issuer.removesuffix("/"))
    assert wrong(results) == {"issuer"}, "what follows from it is not listed"
    assert results["authorization-server"] == "unknown"


def test_a_server_that_does_not_answer_is_found(stack: Stack, home: Path) -> None:
    results, findings = examined(
        stack, home, code=1, MCP_PUBLIC_URL="http://localhost:1/mcp", AUTH0_ISSUER=stack.issuer
    )
    assert "server" in wrong(results)
    assert results["challenge"] == results["resource-metadata"] == "unknown"
    assert "Traceback" not in json.dumps(findings)


def test_a_check_can_be_skipped(stack: Stack, home: Path) -> None:
    with stack.misconfigured("dcr-off"):
        results, _ = examined(stack, home, "--skip", "registration", code=0)
    assert "registration" not in results


def test_what_only_clients_of_other_people_need_is_shown_on_request_and_is_no_error(stack: Stack, home: Path) -> None:
    with stack.misconfigured("dcr-off"):
        usual = stack.gatehouse("doctor", home=home, browser=NO_BROWSER)
        asked = stack.gatehouse("doctor", "--others", home=home, browser=NO_BROWSER)
    assert (usual.returncode, asked.returncode) == (0, 0)
    assert "registration" not in usual.stdout
    assert "`gatehouse doctor --others` also checks" in usual.stdout
    own, _, of_others = asked.stdout.partition(
        "\nNot needed here. MCP clients of other people, such as editors, need it:\n"
    )
    assert " 0 wrong" in own
    assert "✗ registration" in of_others


def test_an_agent_without_a_client_id_is_itself_such_a_client(stack: Stack, home: Path) -> None:
    with stack.misconfigured("dcr-off"):
        done = stack.gatehouse("doctor", home=home, browser=NO_BROWSER, AUTH0_CLIENT_ID="", AUTH0_CLIENT_SECRET="")
    assert done.returncode == 1
    assert "✗ registration" in done.stdout
    assert "resource-profile" not in done.stdout


def test_each_check_is_one_line_and_its_fix_follows_a_fault(stack: Stack, home: Path) -> None:
    with stack.misconfigured("dcr-off"):
        done = stack.gatehouse("doctor", "--others", home=home, browser=NO_BROWSER)
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert any(line.startswith("✓ callback") for line in lines)
    assert any(line.startswith("– role") for line in lines)
    at = next(index for index, line in enumerate(lines) if line.startswith("✗ registration"))
    assert lines[at + 2].startswith("dashboard: Settings > Advanced > Dynamic Client Registration")
