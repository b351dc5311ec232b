"""Permissions of single operations, step-up, token exchange for another API, progress, elicitation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.context import ClientRequestContext
from mcp_types import ElicitRequestParams, ElicitResult

from tests.e2e.sdk_client import machine_client
from tests.support.stack import NO_BROWSER, Stack

CONVERT = {"time": "2026-07-28T09:30", "from_timezone": "Asia/Tokyo", "to_timezone": "UTC"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def call(tool: str, **arguments: Any) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


@pytest.mark.requirement("S10")
def test_a_refusal_names_all_permissions_that_an_operation_needs(stack: Stack) -> None:
    token = stack.mint(claims={"scope": "access:mcp"})
    refusal = stack.call(token, call("convert_time", **CONVERT))
    assert refusal.status_code == 403
    assert 'scope="access:mcp time:convert"' in refusal.headers["WWW-Authenticate"]
    assert stack.call(token, call("get_time")).status_code == 200


def test_the_agent_steps_up_when_an_operation_needs_more(stack: Stack, home: Path) -> None:
    assert stack.gatehouse("login", home=home).returncode == 0
    arguments = [f"{name}={value}" for name, value in CONVERT.items()]
    converted = stack.gatehouse("--json", "call", "convert_time", *arguments, home=home)
    assert converted.returncode == 0, converted.stderr
    assert "2026-07-28T00:30:00+00:00" in converted.stdout
    again = stack.gatehouse("call", "convert_time", *arguments, home=home, browser=NO_BROWSER)
    assert again.returncode == 0, "the wider grant is kept: " + again.stderr


def test_the_tool_list_says_which_permissions_each_tool_needs(stack: Stack) -> None:
    listed = stack.call(stack.mint(claims={"scope": "access:mcp"})).json()["result"]["tools"]
    needs = {tool["name"]: tool.get("_meta", {}).get("gatehouse/permissions", []) for tool in listed}
    assert needs["get_time"] == []
    assert needs["convert_time"] == ["time:convert"]


def test_the_tool_list_hides_tools_that_the_user_can_never_use(stack: Stack) -> None:
    token = stack.mint(claims={"scope": "access:mcp", "permissions": ["access:mcp", "time:convert"]})
    names = {tool["name"] for tool in stack.call(token).json()["result"]["tools"]}
    assert "convert_time" in names, "alice could acquire it"
    assert "list_events" not in names, "no role gives it to her"


@pytest.mark.requirement("S17")
def test_another_api_is_called_for_the_user_with_an_exchanged_token(stack: Stack) -> None:
    granted = {"scope": "access:mcp calendar:read", "permissions": ["access:mcp", "calendar:read"]}
    token = stack.mint(claims=granted)
    answer = stack.call(token, call("list_events"))
    assert answer.status_code == 200, answer.text
    result = answer.json()["result"]
    assert not result.get("isError"), result
    assert result["structuredContent"]["owner"] == "auth0|65a11ce00000000000000001"
    assert result["structuredContent"]["read_by"] == "GatehouseServerDemoClient0000000"


def test_the_other_api_refuses_the_token_for_this_server(stack: Stack) -> None:
    calendar = f"{stack.origin}/calendar/events"
    refused = httpx2.get(calendar, headers={"Authorization": f"Bearer {stack.mint()}"})
    assert refused.status_code == 401
    assert refused.json()["error"] == "wrong_audience"


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_long_task_reports_its_progress(stack: Stack, mode: str) -> None:
    told: list[tuple[float, float | None]] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append((done, total))

    async with machine_client(stack, mode) as client:
        result = await client.call_tool("count_down", {"steps": 3, "seconds": 0.01}, progress_callback=progress)
    assert not result.is_error
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("action", "confirmed", "outcome"), [("accept", True, "Booked"), ("decline", None, "Not booked")]
)
async def test_the_person_is_asked_before_the_tool_acts(
    stack: Stack, action: str, confirmed: bool | None, outcome: str
) -> None:
    asked: list[str] = []

    async def answer(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action=action, content={"confirmed": True} if confirmed else None)

    async with machine_client(stack, "auto", elicitation_callback=answer) as client:
        result = await client.call_tool("book_room", {"room": "Blue", "hour": 9})
    assert asked == ["Book the room 'Blue' from 9:00 to 10:00?"]
    assert outcome in json.dumps([content.model_dump() for content in result.content])
