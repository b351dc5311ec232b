"""The tool, the resource and the prompt about time zones that need a permission of their own."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from gatehouse_example.app import IMPLIED, example_server
from tests.server.protected_server import ask, protected
from tests.server.token_issuer import Issuer

pytestmark = pytest.mark.anyio


async def answered(issuer: Issuer, method: str, params: dict[str, Any], scope: str) -> httpx2.Response:
    async with protected(example_server(), issuer.handle, implies=IMPLIED) as server:
        return await ask(server, issuer.token(scope=f"access:mcp {scope}"), method, params)


async def converted(issuer: Issuer, time: str, source: str, target: str) -> dict[str, Any]:
    arguments = {"time": time, "from_timezone": source, "to_timezone": target}
    params = {"name": "convert_time", "arguments": arguments}
    answer = await answered(issuer, "tools/call", params, "time:convert")
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["result"])


@pytest.mark.parametrize(
    ("time", "source", "target", "expected"),
    [
        ("2026-07-28T09:30", "Europe/Paris", "Asia/Tokyo", ("2026-07-28T16:30:00+09:00", "Tuesday")),
        ("2026-12-31T20:00", "America/New_York", "Asia/Kolkata", ("2027-01-01T06:30:00+05:30", "Friday")),
        ("2026-07-28T09:30:15", "UTC", "America/Los_Angeles", ("2026-07-28T02:30:15-07:00", "Tuesday")),
        ("2026-07-28", "Asia/Tokyo", "UTC", ("2026-07-27T15:00:00+00:00", "Monday")),
    ],
    ids=["into the evening", "into the next year", "with seconds", "a day without a time of day"],
)
async def test_a_time_is_converted_with_the_day_and_the_offset_there(
    issuer: Issuer, time: str, source: str, target: str, expected: tuple[str, str]
) -> None:
    result = await converted(issuer, time, source, target)
    assert result["structuredContent"] == {"time": expected[0], "timezone": target, "weekday": expected[1]}


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ("tomorrow", "'tomorrow' is not a time such as 2026-07-28T09:30."),
        ("", "'' is not a time such as 2026-07-28T09:30."),
        ("2026-02-30T09:30", "'2026-02-30T09:30' is not a time such as 2026-07-28T09:30."),
        ("2026-07-28T09:30\n\x00", "'2026-07-28T09:30\\n\\x00' is not a time such as 2026-07-28T09:30."),
        ("9" * 100_000, f"'{'9' * 64}' is not a time such as 2026-07-28T09:30."),
        ("2026-07-28T09:30Z", "'2026-07-28T09:30Z' has an offset already: leave it out, from_timezone says it."),
        (
            "2026-07-28T09:30+02:00",
            "'2026-07-28T09:30+02:00' has an offset already: leave it out, from_timezone says it.",
        ),
        ("9999-12-31T23:59", "'9999-12-31T23:59' is too near the end of the calendar."),
    ],
    ids=["a word", "nothing", "no such day", "control characters", "very long", "UTC", "an offset", "the last minute"],
)
async def test_a_time_that_cannot_be_converted_is_shown_in_the_error(issuer: Issuer, time: str, message: str) -> None:
    result = await converted(issuer, time, "America/New_York", "Asia/Tokyo")
    assert result["isError"]
    assert result["content"][0]["text"].endswith(message)


@pytest.mark.parametrize("place", [0, 1], ids=["from", "to"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "Asia/Tokio",
            "'Asia/Tokio' is not an IANA time zone such as Asia/Tokyo or Europe/Paris. Similar names: Asia/",
        ),
        ("../../etc/passwd", "'../../etc/passwd' is not an IANA time zone such as Asia/Tokyo or Europe/Paris."),
        ("", "'' is not an IANA time zone such as Asia/Tokyo or Europe/Paris."),
    ],
)
async def test_each_of_the_two_zones_must_be_known(issuer: Issuer, place: int, name: str, message: str) -> None:
    zones = ["UTC", "UTC"]
    zones[place] = name
    result = await converted(issuer, "2026-07-28T09:30", *zones)
    assert result["isError"]
    assert message in result["content"][0]["text"]


async def zones_of(issuer: Issuer, region: str, scope: str = "time:zones") -> httpx2.Response:
    return await answered(issuer, "resources/read", {"uri": f"gatehouse://timezones/{region}"}, scope)


async def test_the_resource_lists_the_zones_of_its_region_in_order(issuer: Issuer) -> None:
    (content,) = (await zones_of(issuer, "Europe")).json()["result"]["contents"]
    names = content["text"].splitlines()
    assert {"Europe/Paris", "Europe/London"} <= set(names)
    assert all(name.startswith("Europe/") for name in names)
    assert names == sorted(names)
    assert content["mimeType"] == "text/plain"


@pytest.mark.parametrize("region", ["Atlantis", "europe", "%2E%2E", "..%2F..%2Fetc", "Eur", "*"])
async def test_an_unknown_region_has_no_zones(issuer: Issuer, region: str) -> None:
    answer = (await zones_of(issuer, region)).json()
    if "error" in answer:
        assert region in ("%2E%2E", "..%2F..%2Fetc"), "the SDK refuses a path"
    else:
        assert [content["text"] for content in answer["result"]["contents"]] == [""]


async def test_the_prompt_names_the_zones_and_the_tool(issuer: Issuer) -> None:
    params = {"name": "plan_meeting", "arguments": {"timezones": "Asia/Tokyo, Europe/Paris"}}
    answer = await answered(issuer, "prompts/get", params, "time:convert")
    (message,) = answer.json()["result"]["messages"]
    assert message["role"] == "user"
    assert message["content"]["text"] == (
        "Find an hour between 9:00 and 17:00 local time for people in Asia/Tokyo, Europe/Paris. Convert it with"
        " convert_time."
    )


@pytest.mark.parametrize(
    ("method", "params", "needed", "other"),
    [
        (
            "tools/call",
            {
                "name": "convert_time",
                "arguments": {"time": "2026-07-28", "from_timezone": "UTC", "to_timezone": "UTC"},
            },
            "time:convert",
            "time:zones",
        ),
        ("resources/read", {"uri": "gatehouse://timezones/Europe"}, "time:zones", "time:convert"),
        ("prompts/get", {"name": "plan_meeting", "arguments": {"timezones": "UTC"}}, "time:convert", "time:zones"),
    ],
    ids=["tool", "resource", "prompt"],
)
async def test_each_needs_its_own_permission_or_the_one_that_implies_it(
    issuer: Issuer, method: str, params: dict[str, Any], needed: str, other: str
) -> None:
    refused = await answered(issuer, method, params, other)
    assert refused.status_code == 403
    assert needed in refused.headers["WWW-Authenticate"]
    for scope in (needed, "time:admin"):
        answer = await answered(issuer, method, params, scope)
        assert answer.status_code == 200, answer.text
        assert "result" in answer.json()
