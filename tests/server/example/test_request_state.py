"""A call that asks the person can be resumed at any replica with the same secret, but only by the same caller."""

from __future__ import annotations

from typing import Any

import pytest
from mcp_types import CLIENT_CAPABILITIES_META_KEY

from gatehouse_example.app import example_server
from gatehouse_example.settings import ExampleSettings
from tests.server.protected_server import ask, protected
from tests.server.token_issuer import Issuer, settings_of

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("S28")]

SECRET, OTHER = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
BOOK = {"name": "book_room", "arguments": {"room": "Blue", "hour": 9}}
CAN_ASK = {"_meta": {CLIENT_CAPABILITIES_META_KEY: {"elicitation": {"form": {}}}}}


async def call(issuer: Issuer, config: ExampleSettings, params: dict[str, Any], **claims: Any) -> dict[str, Any]:
    """The answer of a new replica."""
    async with protected(example_server(config), issuer.handle, config=config) as replica:
        answer = await ask(replica, issuer.token(**claims), "tools/call", {**params, **CAN_ASK}, era="modern")
    return dict(answer.json())


async def asked(issuer: Issuer, config: ExampleSettings) -> dict[str, Any]:
    """The parameters that a client sends after the person accepted."""
    result = (await call(issuer, config, BOOK))["result"]
    assert result["resultType"] == "input_required", result
    answers = {key: {"action": "accept", "content": {"confirmed": True}} for key in result["inputRequests"]}
    return {**BOOK, "inputResponses": answers, "requestState": result["requestState"]}


def booked(answer: dict[str, Any]) -> bool:
    return "Booked Blue" in str(answer.get("result", {}).get("content"))


async def test_a_replica_with_the_same_secret_resumes_the_call(issuer: Issuer) -> None:
    config = settings_of(ExampleSettings, REQUEST_STATE_SECRET=SECRET)
    assert booked(await call(issuer, config, await asked(issuer, config)))


@pytest.mark.parametrize(
    "answer",
    [{"action": "decline"}, {"action": "cancel"}, {"action": "accept", "content": {"confirmed": False}}],
    ids=["declined", "cancelled", "not confirmed"],
)
async def test_nothing_is_booked_unless_the_person_says_yes(issuer: Issuer, answer: dict[str, Any]) -> None:
    config = settings_of(ExampleSettings, REQUEST_STATE_SECRET=SECRET)
    resumed = await asked(issuer, config)
    resumed["inputResponses"] = dict.fromkeys(resumed["inputResponses"], answer)
    result = (await call(issuer, config, resumed))["result"]
    assert result["content"][0]["text"] == "Not booked: the person said no."


def keys(*secrets: str) -> ExampleSettings:
    return settings_of(ExampleSettings, REQUEST_STATE_SECRET=",".join(secrets))


ROTATION = [keys(SECRET), keys(SECRET, OTHER), keys(OTHER, SECRET), keys(OTHER)]
"""The replicas of one rotation. Each has one step more than the one before; two neighbours run at the same time."""


@pytest.mark.parametrize("step", range(len(ROTATION) - 1))
async def test_a_call_is_resumed_while_the_secret_is_replaced(issuer: Issuer, step: int) -> None:
    before, after = ROTATION[step : step + 2]
    assert booked(await call(issuer, before, await asked(issuer, after)))
    assert booked(await call(issuer, after, await asked(issuer, before)))


async def test_the_old_secret_is_worth_nothing_after_the_rotation(issuer: Issuer) -> None:
    refusal = await call(issuer, ROTATION[-1], await asked(issuer, ROTATION[0]))
    assert "error" in refusal
    assert not booked(refusal)


@pytest.mark.parametrize(
    "variables", [{"REQUEST_STATE_SECRET": OTHER}, {}], ids=["with another secret", "with a key of its own"]
)
async def test_a_replica_does_not_resume_the_call(issuer: Issuer, variables: dict[str, str]) -> None:
    resumed = await asked(issuer, settings_of(ExampleSettings, REQUEST_STATE_SECRET=SECRET))
    refusal = await call(issuer, settings_of(ExampleSettings, **variables), resumed)
    assert "error" in refusal, refusal
    assert not booked(refusal)


@pytest.mark.requirement("S26")
@pytest.mark.parametrize("claims", [{"sub": "auth0|mallory"}, {"azp": "another-agent"}], ids=str)
async def test_a_call_cannot_be_resumed_by_another_caller(issuer: Issuer, claims: dict[str, str]) -> None:
    config = settings_of(ExampleSettings, REQUEST_STATE_SECRET=SECRET)
    refusal = await call(issuer, config, await asked(issuer, config), **claims)
    assert "error" in refusal, refusal
    assert not booked(refusal)


async def test_a_call_cannot_be_resumed_as_another_call(issuer: Issuer) -> None:
    config = settings_of(ExampleSettings, REQUEST_STATE_SECRET=SECRET)
    resumed = {**await asked(issuer, config), "arguments": {"room": "Blue", "hour": 10}}
    assert not booked(await call(issuer, config, resumed))


async def test_a_changed_request_state_is_refused(issuer: Issuer) -> None:
    config = settings_of(ExampleSettings, REQUEST_STATE_SECRET=SECRET)
    resumed = await asked(issuer, config)
    state = resumed["requestState"]
    resumed["requestState"] = state[:-4] + ("AAAA" if state[-4:] != "AAAA" else "BBBB")
    refusal = await call(issuer, config, resumed)
    assert "error" in refusal, refusal


@pytest.mark.requirement("S26")
async def test_a_call_is_resumed_only_with_a_good_token(issuer: Issuer) -> None:
    config = settings_of(ExampleSettings, REQUEST_STATE_SECRET=SECRET)
    resumed = await asked(issuer, config)
    async with protected(example_server(config), issuer.handle, config=config) as replica:
        refusal = await ask(replica, None, "tools/call", {**resumed, **CAN_ASK}, era="modern")
    assert refusal.status_code == 401
