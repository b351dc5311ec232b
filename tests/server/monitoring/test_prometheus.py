"""A real Prometheus scrapes a server with the files of deploy/prometheus."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from prometheus_client import start_http_server

from tests.server.monitoring.promtool import RULES
from tests.server.monitoring.test_dashboard import used
from tests.server.token_issuer import Issuer
from tests.support.free_ports import free_ports
from tests.support.processes import running_process, wait_for_status

pytestmark = pytest.mark.anyio
SECONDS = 30


def asked(url: str, path: str, **parameters: str) -> Any:
    """The data that Prometheus answers with."""
    answer = httpx2.get(f"{url}/api/v1/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_prometheus_scrapes_a_server_and_evaluates_all_rules(issuer: Issuer, tmp_path: Path) -> None:
    program = shutil.which("prometheus")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("prometheus is missing")
        pytest.skip("prometheus is not installed")
    registry = (await used(issuer)).metrics.registry
    server_port, port = free_ports(2)
    configuration = yaml.safe_load((RULES.parent / "prometheus.yml").read_text(encoding="utf-8"))
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(RULES)]
    (job,) = configuration["scrape_configs"]
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{server_port}"]}]
    file = tmp_path / "prometheus.yml"
    file.write_text(json.dumps(configuration), encoding="utf-8")
    httpd, thread = start_http_server(server_port, "127.0.0.1", registry)
    options = [f"--config.file={file}", f"--storage.tsdb.path={tmp_path}", f"--web.listen-address=127.0.0.1:{port}"]
    url = f"http://127.0.0.1:{port}"
    try:
        with running_process([program, *options], os.environ, tmp_path, log=tmp_path / "log") as process:
            wait_for_status(f"{url}/-/ready", 200, process)
            rules = evaluated(url)
            targets = asked(url, "targets")["activeTargets"]
            versions = asked(url, "query", query="count by (version) (gatehouse_build_info)")["result"]
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
    assert [(target["health"], target["lastError"]) for target in targets] == [("up", "")]
    assert len(versions) == 1
    assert {rule["name"]: rule.get("lastError", "") for rule in rules if rule["health"] != "ok"} == {}


def evaluated(url: str) -> list[dict[str, Any]]:
    """All rules, after each was evaluated with something scraped."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        rules = [rule for group in asked(url, "rules")["groups"] for rule in group["rules"]]
        if asked(url, "query", query="up == 1")["result"] and all(rule["health"] != "unknown" for rule in rules):
            return rules
        time.sleep(0.1)
    raise AssertionError(f"not every rule was evaluated in {SECONDS} s")
