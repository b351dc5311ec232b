"""The examples in mock-idp/README.md and the one in BEHAVIOURS.md run as they are."""

from __future__ import annotations

import copy
import json
import os
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from mock_idp.tenant.loading import checked_configuration
from tests.mock_idp.conftest import FILES, base_documents
from tests.mock_idp.running.test_process import run
from tests.support.documents import blocks, the_block
from tests.support.processes import ROOT, run_program

README, BEHAVIOURS = "mock-idp/README.md", "mock-idp/BEHAVIOURS.md"
OF_THE_TENANT_FILE = {"actions", "triggers"}


def test_the_commands_are_those_of_the_program(tmp_path: Path) -> None:
    for line in the_block(README, "mock-idp: an Auth0 tenant that runs offline", "").splitlines()[1:]:
        command, _, text = line.partition("   ")
        done = run(tmp_path, *shlex.split(command)[1:])
        assert done.returncode == 0, done.stderr
        for option in re.findall(r"--[a-z-]+", text):
            assert option in done.stdout


def test_the_examples_of_the_files_are_valid_beside_what_they_name() -> None:
    tenant, offline = copy.deepcopy(base_documents())
    tenant["clients"].append({"name": "My application", "app_type": "regular_web"})
    tenant["resourceServers"].append({"name": "API", "identifier": "https://api.example.com/"})
    tenant["roles"].append({"name": "admin", "permissions": []})
    tenant["organizations"] = [{"name": "acme"}, {"name": "globex"}]
    for block in (*blocks(README, language="yaml"), *blocks(BEHAVIOURS, language="yaml")):
        for name, section in yaml.safe_load(block.text).items():
            (tenant if name in OF_THE_TENANT_FILE else offline)[name] = section
    checked = checked_configuration(tenant, offline, names=FILES)
    assert checked.offline_file.organizations.keys() == {"acme", "globex"}


def test_the_faults_are_accepted(tenant: Any) -> None:
    lines = the_block(README, "Control API", "").splitlines()
    for line in lines:
        fault, *_ = re.split(r"  +or ", line.replace("{...}", "{}"))
        accepted = tenant.http.post("/__mock__/faults", json=json.loads(fault))
        assert accepted.status_code == 201, accepted.text
    for action in re.findall(r'"(\w+)"', " ".join(line.partition("  ")[2] for line in lines)):
        accepted = tenant.http.post("/__mock__/faults", json={"endpoint": "token", "action": action})
        assert accepted.status_code == 201, accepted.text


@pytest.mark.skipif(not (shutil.which("curl") or os.environ.get("CI")), reason="curl is not installed")
def test_curl_gets_a_token_for_the_management_api(start_offline_tenant: Any) -> None:
    tenant = start_offline_tenant(ROOT / "auth0" / "tenant.yaml", ROOT / "auth0" / "offline.yaml")
    (client,) = yaml.safe_load((ROOT / "auth0" / "offline.yaml").read_text(encoding="utf-8"))["management_clients"]
    (block,) = blocks(README, "Management API")
    (line,) = block.lines
    for shown, used in {
        "http://localhost:9000/": tenant.issuer,
        "client_id=...": f"client_id={client['client_id']}",
        "client_secret=...": f"client_secret={client['client_secret']}",
    }.items():
        line = line.replace(shown, used)
    done = run_program(shlex.split(line), ROOT, {}, seconds=30)
    assert json.loads(done.stdout)["token_type"] == "Bearer"


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pieces of Python about tests of other projects, in a folder with the files that they name."""
    monkeypatch.chdir(ROOT)
    return [block.text for block in blocks(README, "In tests of other projects")]


def test_a_tenant_for_a_block_of_code(examples: list[str]) -> None:
    names: dict[str, Any] = {}
    exec(examples[0], names)
    assert names["tenant"].domain.startswith("localhost:")


def test_a_fixture_that_mints_a_token(examples: list[str], offline_tenant: Any) -> None:
    names: dict[str, Any] = {"httpx2": httpx2}
    exec(f"{examples[1]}    return token", names)
    assert names["test_items"](offline_tenant).count(".") == 2
