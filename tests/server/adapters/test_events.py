"""Server-sent events: whatever their form, the gate reads and writes what every client reads."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatehouse_server.adapters.events import BadStream, EventReader
from gatehouse_server.app import protect
from gatehouse_server.auth.permission_table import PermissionTable
from gatehouse_server.auth.provider.keys import SigningKeys
from tests.server.protected_server import ask
from tests.server.token_issuer import JWKS_URL, Issuer
from tests.server.token_issuer import settings as server_settings
from tests.server.upstream.guarded import client_of
from tests.support.fuzzing import fuzz

LIST = '{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"shown"},{"name":"hidden"}]}}'
FORMS = [
    f"data: {LIST}\n\n",
    f"data:{LIST}\r\n\r\n",
    f"data: {LIST}\r\r",
    f"data: {LIST}\n\r\n",
    f"data: {LIST}\r\n\n",
    f"\ufeffdata: {LIST}\n\n",
    "data: " + LIST.replace(",{", "\ndata: ,{") + "\n\n",
    f"id: 1\nevent: message\ndata: {LIST}\nretry: 5\nunknown: x\n\n",
    "data: " + LIST.replace("tools", "\\u0074ools") + "\n\n",
]


def reference(text: str) -> list[tuple[str, str, str]]:
    """Event, id and data of each event as the standard's own steps read them, written independently of the gate."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    events, name, last_id, data = [], "", "", ""
    for line in text.split("\n")[:-1]:
        if line == "":
            if data:
                events.append((name, last_id, data[:-1]))
            name, data = "", ""
        elif not line.startswith(":"):
            key, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if key == "data":
                data += value + "\n"
            elif key == "event":
                name = value
            elif key == "id":
                last_id = value
    return events


def rewritten(chunks: list[bytes]) -> bytes:
    reader = EventReader(10_000)
    return b"".join(event.written(event.data) for chunk in chunks for event in reader.feed(chunk))


WORDS = st.text(alphabet=": \u2028\x85\x0b\x0cab\ufeff", max_size=4)
FIELDS = st.sampled_from(["data", "id", "event", "", "x", "retry"])
LINES = st.one_of(
    st.just(""),
    st.builds("{}:{}{}".format, FIELDS, st.sampled_from(["", " ", "  "]), WORDS),
    st.sampled_from(["data", "id", "datax: 1", " data: 1", "data : 1", "Data: 1"]),
)


@fuzz(300)
@given(
    st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r", "\r\n"])), max_size=12),
    st.lists(st.integers(1, 5), max_size=6),
    st.booleans(),
)
def test_every_client_reads_the_same_events_before_and_after(
    lines: list[tuple[str, str]], cuts: list[int], has_bom: bool
) -> None:
    text = ("\ufeff" if has_bom else "") + "".join(line + end for line, end in lines)
    raw = text.encode()
    chunks = []
    for cut in cuts:
        chunks.append(raw[:cut])
        raw = raw[cut:]
    chunks.append(raw)
    assert reference(rewritten(chunks).decode()) == reference(text)


def test_an_event_that_never_ends_is_refused() -> None:
    for chunk in (b"data: x\n", b"x"):
        reader = EventReader(100)
        with pytest.raises(BadStream, match="too long"):
            [list(reader.feed(chunk)) for _ in range(200)]


def test_text_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(BadStream, match="UTF-8"):
        list(EventReader(100).feed(b"data: \xff\n\n"))


def answering(kind: str, *chunks: bytes) -> Any:
    """An ASGI app with that answer to everything."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = [(b"content-type", kind.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


async def listed(issuer: Issuer, app: Any) -> httpx2.Response:
    keys = SigningKeys(JWKS_URL, "RS256", http=httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle)))
    protected = protect(app, server_settings(), permissions=PermissionTable(tools={"shown": []}), keys=keys)
    async with client_of(protected) as client:
        return await ask(client, issuer.token(), "tools/list")


@pytest.mark.anyio
@pytest.mark.parametrize("text", FORMS)
@pytest.mark.parametrize("size", [1, 5, 10_000])
async def test_a_list_of_an_asgi_app_is_filtered_in_every_form_of_an_event(
    issuer: Issuer, text: str, size: int
) -> None:
    raw = text.encode()
    chunks = [raw[start : start + size] for start in range(0, len(raw), size)]
    answer = await listed(issuer, answering("text/event-stream", *chunks))
    ((_, _, data),) = reference(answer.text)
    assert json.loads(data)["result"]["tools"] == [{"name": "shown"}]
    assert "hidden" not in answer.text


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [f"[{LIST}]", LIST[:-1] + ',"result":1}', LIST.replace('"id":1,', '"id":NaN,'), f"{LIST}x", "hidden"],
)
async def test_a_list_of_an_asgi_app_that_clients_could_read_differently_is_not_passed_on(
    issuer: Issuer, body: str
) -> None:
    answer = await listed(issuer, answering("application/json; charset=utf-8", body.encode()))
    assert (answer.status_code, "hidden" in answer.text) == (500, False)


@pytest.mark.anyio
async def test_an_answer_of_an_asgi_app_that_is_neither_json_nor_events_passes(issuer: Issuer) -> None:
    answer = await listed(issuer, answering("text/plain", b"Not here."))
    assert answer.text == "Not here."
