"""Gate and SDK read the same operation from each request: only operations that the gate allowed are executed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, get_args

import httpx2
import pydantic_core
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatehouse_server.auth.provider.keys import SigningKeys
from gatehouse_server.auth.request import NO_MESSAGE, MalformedMessage, operation_in, operation_of, read_message
from tests.server.auth.agreement.random_requests import ENVELOPE, REVISION, request
from tests.server.auth.agreement.recording_server import BASE, A, B, Kind, Outcome, RecordingServer, Request
from tests.server.token_issuer import JWKS_URL, Issuer
from tests.support.fuzzing import seeds

EXAMPLES: dict[Kind, int] = {
    "MCPServer": 800,
    "FastMCP": 500,
    "low-level Server": 500,
    "low-level Server with _meta": 500,
    "ASGI app": 500,
}
GRANTS: dict[str, set[str]] = {
    "nothing": set(),
    "the base": {BASE},
    "one": {BASE, A},
    "the other": {BASE, B},
    "both": {BASE, A, B},
    "both without the base": {A, B},
}


@pytest.fixture(scope="module")
def issuer(_generated: Issuer) -> Issuer:
    return _generated


@contextmanager
def recording(issuer: Issuer, kind: Kind = "MCPServer") -> Iterator[RecordingServer]:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    with RecordingServer(SigningKeys(JWKS_URL, "RS256", http=http), kind).running() as running:
        yield running


@pytest.fixture(scope="module")
def server(issuer: Issuer) -> Iterator[RecordingServer]:
    with recording(issuer) as running:
        yield running


@pytest.fixture(scope="module")
def tokens(issuer: Issuer) -> dict[str, str]:
    """A good token for each grant, and an expired token."""
    good = {name: issuer.token(scope=" ".join(sorted(scopes))) for name, scopes in GRANTS.items()}
    return {**good, "expired": issuer.token(scope=f"{BASE} {A} {B}", iat=1, exp=2)}


def check_outcome(outcome: Outcome, grant: set[str] | None, tally: Counter[str]) -> None:
    """Check the outcome of a request with these permissions (None: without a valid token)."""
    assert 200 <= outcome.status < 500, outcome
    assert len(outcome.audit) == 1, outcome
    line = outcome.audit[0]
    tally[f"{line['decision']} {outcome.status}"] += 1
    if line["decision"] != "allow":
        assert outcome.received == outcome.executed == [], outcome
        return
    assert grant is not None, outcome
    assert BASE in grant, outcome
    for method, params in outcome.received:
        assert line.get("operation", "") == method[:128], outcome
        assert line.get("target", "") == operation_of(method, params).name[:128], outcome
    for needed in outcome.executed:
        tally[f"executed with {len(needed)}"] += 1
        assert needed <= grant, outcome


@pytest.mark.requirement("S11")
@pytest.mark.requirement("S30")
@pytest.mark.fuzz
@pytest.mark.parametrize("kind", get_args(Kind))
def test_each_executed_operation_was_allowed_for_its_token(kind: Kind, issuer: Issuer, tokens: dict[str, str]) -> None:
    tally: Counter[str] = Counter()
    callers = [*tokens, "both", "both", "one", "one"]
    with recording(issuer, kind) as server:
        for seed in seeds(EXAMPLES[kind]):
            random = Random(seed)
            caller = random.choice(callers)
            made = request(random, f"Bearer {tokens[caller]}")
            check_outcome(server.ask(made), GRANTS.get(caller), tally)
    share = EXAMPLES[kind] / 800
    expected_counts = {"executed with 0": 20 * share, "executed with 1": 20 * share, "executed with 2": 2 * share}
    statuses = ("allow 200", "allow 400", "refuse 400", "refuse 401", "refuse 403")
    expected_counts |= dict.fromkeys(statuses, 50 * share)
    assert {what for what, count in expected_counts.items() if tally[what] < count} == set(), tally


def operations_read_by_the_sdk(body: bytes) -> list[tuple[object, object]]:
    """Method and parameters as each of the SDK's two parsers reads them, without parsers that refuse the body."""
    found = []
    for parse in (json.loads, pydantic_core.from_json):
        try:
            message = parse(body)
        except (ValueError, RecursionError):
            continue
        if isinstance(message, dict):
            found.append((message.get("method"), message.get("params")))
    return found


