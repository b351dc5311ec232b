from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from mock_idp.behaviours.document import BEGIN, END, tables
from mock_idp.behaviours.guesses import GUESSES, OWN
from mock_idp.behaviours.switches import Behaviours
from mock_idp.oauth.token.endpoint import AUTH0_GRANTS
from mock_idp.state.parameters import ENDPOINTS, GRANTS
from mock_idp.tenant.loading import ConfigurationError
from mock_idp.tenant.not_played import WITHOUT_ANSWER
from mock_idp.tenant.tenant_schema import Section, TenantFile, section_of

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "mock-idp/src/mock_idp"


TAGS = {*"DOS?", "deliberate", "conflict"}


def behaviours(**switches: Any) -> Any:
    return lambda file: file.update(behaviours=switches)


def test_the_tables_of_switches_are_current() -> None:
    document = (ROOT / "mock-idp/BEHAVIOURS.md").read_text(encoding="utf-8")
    kept = document.partition(BEGIN)[2].partition(END)[0]
    assert kept.strip() == tables(), "run: python -m mock_idp behaviours"


def rows() -> list[list[str]]:
    """The rows of the tables that people write, as lists of cells."""
    document = (ROOT / "mock-idp/BEHAVIOURS.md").read_text(encoding="utf-8").partition(BEGIN)[0]
    cells = [re.split(r"(?<!\\)\|", line.strip().strip("|")) for line in document.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in cells if row[1].strip() != "certainty"]


def test_every_behaviour_has_a_certainty_and_a_source() -> None:
    assert len(rows()) > 100
    wrong = [
        row for row in rows() if len(row) != 3 or not row[2] or not {tag.strip() for tag in row[1].split(",")} <= TAGS
    ]
    assert wrong == [], f"each row needs | behaviour | {sorted(TAGS)} | source, or the reason |"


def test_every_switch_and_every_replaceable_answer_has_a_source() -> None:
    rows = [re.split(r"(?<!\\)\|", line.strip("|")) for line in tables().splitlines() if line.startswith("| `")]
    assert len(rows) == len(GUESSES) + len(Behaviours.model_fields) - 1
    assert [row for row in rows if not row[-1].strip()] == []
    unexplained = [row for row in rows if row[-1].strip() == OWN and "?" not in (row[1].strip(), row[2].strip())]
    assert unexplained == [], "only a behaviour with ? is our own guess"


def test_no_behaviour_is_described_twice() -> None:
    behaviours_described = [row[0] for row in rows()]
    assert len(behaviours_described) == len(set(behaviours_described))


def missing_rows() -> list[list[str]]:
    """By row of the last table: what is missing, the keys of tenant.yaml, the grants and parameters."""
    document = (ROOT / "mock-idp/BEHAVIOURS.md").read_text(encoding="utf-8")
    table = document.partition("## What Auth0 has and this tenant has not")[2]
    rows = [line.strip().strip("|").split("|") for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows[1:]]


def keys(section: type[Section], prefix: str = "") -> tuple[set[str], set[str]]:
    """The keys that Auth0 has and the tenant does not play, and those that it plays."""
    ignored = {f"{prefix}{name}" for name in section.exported - set(section.model_fields) - WITHOUT_ANSWER}
    played = {f"{prefix}{name}" for name in section.model_fields}
    for name, field in section.model_fields.items():
        if inner := section_of(field.annotation):
            several = "[]" if "list" in str(field.annotation) else ""
            more = keys(inner, f"{prefix}{name}{several}.")
            ignored, played = ignored | more[0], played | more[1]
    return ignored, played


def matches(pattern: str, name: str) -> bool:
    return fnmatchcase(name.replace("[]", ""), pattern.replace("[]", ""))


def test_the_table_of_what_is_missing_has_every_key_that_is_not_played_and_no_other() -> None:
    ignored, played = keys(TenantFile)
    named = [pattern for row in missing_rows() for pattern in re.findall("`([^`]+)`", row[1])]
    assert {key for key in ignored if not any(matches(pattern, key) for pattern in named)} == set(), "add them"
    assert {pattern for pattern in named if not any(matches(pattern, key) for key in ignored)} == set(), (
        "the tenant plays them now, or Auth0 does not have them: remove them"
    )
    assert {pattern for pattern in named if pattern in played} == set()


def test_the_table_of_what_is_missing_names_no_grant_or_parameter_that_is_played() -> None:
    named = {name for row in missing_rows() for name in re.findall("`([^`]+)`", row[2])}
    assert named.isdisjoint({*GRANTS, *ENDPOINTS["/authorize"]})
    assert set(AUTH0_GRANTS) - set(GRANTS) <= named


