"""Generated misconfigurations: the doctor names the cause and nothing that only follows from it."""

from __future__ import annotations

import os
import re
from itertools import combinations
from pathlib import Path

import pytest

from gatehouse_client.doctor.findings import Finding, Mark
from mock_idp.pytest_plugin import offline_tenant_keys  # noqa: F401 - a fixture
from mock_idp.state.signing_keys import KeyRing
from tests.client.doctor.world import FAULTS, Fault, World, findings_in
from tests.client.run_command import clean_environment

PLACEHOLDERS = re.compile(r"<\w+>|dev-xxxx|your\.host|YOUR_|API_ID|USER_ID|ROLE_ID|con_…|localhost:5000/callback|=…")
EVERY = int(os.environ.get("DOCTOR_PAIRS", "9"))  # 1 runs all pairs
PAIRS = [pair for pair in combinations(FAULTS, 2) if pair[0].of != pair[1].of][::EVERY]

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(os.environ) - set(clean_environment()):
        monkeypatch.delenv(name)


def wrong(findings: list[Finding]) -> list[str]:
    return [finding.explained_by or finding.check for finding in findings if finding.mark is Mark.WRONG]


async def test_without_a_fault_nothing_is_wrong(
    offline_tenant_keys: KeyRing,  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    findings = await findings_in(World(), offline_tenant_keys, tmp_path, monkeypatch)
    assert wrong(findings) == []
    assert [finding.check for finding in findings if finding.mark is Mark.UNKNOWN] == [
        "tls",
        "management",
        "permissions",
    ]


@pytest.mark.parametrize(
    "faults", [*((fault,) for fault in FAULTS), *PAIRS], ids=lambda faults: "+".join(f.name for f in faults)
)
async def test_whatever_is_wrong_is_a_true_cause(
    faults: tuple[Fault, ...],
    offline_tenant_keys: KeyRing,  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    for fault in faults:
        fault.apply(world)
    findings = await findings_in(world, offline_tenant_keys, tmp_path, monkeypatch)
    causes = {check for fault in faults for check in fault.checks}
    assert wrong(findings), "nothing is wrong"
    assert set(wrong(findings)) <= causes
    for finding in findings:
        shown = [finding.seen, *finding.fixes().values(), finding.advice]
        assert not any(PLACEHOLDERS.search(text) for text in shown), shown


def test_there_are_at_least_a_hundred_misconfigurations() -> None:
    assert len(FAULTS) + len(PAIRS) >= 100
