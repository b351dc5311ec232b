"""Attacks on the HTTP level of the running server and tenant: smuggling, DNS rebinding, forged lines in logs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from tests.security.attacks.browser import AGENT, SECONDS, Browser
from tests.security.server_process import HEADERS, LIST, ServerProcess
from tests.support.processes import TLS
from tests.support.raw_http import BODY, LAST, LENGTH, SMUGGLED, Shapes, raw, statuses
from tests.support.stack import LocalStack

REFUSED, UNDERSTOOD = Shapes("h", "t").refused(), Shapes("h", "t").understood()


def shapes(server: ServerProcess) -> Shapes:
    return Shapes(server.origin.removeprefix("http://"), server.stack.mint())


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_could_be_read_in_two_ways_is_refused_and_its_connection_closed(
    server: ServerProcess, name: str
) -> None:
    sent = shapes(server)
    answer = raw(server.origin, sent.refused()[name] + sent.hidden + sent.last)
    assert statuses(answer) == [400]
    assert SMUGGLED.encode() not in answer
    assert LAST.encode() not in answer


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_an_unusual_request_with_one_meaning_is_answered_once(server: ServerProcess, name: str) -> None:
    sent = shapes(server)
    status, request = sent.understood()[name]
    answer = raw(server.origin, request + sent.last)
    assert statuses(answer) == [status, 401], answer
    assert answer.count(LAST.encode()) == 1


REBOUND = [
    "evil.example.com",
    "evil.example.com:{port}",
    "localhost.evil.example.com:{port}",
    "localhost:{port}@evil.example.com",
    "localhost:{port}, evil.example.com",
    "[::1",
    "",
]


@pytest.mark.requirement("S21")
@pytest.mark.parametrize("host", REBOUND)
def test_a_page_of_a_rebound_name_cannot_use_the_server(server: ServerProcess, host: str) -> None:
    """DNS rebinding: the attacker's name leads to this machine, and its pages are of the same origin as the server.

    Not even a page with a good token gets an answer.
    """
    token = server.stack.mint()
    good, rebound = (server.origin.removeprefix("http://"), host.format(port=server.origin.rpartition(":")[2]))
    answers = [
        raw(server.origin, Shapes(name, token).request(LENGTH, b"Connection: close\r\n")) for name in (good, rebound)
    ]
    assert statuses(answers[0]) == [200]
    assert statuses(answers[1]) in ([400], [421])


@pytest.mark.parametrize("host", REBOUND)
def test_a_page_of_a_rebound_name_cannot_use_the_tenant(tenant: LocalStack, host: str) -> None:
    for path in ("/", "/.well-known/jwks.json", "/__mock__/requests", "/authorize", "/api/v2/users"):
        name = host.format(port=tenant.tenant_port)
        request = f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
        assert statuses(raw(tenant.issuer, request.encode())) in ([400], [403], [421]), path


def test_headers_that_disagree_with_the_body_execute_nothing(server: ServerProcess) -> None:
    """A proxy decides by the headers of revision 2026-07-28, the server by the body: both must be the same."""
    token = server.stack.mint()
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_time", "arguments": {}}}
    headers = {**HEADERS, "Authorization": f"Bearer {token}", "MCP-Protocol-Version": "2026-07-28"}
    for claimed in ({"Mcp-Method": "ping"}, {"Mcp-Method": "tools/call", "Mcp-Name": "whoami"}, {}):
        answer = httpx2.post(server.stack.mcp_url, json=call, headers={**headers, **claimed}, verify=TLS)
        assert answer.status_code == 400, (claimed, answer.text)
        assert "result" not in answer.json()


FORGED = 'x\r\n2026-01-01 INFO forged: \x1b[2J\x1b]0;pwned\x07 \u2028 \u0085 {"decision": "allow", "forged": 1}'
CLEAN = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f\u0080-\u009f\u2028\u2029]*")


def _to_server(name: str, text: str, server: ServerProcess) -> None:
    token = server.stack.mint(claims={"sub": text, "client_id": text})
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": text}}
    ascii_text = text.encode("ascii", "ignore").decode().replace("\r", "").replace("\n", "")
    server.stack.call(token, call)
    server.stack.call(token, {**call, "method": text})
    server.stack.call(server.stack.mint(header={"kid": text}))
    raw(
        server.origin, Shapes("localhost", token).request(LENGTH, f"X-Request-Id: {ascii_text}\r\n".encode(), body=BODY)
    )
    httpx2.get(f"{server.origin}/{text.encode().hex()}%0d%0aforged:%20{name}", timeout=SECONDS, verify=TLS)


def _to_tenant(name: str, text: str, server: ServerProcess) -> None:
    browser = Browser(server.stack)
    page = browser.page(browser.authorize(login_hint=text, state=text, nonce=text))
    browser.submit(page, username=text, password=text)
    browser.authorize(client_id=text)
    browser.authorize(redirect_uri=text)
    browser.authorize(audience=text, scope=text)
    browser.authorize(**{text: text})
    for form in (
        {"grant_type": text},
        {"code": text, "grant_type": "authorization_code", **AGENT},
        {"client_id": text},
    ):
        browser.token(form)
    httpx2.post(f"{server.stack.issuer}oidc/register", json={"client_name": text, text: text}, verify=TLS)
    httpx2.get(f"{server.stack.issuer}nothing%0d%0aforged:%20{name}", timeout=SECONDS, verify=TLS)
    httpx2.get(f"{server.stack.issuer}userinfo", headers={"Host": "evil\x7f.example"}, verify=TLS)


@pytest.mark.parametrize(("name", "send"), [("gatehouse_server", _to_server), ("mock_idp", _to_tenant)])
def test_nobody_can_write_a_line_of_a_log(
    server: ServerProcess, name: str, send: Callable[[str, str, ServerProcess], None]
) -> None:
    before = {path: path.stat().st_size for path in _logs(server.folder, name)}
    send(name, FORGED, server)
    written = "".join(path.read_bytes()[before.get(path, 0) :].decode("utf-8") for path in _logs(server.folder, name))
    assert written
    assert CLEAN.fullmatch(written), re.findall(r"[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f\u2028\u2029]", written)
    for line in written.splitlines():
        assert not line.startswith(("forged", "2026-01-01"))
        if line.startswith("{"):
            assert "forged" not in json.loads(line)


def _logs(folder: Path, name: str) -> list[Path]:
    return [path for path in (folder / f"{name}.log", folder / f"{name}.out") if path.exists()]


def test_the_list_is_answered(server: ServerProcess) -> None:
    """The requests of this file are refused for their shapes, and not because nothing is answered."""
    assert server.stack.call(server.stack.mint(), LIST).status_code == 200
