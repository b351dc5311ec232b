"""Requests that the gateway and the server could read differently, through the gateway if there is one.

If the two read the same bytes as a different number of requests, the server has an answer too many, and some other
caller gets it. So each shape is followed by ordinary requests on other connections, which must get their own answers.
In the docker runtime these are spread over the connections of the gateway to three servers.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.support.processes import TLS
from tests.support.raw_http import SMUGGLED, Shapes, raw, statuses
from tests.support.stack import Stack

OTHERS = 6
REFUSED = Shapes("h", "t").refused()
UNDERSTOOD = Shapes("h", "t").understood()
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.fixture(scope="module")
def shapes(stack: Stack) -> Shapes:
    return Shapes(urlsplit(stack.origin).netloc, stack.mint())


def everybody_gets_their_own_answer(stack: Stack, token: str) -> bool:
    """Callers with and without a token, each with an id that the answer repeats."""
    for number in range(OTHERS):
        request_id = secrets.token_hex(8)
        headers = {"X-Request-Id": request_id, "Accept": "application/json, text/event-stream"}
        if number % 2:
            headers["Authorization"] = f"Bearer {token}"
        answer = httpx2.post(stack.mcp_url, headers=headers, json=LIST, timeout=20, verify=TLS)
        if (answer.status_code, answer.headers["X-Request-Id"]) != (200 if number % 2 else 401, request_id):
            return False
    return True


@pytest.mark.parametrize("name", REFUSED)
def test_gateway_and_server_agree_on_where_a_request_ends(stack: Stack, shapes: Shapes, name: str) -> None:
    answer = raw(stack.origin, shapes.refused()[name] + shapes.hidden + shapes.last)
    assert everybody_gets_their_own_answer(stack, shapes.token)
    # Caddy answers 502 for chunks that it cannot read.
    assert set(statuses(answer)) <= {200, 400, 401, 404, 405, 413, 421, 501, 502, 505}, answer
    assert answer.count(SMUGGLED.encode()) <= 1


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_an_unusual_request_is_read_alike_or_refused(stack: Stack, shapes: Shapes, name: str) -> None:
    status, request = shapes.understood()[name]
    answer = raw(stack.origin, request + shapes.last)
    assert statuses(answer) in ([status, 401], [400]), answer
    assert everybody_gets_their_own_answer(stack, shapes.token)