def test_every_guess_is_named_in_the_code_and_every_name_is_a_guess() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    named = set(re.findall(r'guess(?:: str \| None)? ?= ?"(\w+)"', code))
    named |= set(re.findall(r'guess="(\w+)" if', code))
    assert named == set(GUESSES)


def test_an_answer_that_is_a_guess_can_be_replaced_in_part_or_whole(start: Any) -> None:
    tenant = start(offline=behaviours(answers={"login_required": {"description": "Who are you?"}}))
    answer = tenant.callback_parameters(tenant.authorize(prompt="none"))
    assert (answer["error"], answer["error_description"]) == ("login_required", "Who are you?")
    other = {"status": 418, "error": "teapot", "description": "short and stout"}
    page = start(offline=behaviours(answers={"unknown_client": other})).authorize(client_id="nobody")
    assert page.status_code == 418
    assert "short and stout" in page.text


def test_an_answer_that_is_not_a_guess_cannot_be_replaced(start: Any) -> None:
    with pytest.raises(ConfigurationError, match="there is no guessed answer 'teapot'"):
        start(offline=behaviours(answers={"teapot": {"status": 418}}))


def test_switches_also_work_at_run_time(tenant: Any) -> None:
    change = {"offline": {"behaviours": {"answers": {"invalid_grant": {"status": 403}}}}}
    assert tenant.redeem("nonsense").status_code == 400
    tenant.http.patch("/__mock__/configuration", json=change)
    assert tenant.redeem("nonsense").status_code == 403


def test_the_older_discovery_document(start: Any) -> None:
    document = (
        start(offline=behaviours(discovery_document="older")).http.get("/.well-known/openid-configuration").json()
    )
    assert "grant_types_supported" not in document
    assert "none" not in document["token_endpoint_auth_methods_supported"]


def test_the_cache_header_of_the_jwks(start: Any) -> None:
    tenant = start(offline=behaviours(jwks_cache_control="no-store"))
    assert tenant.http.get("/.well-known/jwks.json").headers["cache-control"] == "no-store"


def test_an_omitted_callback(start: Any) -> None:
    assert start().authorize(redirect_uri=None).status_code == 302
    assert start(offline=behaviours(omitted_redirect_uri=False)).authorize(redirect_uri=None).status_code == 400


def test_consent_on_localhost(start: Any) -> None:
    tenant = start(offline=behaviours(consent_on_localhost=False))
    assert "code" in tenant.callback_parameters(tenant.follow(tenant.log_in(tenant.authorize())))


def test_a_machine_that_names_a_resource_and_its_permissions(start: Any) -> None:
    api = "http://localhost:5555/mcp"
    asked = {"grant_type": "client_credentials", "resource": api}
    tenant = start()
    token = tenant.token(tenant.machine, **asked).json()["access_token"]
    assert tenant.claims(token)["permissions"] == ["access:mcp"]
    strict = start(offline=behaviours(resource_for_machines=False, machine_permissions=False))
    assert strict.token(strict.machine, **asked).status_code == 403
    token = strict.token(strict.machine, grant_type="client_credentials", audience=api).json()["access_token"]
    assert "permissions" not in strict.claims(token)


def test_the_lifetime_of_an_opaque_token(start: Any) -> None:
    tenant = start(offline=behaviours(opaque_lifetime=60))
    assert tenant.tokens(audience=None)["expires_in"] == 60


def test_the_answer_may_omit_a_scope_that_was_granted_as_requested(start: Any) -> None:
    tenant = start(offline=behaviours(scope_in_answer="when_different"))
    assert "scope" not in tenant.tokens(scope="access:mcp")
    assert tenant.browser().tokens(scope="access:mcp other")["scope"] == "access:mcp"


def test_userinfo_may_refuse_with_plain_text(start: Any) -> None:
    response = start(offline=behaviours(userinfo_error="text")).http.get("/userinfo")
    assert (response.status_code, response.text) == (401, "Unauthorized")


@pytest.mark.parametrize(("ends", "status"), [(False, 200), (True, 400)])
def test_a_code_that_is_sent_twice_may_end_its_tokens(start: Any, ends: bool, status: int) -> None:
    tenant = start(offline=behaviours(code_reuse_ends_tokens=ends))
    code = tenant.sign_in(scope="access:mcp offline_access")["code"]
    token = tenant.redeem(code).json()["refresh_token"]
    assert tenant.redeem(code).status_code == 400
    assert tenant.token(grant_type="refresh_token", refresh_token=token).status_code == status
