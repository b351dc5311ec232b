"""Metrics: decisions by reason, calls by tool, key fetches, cache; callers cannot create label values."""

from __future__ import annotations

import contextlib
import socket

import httpx2
import pytest
from prometheus_client import CollectorRegistry
from starlette.types import Receive, Scope, Send

from gatehouse_server.__main__ import serve_metrics
from gatehouse_server.auth.permission_table import PermissionTable
from gatehouse_server.auth.provider.keys import KeysUnavailable, SigningKeys
from gatehouse_server.auth.provider.token_exchange import ExchangeFailed, TokenExchange
from gatehouse_server.serving.listening import CannotListen
from gatehouse_server.serving.metrics import Metrics
from tests.server.protected_server import ask, protected
from tests.server.server_with_permissions import READ, WRITE, shop
from tests.server.token_issuer import Issuer, settings

pytestmark = pytest.mark.anyio
EXCHANGES = ("ok", "cached", "refused", "failed", "rate_limited")


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """The value of one sample, or 0 if there is none yet."""
    return metrics.registry.get_sample_value(name, labels) or 0.0


def labels(metrics: Metrics, name: str, label: str) -> set[str]:
    """All values of a label."""
    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    return {sample.labels[label] for sample in samples if sample.name == name}


async def test_decisions_are_counted_by_reason_and_calls_by_tool(issuer: Issuer) -> None:
    metrics, token = Metrics(), issuer.token(scope=f"access:mcp {READ}")
    async with protected(shop(), issuer.handle, metrics=metrics) as server:
        for _ in range(3):
            await ask(server, token, "tools/call", {"name": "below_tool"})
        await ask(server, issuer.token(), "tools/call", {"name": "below_tool"})
        await ask(server, issuer.token(exp=1, iat=1))
        await ask(server, None)
    counted = {
        ("allow", "allowed", "2xx"): 3,
        ("refuse", "insufficient_scope", "4xx"): 1,
        ("refuse", "token_expired", "4xx"): 1,
        ("refuse", "no_credentials", "4xx"): 1,
    }
    for (decision, reason, status), count in counted.items():
        seen = value(metrics, "gatehouse_decisions_total", decision=decision, reason=reason, status=status)
        assert seen == count, reason
    called = {"method": "tools/call", "target": "below_tool"}
    assert value(metrics, "gatehouse_call_seconds_count", **called) == 3
    assert value(metrics, "gatehouse_call_seconds_sum", **called) > 0
    assert value(metrics, "gatehouse_refusal_seconds_count", reason="token_expired") == 1
    assert value(metrics, "gatehouse_refusal_seconds_sum", reason="token_expired") > 0


async def test_looked_up_tokens_and_key_fetches_are_counted(issuer: Issuer) -> None:
    metrics, token = Metrics(), issuer.token()
    async with protected(shop(), issuer.handle, metrics=metrics) as server:
        for _ in range(3):
            await ask(server, token)
    assert value(metrics, "gatehouse_token_cache_total", outcome="miss") == 1
    assert value(metrics, "gatehouse_token_cache_total", outcome="hit") == 2


async def test_callers_cannot_create_label_values(issuer: Issuer) -> None:
    metrics, token = Metrics(), issuer.token(scope=f"access:mcp {READ} {WRITE}")
    async with protected(shop(), issuer.handle, metrics=metrics) as server:
        for number in range(30):
            await ask(server, token, "tools/call", {"name": f"made-up-{number}"})
            await ask(server, token, "prompts/get", {"name": f"made-up-{number}"})
            await ask(server, token, "resources/read", {"uri": f"shop://below/{number}"})
            await ask(server, token, f"made/up-{number}")
            await server.request(f"MADEUP{number}", "/mcp", headers={"Authorization": f"Bearer {token}"})
        await ask(server, token, "tools/call", {"name": "open_tool"})
        await ask(server, token, "prompts/get", {"name": "above_prompt"})
    methods = {"tools/call", "prompts/get", "resources/read", "(other)"}
    assert labels(metrics, "gatehouse_call_seconds_count", "method") == methods
    assert labels(metrics, "gatehouse_call_seconds_count", "target") == {"", "(other)", "open_tool", "above_prompt"}


