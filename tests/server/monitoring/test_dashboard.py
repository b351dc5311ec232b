"""What the dashboard and the alerts name is what a server exposes, and docs/monitoring.md lists all of it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.monitoring.promtool import RULES, evaluate_all, promtool, stored
from tests.server.monitoring.watched import Watched, calendar_call, good_call, opaque_call, sign_in, watched
from tests.server.token_issuer import Issuer
from tests.support.processes import ROOT

pytestmark = pytest.mark.anyio

DASHBOARD = ROOT / "deploy" / "grafana" / "gatehouse.json"
PAGE = ROOT / "docs" / "monitoring.md"
CONTENT = json.loads(DASHBOARD.read_text(encoding="utf-8"))
PANELS = [panel for panel in CONTENT["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]


async def used(issuer: Issuer) -> Watched:
    """A server of which everything was used."""
    async with watched(issuer) as server:
        await server.run(10, good_call, sign_in, opaque_call, calendar_call)
    return server


def without_variables(expression: str) -> str:
    """The expression for all servers, as Grafana sends it."""
    return expression.replace("$instance", ".*").replace("$__rate_interval", "5m")


async def test_every_panel_shows_something(issuer: Issuer, tmp_path: Path) -> None:
    server = await used(issuer)
    counted = [f"count({without_variables(each)}) > bool 0" for each in EXPRESSIONS]
    shown = {each: [{"labels": "{}", "value": 1}] for each in counted}
    evaluate_all(tmp_path, server.minutes, stored(server), shown)


async def test_every_compared_label_value_exists(issuer: Issuer) -> None:
    values = defaultdict(set)
    for _, labels in (await used(issuer)).series:
        for name, value in labels:
            values[name].add(value)
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "server" / "src").rglob("*.py"))
    values["reason"] |= set(re.findall(r'"([a-z_]+)"', source))
    values["status"].add("5xx")  # of a server that fails
    text = RULES.read_text(encoding="utf-8") + "\n".join(EXPRESSIONS)
    compared = re.findall(r'(outcome|decision|status|reason)\s*(?:=|!=|=~|!~)\s*"([^"]+)"', text)
    assert {name for name, _ in compared} == {"outcome", "decision", "status", "reason"}
    for name, alternatives in compared:
        for pattern in alternatives.split("|"):
            assert any(re.fullmatch(pattern, value) for value in values[name]), f"{name}={pattern}"


def test_panels_have_titles_and_do_not_overlap() -> None:
    places = set()
    for panel in CONTENT["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert panel["title"]
        assert at["x"] + at["w"] <= 24
        assert not places & cells, panel["title"]
        places |= cells
    assert len({panel["id"] for panel in CONTENT["panels"]}) == len(CONTENT["panels"])


async def test_the_page_of_metrics_is_as_prometheus_wants_it(issuer: Issuer) -> None:
    page = generate_latest((await used(issuer)).metrics.registry).decode()
    assert promtool("check", "metrics", given=page) == "", "names, units and help texts"


async def test_the_reference_in_the_documents_is_what_a_server_exposes(issuer: Issuer) -> None:
    table = reference(generate_latest((await used(issuer)).metrics.registry).decode())
    assert table in PAGE.read_text(encoding="utf-8"), f"docs/monitoring.md lacks this table:\n{table}"


def reference(page: str) -> str:
    """The metrics on a page, as a Markdown table. Those of the process come from Prometheus's library."""
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for family in text_string_to_metric_families(page):
        if family.name.startswith("gatehouse_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(f"`{label}`" for label in family.samples[0].labels if label != "le")
            rows.append(f"| `{name}` | {family.type} | {labels} | {family.documentation} |")
    return "\n".join(rows) + "\n"
