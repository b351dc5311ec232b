"""The configuration of upstream mode: each mistake is one clear message, and nothing is open by default."""

from __future__ import annotations

from pathlib import Path

import pytest
from mcp.server.mcpserver import MCPServer

from gatehouse_server import __main__ as command
from gatehouse_server.adapters.upstream.lists import META_KEY
from gatehouse_server.serving.settings import SettingsError, load
from gatehouse_server.serving.upstream_settings import UpstreamSettings
from gatehouse_server.upstream import protect_upstream
from tests.server.token_issuer import settings
from tests.server.upstream.guarded import upstream_settings
from tests.support.free_ports import free_ports
from tests.support.processes import ROOT
from tests.support.serve_in_thread import serve_in_thread


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("UPSTREAM_URL", "UPSTREAM_IDENTITY", "UPSTREAM_TIMEOUT", "PERMISSIONS_FILE", "OIDC_ISSUER"):
        monkeypatch.delenv(name, raising=False)


def test_without_an_upstream_the_mode_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not load(UpstreamSettings).is_on
    monkeypatch.setenv("UPSTREAM_URL", "")
    assert not load(UpstreamSettings).is_on


def test_without_a_table_of_permissions_it_does_not_start() -> None:
    with pytest.raises(SettingsError, match="set PERMISSIONS_FILE"):
        protect_upstream(settings(), upstream_settings())


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("127.0.0.1:8000/mcp", "such as http://127.0.0.1:8000/mcp"),
        ("file:///etc/passwd", "such as http://127.0.0.1:8000/mcp"),
        ("http:///mcp", "such as http://127.0.0.1:8000/mcp"),
        ("http://host:x/mcp", "a URL is valid"),
        ("http://user:secret@host/mcp", "without user, password and fragment"),
        ("http://host/mcp#x", "without user, password and fragment"),
    ],
)
def test_another_url_is_refused(url: str, problem: str) -> None:
    with pytest.raises(SettingsError, match="UPSTREAM_URL is") as refused:
        load(UpstreamSettings, UPSTREAM_URL=url)
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UPSTREAM_IDENTITY", "token"),
        ("UPSTREAM_TIMEOUT", "0"),
        ("UPSTREAM_TIMEOUT", "inf"),
        ("UPSTREAM_TIMEOUT", "soon"),
    ],
)
def test_another_value_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name} is '{value}'"):
        load(UpstreamSettings)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setenv("AUTH0_DOMAIN", "tenant.example.com")
    monkeypatch.setattr("sys.argv", ["gatehouse-server", *arguments])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    command.main()


def test_the_command_prints_the_permissions_of_the_upstream(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "permissions.yaml").write_text("tools: {read: shop:read}\n", encoding="utf-8")
    monkeypatch.setenv("PERMISSIONS_FILE", "permissions.yaml")
    run(monkeypatch, "--upstream", "http://127.0.0.1:8000/mcp", "--permissions")
    assert "| tool | `read` | `access:mcp`, `shop:read` |" in capsys.readouterr().out


def test_the_example_of_a_table_is_valid(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PERMISSIONS_FILE", str(ROOT / "docs" / "examples" / "permissions.yaml"))
    run(monkeypatch, "--permissions", "--command", "some-server", "--option")
    assert "| tool | `write_item` | `access:mcp`, `shop:read`, `shop:write` |" in capsys.readouterr().out


def test_an_option_without_its_program_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, "--permissions", "--command")
    assert "--command needs a program" in capsys.readouterr().err


def test_a_server_in_a_module_replaces_the_variables_of_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UPSTREAM_URL", "http://127.0.0.1:8000/mcp")
    with pytest.raises(SystemExit):
        run(monkeypatch, "--permissions", "no_such_module:server")
    assert "no_such_module" in capsys.readouterr().err


def test_two_servers_in_the_options_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, "--upstream", "http://127.0.0.1:8000/mcp", "shop:server")
    assert "only one can be behind the gate" in capsys.readouterr().err


def test_the_command_ends_with_one_message_without_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "--upstream", "http://127.0.0.1:8000/mcp", "--permissions")
    assert ended.value.code == command.CONFIGURATION_ERROR
    assert capsys.readouterr().err.startswith("gatehouse-server: Nothing states the permissions")


def test_the_settings_are_checked_without_a_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "permissions.yaml").write_text("tools: {read: shop:read}\n", encoding="utf-8")
    monkeypatch.setenv("PERMISSIONS_FILE", "permissions.yaml")
    run(monkeypatch, "--upstream", "http://127.0.0.1:8000/mcp", "--check")
    monkeypatch.setenv("PERMISSIONS_FILE", "no-such.yaml")
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "--upstream", "http://127.0.0.1:8000/mcp", "--check")
    assert ended.value.code == command.CONFIGURATION_ERROR
    assert "PERMISSIONS_FILE" in capsys.readouterr().err


def test_the_settings_of_the_example_server_are_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "--check")
    monkeypatch.setenv("REQUEST_STATE_SECRET", "short")
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "--check")
    assert ended.value.code == command.CONFIGURATION_ERROR
    assert "REQUEST_STATE_SECRET: at least 32 characters" in capsys.readouterr().err


def test_the_command_prints_the_permissions_that_the_upstream_states(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mcp = MCPServer("shop")

    async def run_it() -> str:
        return "done"

    mcp.tool(name="read", meta={META_KEY: ["shop:read"]})(run_it)
    monkeypatch.setenv("UPSTREAM_META_PERMISSIONS", "1")
    with serve_in_thread(mcp.streamable_http_app(stateless_http=True, json_response=True)) as url:
        run(monkeypatch, "--upstream", f"{url.rstrip('/')}/mcp", "--permissions")
    assert "| tool | `read` | `access:mcp`, `shop:read` |" in capsys.readouterr().out


def test_an_upstream_that_cannot_be_asked_for_its_permissions_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UPSTREAM_META_PERMISSIONS", "1")
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "--upstream", f"http://127.0.0.1:{free_ports(1)[0]}/mcp", "--permissions")
    assert ended.value.code == command.CONFIGURATION_ERROR
    message = capsys.readouterr().err
    assert message.startswith("gatehouse-server: The server behind the gate does not list what it offers: ")
    assert "Traceback" not in message