def test_every_parser_reads_the_same_operation_as_the_gate() -> None:
    tally: Counter[str] = Counter()

    for seed in range(1500):
        body = b"".join(request(Random(seed), "").chunks)
        try:
            operation = operation_in(read_message(body))
        except MalformedMessage:
            tally["malformed"] += 1
            continue
        for method, params in operations_read_by_the_sdk(body):
            tally["read"] += 1
            expected = operation_of(method, params) if isinstance(method, str) else NO_MESSAGE
            assert operation == expected, (seed, body)
    assert tally["malformed"] > 150, tally
    assert tally["read"] > 800, tally


def modern(method: str, name: str, headers: dict[str, str], token: str, **params: Any) -> Request:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": name, "_meta": ENVELOPE, **params}}
    common = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    sent = {**common, "mcp-protocol-version": REVISION, **headers, "authorization": f"Bearer {token}"}
    return Request("POST", [(k.encode(), v.encode()) for k, v in sent.items()], [json.dumps(body).encode()])


@pytest.mark.requirement("S30")
@pytest.mark.parametrize(
    "headers",
    [
        {"mcp-method": "tools/call", "mcp-name": "open"},
        {"mcp-method": "tools/list", "mcp-name": "a"},
        {"mcp-method": "tools/call"},
        {"mcp-name": "a"},
        {"mcp-method": "tools/call", "mcp-name": "=?base64?b3Blbg==?="},
    ],
    ids=str,
)
def test_nothing_is_executed_if_headers_and_body_name_different_operations(
    server: RecordingServer, tokens: dict[str, str], headers: dict[str, str]
) -> None:
    allowed = server.ask(modern("tools/call", "a", headers, tokens["one"]))
    assert (allowed.status, allowed.executed) == (400, [])
    refused = server.ask(modern("tools/call", "a", headers, tokens["the base"]))
    assert (refused.status, refused.executed) == (403, []), "the body decides, not the headers"


def test_a_name_in_the_body_is_not_decoded(server: RecordingServer, tokens: dict[str, str]) -> None:
    name = "=?base64?YQ==?="  # of the tool "a" in a header; in the body the name of another tool
    headers = {"mcp-method": "tools/call", "mcp-name": "=?base64?PT9iYXNlNjQ/WVE9PT89?="}
    assert server.ask(modern("tools/call", name, headers, tokens["one"])).status == 403
    assert server.ask(modern("tools/call", name, headers, tokens["the other"])).executed == [{B}]


AUTHORIZATIONS = st.lists(
    st.tuples(
        st.sampled_from(["Bearer {0}", "bearer  {0} ", "Bearer\t{0}", "Bearer {0},", "Bearer {0}, Bearer {0}", "{0}"])
        | st.sampled_from(["Basic {0}", "Bearer", "Bearer {0} {0}", "Bearer {0}\xa0", "Bearer \xa0{0}", "DPoP {0}"]),
        st.sampled_from(["both", "both", "expired"]),
    ),
    max_size=2,
)


@pytest.mark.requirement("S19")
@pytest.mark.requirement("S34")
def test_only_one_well_formed_header_with_a_good_token_is_accepted(
    server: RecordingServer, tokens: dict[str, str]
) -> None:
    statuses: Counter[int] = Counter()
    clear = {("Bearer {0}", "both"), ("bearer  {0} ", "both")}

    @settings(derandomize=True, database=None, deadline=None, max_examples=150)
    @given(AUTHORIZATIONS)
    def check(written: list[tuple[str, str]]) -> None:
        request = modern("tools/call", "a", {"mcp-method": "tools/call", "mcp-name": "a"}, "")
        request.headers[:] = [pair for pair in request.headers if pair[0] != b"authorization"]
        request.headers += [
            (b"authorization", form.replace("{0}", tokens[who]).encode("latin-1")) for form, who in written
        ]
        outcome = server.ask(request)
        statuses[outcome.status] += 1
        assert (outcome.status == 200) == (len(written) == 1 and written[0] in clear), written
        assert outcome.status in (200, 400, 401), written

    check()
    assert set(statuses) == {200, 400, 401}
