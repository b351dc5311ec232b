"""The offline tenant as a tool of its own: without files, with options, as a pytest plugin."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mock_idp.tenant.example import EXAMPLE
from tests.mock_idp.running.test_process import run, running

NO_FILES = {"MOCK_IDP_TENANT": "", "MOCK_IDP_OFFLINE": ""}
TESTS_CLIENT = ("example-api-tests", "offline-secret-of-the-api-tests")


def password_grant(issuer: str) -> Any:
    return httpx2.post(
        f"{issuer}oauth/token",
        data={
            "grant_type": "password",
            "client_id": TESTS_CLIENT[0],
            "client_secret": TESTS_CLIENT[1],
            "username": "alice@example.com",
            "password": "Wonderland-1",
            "audience": "https://api.example.com/",
        },
    )


def test_in_an_empty_folder_it_serves_the_example(tmp_path: Path) -> None:
    with running(tmp_path, **NO_FILES) as (_process, issuer):
        answer = password_grant(issuer)
        assert answer.status_code == 200, answer.text
        assert set(answer.json()["scope"].split()) == {"read:items", "write:items"}


def test_init_writes_a_tenant_that_runs_and_overwrites_nothing(tmp_path: Path) -> None:
    written = run(tmp_path, "init")
    assert written.returncode == 0
    assert [Path(line).name for line in written.stdout.splitlines()[:2]] == ["tenant.yaml", "offline.yaml"]
    (tmp_path / "auth0" / "offline.yaml").write_text("users: []\n", encoding="utf-8")
    again = run(tmp_path, "init")
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    assert (tmp_path / "auth0" / "offline.yaml").read_text(encoding="utf-8") == "users: []\n"
    with running(tmp_path, **NO_FILES) as (_process, issuer):
        assert password_grant(issuer).status_code == 401  # the ids of the file above, not those of the example


def test_init_in_a_place_that_is_no_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    refused = run(tmp_path, "init", "file")
    assert refused.returncode == 2
    assert re.fullmatch(r"mock-idp: \S+ cannot be written: .+\.\n", refused.stderr)


def test_options_go_before_the_environment(tmp_path: Path) -> None:
    refused = run(tmp_path, "--tenant", "nowhere.yaml", "run")
    assert (refused.returncode, "nowhere.yaml: cannot be read" in refused.stderr) == (2, True)
    refused = run(tmp_path, "run", "--preset", "sunshine")
    assert (refused.returncode, "there is no preset 'sunshine'" in refused.stderr) == (2, True)
    assert "invalid int value" in run(tmp_path, "--port", "nine").stderr


def test_without_an_offline_file_clients_have_ids_and_there_are_no_users(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(EXAMPLE[0].read_bytes())
    with running(tmp_path, MOCK_IDP_TENANT="mine.yaml", MOCK_IDP_OFFLINE="") as (_process, issuer):
        assert httpx2.get(f"{issuer}.well-known/openid-configuration").status_code == 200


def test_the_version_is_printed(tmp_path: Path) -> None:
    assert re.fullmatch(r"mock-idp \d+\.\d+\.\d+\n", run(tmp_path, "--version").stdout)


def test_pytest_finds_the_fixtures_without_a_conftest(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import httpx2\n\n\n"
        "def test_tenant(offline_tenant):\n"
        "    found = httpx2.get(offline_tenant.issuer + '.well-known/openid-configuration').json()\n"
        "    assert found['issuer'] == offline_tenant.issuer\n"
        "    assert 'secret' not in repr(offline_tenant) and len(repr(offline_tenant)) < 300\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout


def test_the_plugin_costs_other_test_runs_nothing() -> None:
    code = (
        "import mock_idp.pytest_plugin, sys; print({'starlette', 'joserfc', 'uvicorn', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("fixture", ["offline_tenant", "offline_tenant_keys"])
def test_what_pytest_prints_of_a_fixture_has_no_secret(request: pytest.FixtureRequest, fixture: str) -> None:
    text = repr(request.getfixturevalue(fixture))
    assert len(text) < 400
    assert "PRIVATE" not in text
    assert not re.search(r"x[0-9a-f]{2}\\x|'d':|'k':", text)
