"""The agent's command line with an assertion in place of a person: of the workload, or of the enterprise."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.client.fake_stack import World
from tests.client.run_command import Command

WORKLOAD = {"GATEHOUSE_SIGN_IN": "assertion", "GATEHOUSE_ASSERTION": "the-assertion-of-the-workload"}


def enterprise(world: World, id_token: str = "the-id-token-of-the-enterprise") -> dict[str, str]:
    return {
        "GATEHOUSE_SIGN_IN": "assertion",
        "OAUTH_IDP_TOKEN_ENDPOINT": f"{world.issuer}idp/token",
        "OAUTH_IDP_CLIENT_ID": "at-the-enterprise",
        "OAUTH_IDP_ID_TOKEN": id_token,
    }


def checks(result: Any) -> dict[str, dict[str, Any]]:
    return {check["check"]: check for check in json.loads(result.stdout)["checks"]}


def test_a_workload_calls_a_tool_by_its_assertion(world: World, command: Command) -> None:
    called = command("call", "get_time", **WORKLOAD)
    assert called.exit_code == 0, called.stderr
    (redeemed,) = world.entries("assertion")
    assert redeemed["assertion"] == WORKLOAD["GATEHOUSE_ASSERTION"]
    assert (redeemed["resource"], redeemed["client_id"]) == (world.server, "the-client")
    assert not world.entries("authorize")


def test_an_employee_calls_a_tool_by_the_enterprises_assertion(world: World, command: Command) -> None:
    called = command("call", "get_time", **enterprise(world))
    assert called.exit_code == 0, called.stderr
    (exchanged,), (redeemed,) = world.entries("exchange"), world.entries("assertion")
    assert (exchanged["audience"], exchanged["resource"]) == (world.issuer, world.server)
    assert "client_secret" not in exchanged, "the application's secret is the tenant's business"
    assert redeemed["assertion"] in world.assertions
    assert world.id_token not in json.dumps(redeemed)


def test_a_refused_assertion_is_a_sentence_without_it(world: World, command: Command) -> None:
    refused = command("call", "get_time", **{**WORKLOAD, "GATEHOUSE_ASSERTION": "an-0ld-one"})
    assert refused.exit_code == 3
    assert "The assertion has expired" in refused.stderr
    assert "an-0ld-one" not in refused.output
    assert world.entries("mcp"), "the server was asked, and nothing else was tried at the tenant"


def test_the_doctor_redeems_the_assertion(world: World, command: Command) -> None:
    for variables in (WORKLOAD, enterprise(world)):
        found = checks(command("doctor", "--json", **variables))
        decided = ("application", "credentials", "grant-types", "assertion", "api", "client-grant", "accepted")
        assert {found[check]["result"] for check in decided} == {"ok"}, found


@pytest.mark.parametrize("at", ["tenant", "enterprise"])
def test_the_doctor_says_who_refuses_the_assertion(world: World, command: Command, at: str) -> None:
    workload = {**WORKLOAD, "GATEHOUSE_ASSERTION": "an-0ld-one"}
    result = command("doctor", "--json", **(workload if at == "tenant" else enterprise(world, "an-0ld-one")))
    found = checks(result)
    assert found["assertion"]["result"] == "wrong"
    assert ("idp/token" in found["assertion"]["seen"]) == (at == "enterprise")
    assert found["credentials"]["result"] == ("ok" if at == "tenant" else "unknown")
    assert found["clock"]["result"] != "wrong", "an assertion that has expired is no clock that is wrong"
    assert found["api"]["result"] == found["accepted"]["result"] == "unknown"
    assert "an-0ld-one" not in result.output


def test_without_an_assertion_there_is_no_such_check(command: Command) -> None:
    assert "assertion" not in checks(command("doctor", "--json"))
