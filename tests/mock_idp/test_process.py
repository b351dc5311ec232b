from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import httpx2
import pytest

from mock_idp.settings import Settings

ROOT = Path(__file__).parents[2]


def environment(tmp_path: Path, **variables: str) -> dict[str, str]:
    base = {name: value for name, value in os.environ.items() if not name.startswith(("MOCK_IDP_", "AUTH0_"))}
    files = {"MOCK_IDP_TENANT": str(ROOT / "auth0/tenant.yaml"), "MOCK_IDP_OFFLINE": str(ROOT / "auth0/offline.yaml")}
    return {**base, **files, "MOCK_IDP_PORT": "0", **variables}


def run(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mock_idp"],
        cwd=tmp_path,
        env=environment(tmp_path, **variables),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@contextmanager
def running(tmp_path: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "mock_idp"],
        cwd=tmp_path,
        env=environment(tmp_path, **variables),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"listens on +\S+ port (\d+)", line):
                yield process, f"http://localhost:{found[1]}/"
                break
        else:
            pytest.fail("the tenant did not start")
    finally:
        process.kill()
        process.communicate()


def test_it_starts_on_a_free_port_serves_its_issuer_and_stops_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as (process, issuer):
        assert httpx2.get(f"{issuer}.well-known/openid-configuration").json()["issuer"] == issuer
        began = monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) in (0, -signal.SIGTERM)
        assert monotonic() - began < 2


def test_keys_are_kept_between_runs_in_a_file_only_the_owner_can_read(tmp_path: Path) -> None:
    state = tmp_path / "state"
    seen = []
    for _ in range(2):
        with running(tmp_path, MOCK_IDP_STATE_DIR=str(state)) as (_process, issuer):
            seen.append(httpx2.get(f"{issuer}.well-known/jwks.json").json())
    assert seen[0] == seen[1]
    assert (state / "keys.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"AUTH0_ISSUER": "http://localhost:9000"}, "AUTH0_ISSUER: must end in a slash"),
        ({"AUTH0_ISSUER": "http://mock-idp:9000/"}, "AUTH0_ISSUER: may be http only on localhost"),
        ({"AUTH0_ISSUER": "localhost:9000/"}, "AUTH0_ISSUER: must be an absolute http(s) URL"),
        ({"MOCK_IDP_PORT": "many"}, "MOCK_IDP_PORT: Input should be a valid integer"),
        ({"MOCK_IDP_CONTROL": "maybe"}, "MOCK_IDP_CONTROL: Input should be a valid boolean"),
        ({"MOCK_IDP_TENANT": "nowhere.yaml"}, "nowhere.yaml: cannot be read: No such file or directory"),
        ({"MOCK_IDP_CONTROL_TOKEN_FILE": "gone"}, "MOCK_IDP_CONTROL_TOKEN_FILE cannot be read: gone"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(tmp_path: Path, variables: dict[str, str], line: str) -> None:
    result = run(tmp_path, **variables)
    assert result.returncode == 2
    assert line in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_settings_come_from_dotenv_and_unknown_variables_are_ignored(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AUTH0_ISSUER=http://localhost:1\nMODEL=offline\n", encoding="utf-8")
    assert "AUTH0_ISSUER: must end in a slash" in run(tmp_path).stderr


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(tmp_path, MOCK_IDP_PORT=str(port), MOCK_IDP_HOST="127.0.0.1")
    assert result.returncode == 1
    assert result.stderr.strip() == (
        f"mock-idp: Port {port} on 127.0.0.1 is taken. "
        "Stop the program that has it, or set MOCK_IDP_PORT to another port."
    )


def test_variables_that_shells_and_process_managers_set_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOST": "my-laptop", "PORT": "5100", "CONTROL": "1"}.items():
        monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)
    assert (settings.host, settings.port, settings.control) == ("localhost", 9000, False)
