"""Lists of the upstream have only what the caller can use: in JSON, in event streams, and in repeated events."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from gatehouse_server.adapters.upstream import lists
from gatehouse_server.adapters.upstream.lists import BadAnswer, filtered_events, filtered_message
from tests.server.adapters.test_events import FORMS, LIST
from tests.server.protected_server import ask
from tests.server.token_issuer import Issuer
from tests.server.upstream.guarded import Upstream

pytestmark = pytest.mark.anyio

LISTS = {
    "tools/list": ("tools", "name", ["open", "read", "write", "unknown"]),
    "prompts/list": ("prompts", "name", ["open", "read", "unknown"]),
    "resources/list": ("resources", "uri", ["shop://open", "shop://read", "shop://items/1", "shop://secret"]),
    "resources/templates/list": ("resourceTemplates", "uriTemplate", ["shop://items/{item}", "shop://secret/{id}"]),
}
NEEDED = {"read": ["shop:read"], "write": ["shop:read", "shop:write"], "shop://read": ["shop:read"]}
NEEDED |= {"shop://items/1": ["shop:read"], "shop://items/{item}": ["shop:read"]}
UNNAMED = {"unknown", "shop://secret", "shop://secret/{id}"}


def full(method: str, **more: Any) -> dict[str, Any]:
    """The message with the upstream's whole list."""
    member, name, names = LISTS[method]
    entries = [{name: each, "title": "Ein Gerät", "_meta": {"own": 1}} for each in names]
    return {"jsonrpc": "2.0", "id": 1, "result": {member: entries, "nextCursor": "2", **more}}


def as_json(message: Any) -> httpx2.Response:
    return httpx2.Response(200, json=message)


def as_events(message: Any) -> httpx2.Response:
    text = f": hello\n\nid: 1\ndata:\n\nevent: message\r\nid: 2\r\ndata: {json.dumps(message)}\r\n\r\n"
    return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, content=text.encode())


def read(answer: httpx2.Response) -> dict[str, Any]:
    """The message of the answer."""
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"] == "application/json":
        return json.loads(answer.text)
    (data,) = [line for line in answer.text.split("\n") if line.startswith("data: {")]
    return json.loads(data.removeprefix("data: "))


WAYS = {"json": as_json, "events": as_events}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", LISTS)
async def test_a_list_has_what_the_caller_could_use_with_the_permissions_it_needs(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer, method: str, way: str
) -> None:
    member, name, names = LISTS[method]
    upstream.answer = lambda _: WAYS[way](full(method, cacheScope="public"))
    for permissions, reachable in ((None, 2), ([], 0), (["shop:read"], 1), (["shop:admin"], 2)):
        claims = {} if permissions is None else {"permissions": ["access:mcp", *permissions]}
        message = read(await ask(gate, issuer.token(**claims), method))
        expected = [each for each in names if each not in UNNAMED and len(NEEDED.get(each, [])) <= reachable]
        assert [entry[name] for entry in message["result"][member]] == expected
        for entry in message["result"][member]:
            assert entry["_meta"].get(lists.META_KEY, []) == NEEDED.get(entry[name], [])
            assert (entry["title"], entry["_meta"]["own"]) == ("Ein Gerät", 1)
        assert message["result"]["nextCursor"] == "2"
        assert message["result"]["cacheScope"] == "private"
        assert message["id"] == 1


async def test_a_list_that_a_stream_repeats_is_filtered(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer
) -> None:
    upstream.answer = lambda _: as_events(full("tools/list"))
    token = issuer.token(permissions=["access:mcp"])
    answer = await gate.get("/mcp", headers={"Authorization": f"Bearer {token}", "Last-Event-Id": "1"})
    assert [tool["name"] for tool in read(answer)["result"]["tools"]] == ["open"]


async def test_the_upstreams_own_statement_of_permissions_is_replaced(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer
) -> None:
    tools = [{"name": "open", "_meta": {lists.META_KEY: ["x"]}}, {"name": "read", "_meta": {lists.META_KEY: ["x"]}}]
    upstream.answer = lambda _: as_json({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}})
    listed = read(await ask(gate, issuer.token(), "tools/list"))["result"]["tools"]
    assert listed == [{"name": "open"}, {"name": "read", "_meta": {lists.META_KEY: ["shop:read"]}}]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'[{"result": {"tools": [{"name": "write"}]}}]',
        b'{"result": {"tools": {}}}',
        b'{"result": {"tools": ["write"]}}',
        b'{"result": {"tools": [{"title": "write"}]}}',
        b'{"result": {"tools": [{"name": ["write"]}]}}',
        b'{"result": {"tools": [], "tools": [{"name": "write"}]}}',
        b'{"result": {"tools": [{"name": "open", "x": 1e999}]}}',
        b'{"result": {"tools": []}}\xff',
    ],
)
async def test_a_list_that_cannot_be_read_in_one_way_is_an_error(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer, body: bytes
) -> None:
    upstream.answer = lambda _: httpx2.Response(200, headers={"Content-Type": "application/json"}, content=body)
    answer = await ask(gate, issuer.token(), "tools/list")
    assert answer.status_code == 502
    assert "write" not in answer.text


async def test_a_list_that_is_too_long_is_an_error(
    gate: httpx2.AsyncClient, upstream: Upstream, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatehouse_server.adapters.upstream.forwarder.MAX_LIST_BYTES", 100)
    upstream.answer = lambda _: as_json(full("tools/list"))
    answer = await ask(gate, issuer.token(), "tools/list")
    assert (answer.status_code, "too long" in answer.text) == (502, True)


def visible(target: tuple[str, str], _: Any) -> frozenset[str] | None:
    return None if "hidden" in target[1] else frozenset()


async def events(*chunks: bytes) -> bytes:
    async def stream() -> Any:
        for chunk in chunks:
            yield chunk

    return b"".join([event async for event in filtered_events(stream(), visible)])


@pytest.mark.parametrize("text", FORMS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
async def test_every_form_of_an_event_is_filtered(text: str, size: int) -> None:
    raw = text.encode()
    written = await events(*(raw[start : start + size] for start in range(0, len(raw), size)))
    assert b"shown" in written
    assert b"hidden" not in written


@pytest.mark.parametrize("text", [f"data: {LIST}", f"data: {LIST}\n", f"data: {LIST}\r"])
async def test_an_event_without_its_end_is_dropped(text: str) -> None:
    assert await events(text.encode()) == b""


async def test_events_that_are_no_lists_stay_and_comments_keep_the_connection_open() -> None:
    message = b'event: message\ndata: {"method":"notifications/progress","params":{"a": 1.50}}\n\n'
    assert await events(b"id: 1\ndata:\n\n: ping\n\n" + message) == b"id: 1\ndata: \n\n:\n\n" + message


@pytest.mark.parametrize("data", ["x", "[]", '{"a":1,"a":2}', "\ufeff{}"])
async def test_an_event_that_is_not_one_message_is_an_error(data: str) -> None:
    with pytest.raises(BadAnswer):
        await events(f"data: {data}\n\n".encode())


async def test_an_event_that_never_ends_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_LIST_BYTES", 100)
    with pytest.raises(BadAnswer):
        await events(*[b"data: x\n"] * 100)
    with pytest.raises(BadAnswer):
        await events(*[b"x"] * 200)


def test_other_messages_stay_byte_for_byte() -> None:
    raw = b'{ "id": 1, "result": {"content": [ ], "x": 1.50} }'
    assert filtered_message(raw, visible) is raw
