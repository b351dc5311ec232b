"""Each alert fires in the failure that it is for, and no alert fires in a healthy server.

Prometheus evaluates the rules over the metrics of a real server, which a test drives into the failure.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from gatehouse_server.auth.streams import MAX_STREAMS
from tests.server.monitoring.promtool import RULES, firing, promtool, stored
from tests.server.monitoring.watched import (
    Answer,
    Watched,
    any_call,
    calendar_call,
    calls_with,
    good_call,
    opaque_call,
    open_streams,
    sign_in,
    waiting_call,
    watched,
    watched_upstream,
)
from tests.server.token_issuer import Issuer
from tests.support.processes import ROOT

pytestmark = pytest.mark.anyio

ALERTS = [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
HEALTHY = good_call, sign_in, opaque_call, calendar_call


def status(code: int) -> Answer:
    return lambda: httpx2.Response(code, json={"error": "made to fail"})


def unreachable() -> httpx2.Response:
    raise httpx2.ConnectError("no route to the tenant")


async def test_no_alert_fires_while_all_is_well(issuer: Issuer, tmp_path: Path) -> None:
    async with watched(issuer) as server:
        await server.run(30, *HEALTHY)
    firing(tmp_path, server.minutes, stored(server), [])


@pytest.mark.parametrize("answer", [status(500), unreachable], ids=["answers 500", "is unreachable"])
async def test_keys_that_cannot_be_fetched(issuer: Issuer, tmp_path: Path, answer: Answer) -> None:
    async with watched(issuer) as server:
        await server.run(12, good_call)
        server.tenant.jwks = answer
        await server.run(18, good_call)
        firing(tmp_path, server.minutes, stored(server), {"GatehouseKeysNotFetched"})
        server.tenant.jwks = None
        await server.run(3, good_call)
        firing(tmp_path, server.minutes, stored(server), [])


async def test_keys_that_become_too_old(issuer: Issuer, tmp_path: Path) -> None:
    async with watched(issuer) as server:
        await server.run(2, good_call)
        server.tenant.jwks = unreachable
        await server.run(50, good_call)
        firing(tmp_path, server.minutes, stored(server), {"GatehouseKeysNotFetched", "GatehouseKeysTooOld"})


async def test_keys_that_are_old_because_nobody_calls(issuer: Issuer, tmp_path: Path) -> None:
    async with watched(issuer) as server:
        await server.run(2, good_call)
        await server.run(120)
        assert server.all("gatehouse_keys_left_seconds")[0][-1] == 0
    firing(tmp_path, server.minutes, stored(server), [])


async def test_a_server_without_keys(issuer: Issuer, tmp_path: Path) -> None:
    async with watched(issuer) as server:
        server.tenant.jwks = status(503)
        await server.run(10, any_call)
    expected = {"GatehouseKeysNotFetched", "GatehouseKeysTooOld", "GatehouseCannotVerify"}
    firing(tmp_path, server.minutes, stored(server), expected)


async def test_tokens_of_keys_that_the_tenant_does_not_publish(issuer: Issuer, tmp_path: Path) -> None:
    async with watched(issuer) as server:
        await server.run(12, good_call)
        await server.run(14, good_call, calls_with(kid="two"))
    firing(tmp_path, server.minutes, stored(server), {"GatehouseUnknownKeys"})


@pytest.mark.parametrize(
    "changes",
    [{"iss": "https://other.example.com/"}, {"aud": "https://other.example.com/mcp"}],
    ids=["issuer", "audience"],
)
async def test_tokens_of_another_tenant(issuer: Issuer, tmp_path: Path, changes: dict[str, str]) -> None:
    async with watched(issuer) as server:
        await server.run(12, good_call)
        await server.run(14, good_call, calls_with(**changes))
    firing(tmp_path, server.minutes, stored(server), {"GatehouseOtherTenant"})


@pytest.mark.parametrize("changes", [{"kid": "two"}, {"iss": "https://other.example.com/"}, {"scope": "none"}], ids=str)
async def test_a_few_refusals_of_one_client_are_no_alert(
    issuer: Issuer, tmp_path: Path, changes: dict[str, str]
) -> None:
    async with watched(issuer) as server:
        await server.run(12, good_call)
        await server.run(3, calls_with(**changes))
        await server.run(6)
    firing(tmp_path, server.minutes, stored(server), [])


async def test_a_short_failure_of_the_tenant_is_no_alert(issuer: Issuer, tmp_path: Path) -> None:
    async with watched(issuer) as server:
        await server.run(12, *HEALTHY)
        server.tenant.jwks = server.tenant.introspect = unreachable
        await server.run(2, good_call, opaque_call)
        server.tenant.jwks = server.tenant.introspect = None
        await server.run(6, *HEALTHY)
    firing(tmp_path, server.minutes, stored(server), [])


@pytest.mark.parametrize("code", [401, 403, 500])
async def test_token_exchange_that_fails(issuer: Issuer, tmp_path: Path, code: int) -> None:
    async with watched(issuer) as server:
        await server.run(10, good_call, calendar_call)
        server.tenant.token = status(code)
        await server.run(10, good_call, calendar_call)
    firing(tmp_path, server.minutes, stored(server), {"GatehouseExchangeFailing"})


async def test_introspection_that_fails(issuer: Issuer, tmp_path: Path) -> None:
    async with watched(issuer) as server:
        await server.run(10, good_call, opaque_call)
        server.tenant.introspect = status(401)
        await server.run(10, good_call, opaque_call)
    firing(tmp_path, server.minutes, stored(server), {"GatehouseIntrospectionFailing", "GatehouseCannotVerify"})


@pytest.mark.parametrize(
    ("endpoint", "call", "more"),
    [
        ("jwks", good_call, {"GatehouseKeysNotFetched"}),
        ("token", calendar_call, {"GatehouseExchangeFailing"}),
        ("introspect", opaque_call, {"GatehouseIntrospectionFailing", "GatehouseCannotVerify"}),
    ],
)
async def test_a_tenant_that_answers_429(
    issuer: Issuer, tmp_path: Path, endpoint: str, call: Callable[[Watched], Awaitable[Any]], more: set[str]
) -> None:
    async with watched(issuer) as server:
        await server.run(12, good_call, call)
        setattr(server.tenant, endpoint, status(429))
        await server.run(18, good_call, call)
    firing(tmp_path, server.minutes, stored(server), {"GatehouseTenantLimits", *more})


async def test_many_refusals(issuer: Issuer, tmp_path: Path) -> None:
    async with watched(issuer) as server:
        await server.run(10, good_call)
        await server.run(20, good_call, *[calls_with(scope="none")] * 3)
    firing(tmp_path, server.minutes, stored(server), {"GatehouseRefusals"})


async def test_many_users_who_sign_in_are_no_refusals(issuer: Issuer, tmp_path: Path) -> None:
    async with watched(issuer) as server:
        await server.run(20, good_call, *[sign_in] * 3)
    firing(tmp_path, server.minutes, stored(server), [])


async def test_a_server_behind_the_gate_that_does_not_answer(issuer: Issuer, tmp_path: Path) -> None:
    async with watched_upstream(issuer, tmp_path) as (server, upstream):
        await server.run(10, any_call)
        firing(tmp_path, server.minutes, stored(server), [])
        upstream.answer = lambda _: unreachable()
        await server.run(10, any_call)
    firing(tmp_path, server.minutes, stored(server), {"GatehouseCallsFail"})


async def test_too_many_streams_of_a_user(issuer: Issuer, tmp_path: Path) -> None:
    async with watched(issuer) as server:
        await server.run(10, good_call)
        async with open_streams(server, MAX_STREAMS):
            await server.run(10, good_call, waiting_call)
            assert server.all("gatehouse_streams_open")[0][-1] == MAX_STREAMS
            assert server.all("gatehouse_in_flight")[0][-1] == MAX_STREAMS
        await server.run(1)
        assert server.all("gatehouse_in_flight")[0][-1] == 0
    firing(tmp_path, server.minutes, stored(server), {"GatehouseStreamsRefused"})


# What Prometheus and the operating system say of a process: real series of a healthy server, of which some are changed.


async def healthy(issuer: Issuer, minutes: int) -> Watched:
    async with watched(issuer) as server:
        await server.run(minutes, good_call)
    return server


def change(server: Watched, name: str, changed: Callable[[int], float | None]) -> None:
    """Replace the values of a series by functions of the minute."""
    (values,) = server.all(name)
    values[:] = [changed(minute) for minute in range(server.minutes)]


async def test_a_server_that_is_down(issuer: Issuer, tmp_path: Path) -> None:
    server = await healthy(issuer, 10)
    change(server, "up", lambda minute: float(minute < 7))
    firing(tmp_path, server.minutes, stored(server), {"GatehouseDown"})


async def test_no_server_at_all(issuer: Issuer, tmp_path: Path) -> None:
    server = await healthy(issuer, 10)
    firing(tmp_path, server.minutes, [], {"GatehouseAbsent"})


async def test_a_server_that_starts_again_and_again(issuer: Issuer, tmp_path: Path) -> None:
    server = await healthy(issuer, 10)
    change(server, "process_start_time_seconds", lambda minute: minute // 2 * 120.0)
    firing(tmp_path, server.minutes, stored(server), {"GatehouseRestarts"})


async def test_a_process_that_needs_all_of_its_core(issuer: Issuer, tmp_path: Path) -> None:
    server = await healthy(issuer, 20)
    change(server, "process_cpu_seconds_total", lambda minute: minute * 58.0)
    firing(tmp_path, server.minutes, stored(server), {"GatehouseSaturated"})


async def test_a_process_with_too_much_memory(issuer: Issuer, tmp_path: Path) -> None:
    server = await healthy(issuer, 20)
    change(server, "process_resident_memory_bytes", lambda _: 2.0**30)
    firing(tmp_path, server.minutes, stored(server), {"GatehouseMemory"})


async def test_servers_of_two_versions(issuer: Issuer, tmp_path: Path) -> None:
    server = await healthy(issuer, 35)
    older = Watched(server.client, server.metrics, server.tenant, server.clock, server.minutes)
    for (name, labels), values in server.series.items():
        version = (("version", "0.0.9"),) if name == "gatehouse_build_info" else ()
        older.series[name, tuple({**dict(labels), **dict(version)}.items())] = values
    both = [*stored(server), *stored(older, "server-2:9100")]
    firing(tmp_path, server.minutes, both, {"GatehouseVersionsDiffer"})


def test_every_alert_is_made_to_fire() -> None:
    tested = set(re.findall(r"Gatehouse[A-Za-z]+", Path(__file__).read_text(encoding="utf-8")))
    assert {rule["alert"] for rule in ALERTS} == tested


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_severity_and_a_section_in_the_documents(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    path, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor == rule["alert"].lower()
    assert f"### {rule['alert']}\n" in (ROOT / path).read_text(encoding="utf-8")


def test_the_example_configuration_and_the_rules_are_valid() -> None:
    promtool("check", "config", RULES.parent / "prometheus.yml")
    promtool("check", "rules", RULES)
