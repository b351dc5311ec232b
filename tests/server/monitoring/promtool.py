"""Prometheus evaluates rules over the values that a test has scraped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.server.monitoring.watched import Watched
from tests.support.processes import ROOT

RULES = ROOT / "deploy" / "prometheus" / "rules.yml"


def promtool(*arguments: str | Path, given: str = "") -> str:
    """Run promtool, which must succeed, and return its output. Without it the test is skipped, but not in CI.

    Args:
        given: its standard input.
    """
    program = shutil.which("promtool")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("promtool is missing: on Debian it is in the package prometheus")
        pytest.skip("promtool is not installed (on Debian: apt install prometheus)")
    done = subprocess.run([program, *arguments], input=given, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def stored(server: Watched, instance: str = "server-1:9100") -> list[dict[str, str]]:
    """The series as promtool reads them, with the labels that Prometheus adds."""
    series = []
    for (name, labels), values in server.series.items():
        all_labels = {"job": "gatehouse", "instance": instance, **dict(labels)}
        text = ", ".join(f'{label}="{value}"' for label, value in all_labels.items())
        shown = " ".join("_" if value is None else repr(value) for value in values)
        series.append({"series": f"{name}{{{text}}}", "values": shown})
    return series


def firing(folder: Path, minutes: int, series: list[dict[str, str]], expected: Iterable[str]) -> None:
    """Fails unless exactly these alerts of the rules fire in that minute."""
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(expected)]
    evaluate_all(folder, minutes, series, {'group by (alertname) (ALERTS{alertstate="firing"})': samples})


def evaluate_all(
    folder: Path, minutes: int, series: list[dict[str, str]], expected: Mapping[str, list[dict[str, Any]]]
) -> None:
    """Fails unless each expression has these samples in that minute, after the rules."""
    at = f"{minutes - 1}m"
    wanted = [{"expr": each, "eval_time": at, "exp_samples": samples} for each, samples in expected.items()]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": wanted}
    file = folder / "promtool.yml"  # JSON is YAML, and is written faster
    content = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}
    file.write_text(json.dumps(content), encoding="utf-8")
    promtool("test", "rules", file)