async def test_reasons_are_a_fixed_set(issuer: Issuer) -> None:
    metrics = Metrics()
    async with protected(shop(), issuer.handle, metrics=metrics) as server:
        for number in range(20):
            await ask(server, issuer.token(aud=f"made-up-{number}", iss=f"https://made-up-{number}/"))
            await ask(server, issuer.token(header={"kid": f"made-up-{number}"}))
            await ask(server, f"made-up-{number}")
    assert labels(metrics, "gatehouse_decisions_total", "reason") == {"unknown_key", "wrong_issuer", "malformed_token"}


async def test_a_call_that_fails_counts_as_a_500(issuer: Issuer) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            raise LookupError("the tool is broken")

    metrics, table = Metrics(), PermissionTable(tools={"*": []})
    async with protected(broken, issuer.handle, metrics=metrics, permissions=table) as server:
        with pytest.raises(LookupError):
            await ask(server, issuer.token())
    failed = {"decision": "allow", "reason": "allowed", "status": "5xx"}
    assert value(metrics, "gatehouse_decisions_total", **failed) == 1
    assert value(metrics, "gatehouse_in_flight") == 0


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (httpx2.Response(429, text="slow down"), "rate_limited"),
        (httpx2.Response(429, json={"error": "too_many_requests"}), "rate_limited"),
        (httpx2.Response(403, json={"error": "access_denied"}), "refused"),
        (httpx2.Response(403, text="no"), "refused"),
        (httpx2.Response(500, json={}), "failed"),
        (httpx2.Response(200, json={}), "failed"),
        (httpx2.Response(200, json={"access_token": "new", "expires_in": 600}), "ok"),
    ],
)
async def test_token_exchanges_are_counted_by_outcome(answer: httpx2.Response, outcome: str) -> None:
    metrics = Metrics()
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: answer)) as http:
        counted = metrics.count_exchange
        exchange = TokenExchange(
            "https://tenant.example.com/t", "id", "secret", http=http, longest_wait=0, on_exchange=counted
        )
        for _ in range(2):
            with contextlib.suppress(ExchangeFailed):
                await exchange.token_for("token", "https://api.example.com/", "read", until=9e9)
    outcomes = ["ok", "cached"] if outcome == "ok" else [outcome] * 2
    for each in {*outcomes}:
        assert value(metrics, "gatehouse_exchanges_total", outcome=each) == outcomes.count(each)
    assert sum(value(metrics, "gatehouse_exchanges_total", outcome=each) for each in EXCHANGES) == 2


async def test_a_registry_can_be_passed(issuer: Issuer) -> None:
    registry = CollectorRegistry()
    async with protected(shop(), issuer.handle, metrics=Metrics(registry)) as server:
        await ask(server, None)
        assert (await server.get("/metrics")).status_code == 404, "the public port never serves them"
    sample = {"decision": "refuse", "reason": "no_credentials", "status": "4xx"}
    assert registry.get_sample_value("gatehouse_decisions_total", sample) == 1


async def test_key_fetches_are_counted_by_outcome() -> None:
    outcomes: list[str] = []
    answers = [httpx2.Response(500)]
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: answers[0]))
    keys = SigningKeys("https://tenant.example.com/keys", "RS256", http=http, on_fetch=outcomes.append)
    with pytest.raises(KeysUnavailable):
        await keys.warm()
    await keys.aclose()
    assert outcomes == ["failed"]


def test_a_metrics_port_in_use_stops_the_start_with_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(CannotListen, match=f"METRICS_PORT is {port}: cannot listen"):
            serve_metrics(settings(METRICS_PORT=port, METRICS_HOST="127.0.0.1"))
