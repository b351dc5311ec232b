"""The agent's command line with an assertion in place of a person: of the workload, or of the enterprise."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.client.fake_stack import FakeStack
from tests.client.run_command import Command

WORKLOAD = {"GATEHOUSE_SIGN_IN": "assertion", "GATEHOUSE_ASSERTION": "the-assertion-of-the-workload"}


def enterprise(stack: FakeStack, id_token: str = "the-id-token-of-the-enterprise") -> dict[str, str]:
    return {
        "GATEHOUSE_SIGN_IN": "assertion",
        "OAUTH_IDP_TOKEN_ENDPOINT": f"{stack.issuer}idp/token",
        "OAUTH_IDP_CLIENT_ID": "at-the-enterprise",
        "OAUTH_IDP_ID_TOKEN": id_token,
    }


def checks(result: Any) -> dict[str, dict[str, Any]]:
    return {check["check"]: check for check in json.loads(result.stdout)["checks"]}


def test_a_workload_calls_a_tool_by_its_assertion(stack: FakeStack, command: Command) -> None:
    called = command("call", "get_time", **WORKLOAD)
    assert called.exit_code == 0, called.stderr
    (redeemed,) = stack.entries("assertion")
    assert redeemed["assertion"] == WORKLOAD["GATEHOUSE_ASSERTION"]
    assert (redeemed["resource"], redeemed["client_id"]) == (stack.server, "the-client")
    assert not stack.entries("authorize")


def test_an_employee_calls_a_tool_by_the_enterprises_assertion(stack: FakeStack, command: Command) -> None:
    called = command("call", "get_time", **enterprise(stack))
    assert called.exit_code == 0, called.stderr
    (exchanged,), (redeemed,) = stack.entries("exchange"), stack.entries("assertion")
    assert (exchanged["audience"], exchanged["resource"]) == (stack.issuer, stack.server)
    assert "client_secret" not in exchanged, "the application's secret is the tenant's business"
    assert redeemed["assertion"] in stack.assertions
    assert stack.id_token not in json.dumps(redeemed)


def test_a_refused_assertion_is_a_sentence_without_it(stack: FakeStack, command: Command) -> None:
    refused = command("call", "get_time", **{**WORKLOAD, "GATEHOUSE_ASSERTION": "an-0ld-one"})
    assert refused.exit_code == 3
    assert "The assertion has expired" in refused.stderr
    assert "an-0ld-one" not in refused.output
    assert stack.entries("mcp"), "the server was asked, and nothing else was tried at the tenant"


def test_the_doctor_redeems_the_assertion(stack: FakeStack, command: Command) -> None:
    for variables in (WORKLOAD, enterprise(stack)):
        found = checks(command("doctor", "--json", **variables))
        decided = ("application", "credentials", "grant-types", "assertion", "api", "client-grant", "accepted")
        assert {found[check]["result"] for check in decided} == {"ok"}, found


@pytest.mark.parametrize("at", ["tenant", "enterprise"])
def test_the_doctor_says_who_refuses_the_assertion(stack: FakeStack, command: Command, at: str) -> None:
    workload = {**WORKLOAD, "GATEHOUSE_ASSERTION": "an-0ld-one"}
    result = command("doctor", "--json", **(workload if at == "tenant" else enterprise(stack, "an-0ld-one")))
    found = checks(result)
    assert found["assertion"]["result"] == "wrong"
    assert ("idp/token" in found["assertion"]["seen"]) == (at == "enterprise")
    assert found["credentials"]["result"] == ("ok" if at == "tenant" else "unknown")
    assert found["clock"]["result"] != "wrong", "an assertion that has expired is no clock that is wrong"
    assert found["api"]["result"] == found["accepted"]["result"] == "unknown"
    assert "an-0ld-one" not in result.output


def test_without_an_assertion_there_is_no_such_check(command: Command) -> None:
    assert "assertion" not in checks(command("doctor", "--json"))
