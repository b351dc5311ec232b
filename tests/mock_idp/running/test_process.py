from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import httpx2
import pytest

from mock_idp.settings import load_settings
from mock_idp.testing import offline_tenant
from tests.support import quick_python

ROOT = Path(__file__).parents[3]


def environment(tmp_path: Path, **variables: str) -> dict[str, str]:
    base = {name: value for name, value in os.environ.items() if not name.startswith(("MOCK_IDP_", "AUTH0_"))}
    files = {"MOCK_IDP_TENANT": str(ROOT / "auth0/tenant.yaml"), "MOCK_IDP_OFFLINE": str(ROOT / "auth0/offline.yaml")}
    return {**base, **files, "MOCK_IDP_PORT": "0", **variables}


def run(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mock_idp", *arguments]
    return quick_python.run(command, cwd=tmp_path, env=environment(tmp_path, **variables), timeout=30)


@contextmanager
def running(tmp_path: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = quick_python.QuickPopen(
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
        process.terminate()  # and not `kill`: what the process has taken counts for the coverage
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def test_it_starts_on_a_free_port_serves_its_issuer_and_stops_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as (process, issuer):
        assert httpx2.get(f"{issuer}.well-known/openid-configuration").json()["issuer"] == issuer
        began = monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) in (0, -signal.SIGTERM)
        assert monotonic() - began < 2


def test_the_start_lists_once_what_the_tenant_file_names_and_the_tenant_does_not_play(tmp_path: Path) -> None:
    tenant = ROOT / "tests/support/exports/loads/newer_full_export.yaml"
    (tmp_path / "offline.yaml").write_text("", encoding="utf-8")
    with running(tmp_path, MOCK_IDP_TENANT=str(tenant), MOCK_IDP_OFFLINE="offline.yaml") as (process, _):
        assert process.stderr is not None
        banner = "".join(iter(process.stderr.readline, f"{'=' * 70}\n"))
    listed = banner.partition("not played ")[2]
    for name in ("logStreams", "themes", "forms", "databases[].options.passkey_options"):
        assert listed.count(name) <= 1
    assert "databases[].options.passkey_options" in listed
    assert len(listed.splitlines()) < 15


def test_an_empty_variable_of_the_environment_overrides_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("MOCK_IDP_PORT=9001\nAUTH0_ISSUER=http://localhost:9001/\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("MOCK_IDP_PORT", "AUTH0_ISSUER"):
        monkeypatch.delenv(name, raising=False)
    assert (load_settings().port, load_settings().issuer) == (9001, "http://localhost:9001/")
    for name in ("MOCK_IDP_PORT", "AUTH0_ISSUER"):
        monkeypatch.setenv(name, "")
    assert (load_settings().port, load_settings().issuer) == (9000, None)


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
        ({"AUTH0_KEYWORD_REPLACE_MAPPINGS": "{"}, "AUTH0_KEYWORD_REPLACE_MAPPINGS: must be a JSON object"),
        (
            {"AUTH0_KEYWORD_REPLACE_MAPPINGS": "[]"},
            "AUTH0_KEYWORD_REPLACE_MAPPINGS: Input should be a",
        ),
        ({"MOCK_IDP_CONTROL": "maybe"}, "MOCK_IDP_CONTROL: Input should be a valid boolean"),
        ({"MOCK_IDP_TENANT": "nowhere.yaml"}, "nowhere.yaml: cannot be read: No such file or directory"),
        (
            {"MOCK_IDP_PRESET": "role-missing,sunshine"},
            "MOCK_IDP_PRESET: there is no preset 'sunshine'; there are:",
        ),
        ({"MOCK_IDP_TLS_PORT": "0"}, "settings: MOCK_IDP_TLS_PORT needs MOCK_IDP_CA_FILE"),
        ({"MOCK_IDP_TLS_PORT": "0", "MOCK_IDP_CA_FILE": "/dev/null/ca.pem"}, "MOCK_IDP_CA_FILE: cannot write"),
        ({"MOCK_IDP_TLS_ISSUER": "http://localhost/"}, "MOCK_IDP_TLS_ISSUER must be an https URL"),
        ({"MOCK_IDP_CIMD_CA_FILE": "gone.pem"}, "MOCK_IDP_CIMD_CA_FILE: there is no file gone.pem"),
        ({"MOCK_IDP_CIMD_ALLOW_PRIVATE": "true"}, "MOCK_IDP_CIMD_ALLOW_PRIVATE needs MOCK_IDP_CIMD_FETCH=true"),
        ({"MOCK_IDP_ALLOWED_HOSTS": "a.example, http://b"}, "MOCK_IDP_ALLOWED_HOSTS: 'http://b' is not a host name"),
        ({"MOCK_IDP_CONTROL_TOKEN_FILE": "gone"}, "MOCK_IDP_CONTROL_TOKEN_FILE cannot be read: gone"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(tmp_path: Path, variables: dict[str, str], line: str) -> None:
    result = run(tmp_path, **variables)
    assert result.returncode == 2
    assert line in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_tls_and_presets_are_settings(tmp_path: Path) -> None:
    state = tmp_path / "state"
    authorities = []
    for _ in range(2):
        variables = {"MOCK_IDP_TLS_PORT": "0", "MOCK_IDP_PRESET": "dcr-off", "MOCK_IDP_STATE_DIR": str(state)}
        with running(tmp_path, **variables) as (process, issuer):
            assert httpx2.post(f"{issuer}oidc/register", json={}).status_code == 403
            assert process.stderr is not None
            banner = [process.stderr.readline() for _ in range(6)]
            found = re.search(r"https://localhost:\d+/", "".join(banner))
            assert found is not None
            trusted = ssl.create_default_context(cafile=state / "ca.pem")
            document = httpx2.get(f"{found[0]}.well-known/openid-configuration", verify=trusted).json()
            assert document["issuer"] == found[0]
        authorities.append((state / "ca.pem").read_bytes())
    assert authorities[0] == authorities[1]
    assert (state / "ca-key.pem").stat().st_mode & 0o777 == 0o600


def test_a_wrong_key_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{}", encoding="utf-8")
    result = run(tmp_path, MOCK_IDP_STATE_DIR=str(tmp_path))
    assert result.returncode == 2
    assert "is not a key file of this tenant; delete it" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_program_writes_its_schema_and_its_table_of_behaviours(tmp_path: Path) -> None:
    assert run(tmp_path, "schema").stdout == (ROOT / "mock-idp/tenant.schema.json").read_text(encoding="utf-8")
    assert "| `loopback_redirect` |" in run(tmp_path, "behaviours").stdout
    assert run(tmp_path, "nonsense").returncode == 2


def test_the_access_log_has_no_query_and_no_line_breaks(tmp_path: Path) -> None:
    with running(tmp_path) as (process, issuer):
        httpx2.get(f"{issuer}authorize?client_id=x&code=sesame")
        httpx2.get(f"{issuer}a%0Ab")
        process.send_signal(signal.SIGTERM)
        _, written = process.communicate(timeout=10)
    assert "GET '/authorize' 400" in written
    assert "GET '/a\\nb' 404" in written
    assert "sesame" not in written


def test_settings_come_from_dotenv_and_unknown_variables_are_ignored(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AUTH0_ISSUER=http://localhost:1\nMODEL=offline\n", encoding="utf-8")
    assert "AUTH0_ISSUER: must end in a slash" in run(tmp_path).stderr


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(tmp_path, MOCK_IDP_PORT=str(port), MOCK_IDP_HOST="127.0.0.1")
    assert result.returncode == 1
    assert result.stderr.strip() == (
        f"mock-idp: Port {port} on 127.0.0.1 is taken. "
        "Stop the program that has it, or set MOCK_IDP_PORT to another port."
    )


def test_variables_of_shells_and_process_managers_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"HOST": "my-laptop", "PORT": "5100", "CONTROL": "1"}.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.host, settings.port, settings.control) == ("localhost", 9000, False)


ACTION = "exports.onExecutePostLogin = async (event, api) => {};"


def actions_file(tmp_path: Path) -> str:
    path = tmp_path / "tenant.yaml"
    action = f"actions:\n- name: Add claims\n  deployed: true\n  code: '{ACTION}'\n"
    path.write_text(f"{action}triggers:\n  post-login:\n  - action_name: Add claims\n", encoding="utf-8")
    (tmp_path / "offline.yaml").write_text("", encoding="utf-8")
    return str(path)


def banner(tmp_path: Path, **variables: str) -> str:
    variables |= {"MOCK_IDP_TENANT": actions_file(tmp_path), "MOCK_IDP_OFFLINE": str(tmp_path / "offline.yaml")}
    with running(tmp_path, **variables) as (process, _):
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("====="):
                return "".join(lines)
    raise AssertionError("the banner has no end")


@pytest.mark.usefixtures("installed_node")
def test_the_banner_names_the_actions_that_run(tmp_path: Path) -> None:
    assert re.search(r"actions +Add claims\n", banner(tmp_path))


def test_the_banner_names_the_actions_that_do_not_run(tmp_path: Path) -> None:
    shown = banner(tmp_path, MOCK_IDP_ACTIONS="off")
    assert re.search(r"actions +do not run: Add claims \(MOCK_IDP_ACTIONS is off\)", shown)


def test_a_start_that_requires_node_fails_without_it(tmp_path: Path) -> None:
    files = {"MOCK_IDP_TENANT": actions_file(tmp_path), "MOCK_IDP_OFFLINE": str(tmp_path / "offline.yaml")}
    result = run(tmp_path, **files, MOCK_IDP_ACTIONS="require", PATH=str(tmp_path))
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == (
        "mock-idp: MOCK_IDP_ACTIONS=require: the Actions Add claims cannot run: node is not installed. "
        "Install node 20 or later"
    )


@pytest.mark.usefixtures("installed_node")
def test_the_process_of_the_actions_ends_with_the_tenant() -> None:
    machine = {"name": "M", "app_type": "non_interactive", "grant_types": ["client_credentials"]}
    code = "exports.onExecuteCredentialsExchange = async (event, api) => { api.accessToken.setCustomClaim('a', 1); };"
    tenant = {
        "clients": [machine],
        "resourceServers": [{"name": "A", "identifier": "urn:a"}],
        "clientGrants": [{"client_id": "M", "audience": "urn:a", "scope": []}],
        "actions": [{"name": "A", "code": code, "deployed": True}],
        "triggers": {"credentials-exchange": [{"action_name": "A"}]},
    }
    offline = {"clients": {"M": {"client_id": "m", "client_secret": "s"}}}
    body = {"grant_type": "client_credentials", "client_id": "m", "client_secret": "s", "audience": "urn:a"}
    with offline_tenant(tenant, offline) as running_tenant:
        answer = httpx2.post(f"{running_tenant.issuer}oauth/token", data=body)
        assert answer.status_code == 200
        process = running_tenant.idp.node._process
        assert process is not None
    assert process.poll() is not None
