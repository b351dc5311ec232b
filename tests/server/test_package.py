"""The package as others install it: a wheel with the library alone, typed, without what is optional."""

from __future__ import annotations

import email
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gatehouse_server import __version__
from gatehouse_server.__main__ import main
from tests.support.processes import ROOT, environment_without_settings
from tests.support.quick_python import run


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT / "server", capture_output=True, check=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_metadata_of_the_wheel_names_what_is_optional(wheel: Path) -> None:
    text = zipfile.ZipFile(wheel).read(f"gatehouse_server-{__version__}.dist-info/METADATA").decode()
    metadata = email.message_from_string(text)
    assert set(metadata.get_all("Provides-Extra", [])) == {"otel", "metrics"}
    needed = [each for each in metadata.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert not any(name in " ".join(needed) for name in ("prometheus", "exporter", "tzdata", "fastmcp"))


PROTECT = """
import sys
from mcp.server.mcpserver import MCPServer
import gatehouse_server
from gatehouse_server import Settings, protect, requires

assert gatehouse_server.__file__.startswith(sys.argv[1]), gatehouse_server.__file__
app = protect(MCPServer("x"), Settings(_env_file=None, AUTH0_DOMAIN="tenant.example.com"))
assert not {"prometheus_client", "fastmcp", "gatehouse_example"} & set(sys.modules)
"""


def test_the_library_of_the_wheel_protects_a_server_without_the_optional_packages(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    environment = environment_without_settings() | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", PROTECT, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


NUMBERS = """
from mcp.server.mcpserver import MCPServer
from gatehouse_server import requires

mcp = MCPServer("numbers")

@mcp.tool()
@requires("numbers:add")
async def add(a: int, b: int) -> int:
    return a + b
"""


def permissions(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = environment_without_settings() | {"AUTH0_DOMAIN": "tenant.example.com"}
    command = [sys.executable, "-m", "gatehouse_server", "--permissions", *arguments]
    return run(command, cwd=folder, env=environment, timeout=60)


def test_the_command_protects_a_server_of_a_module(tmp_path: Path) -> None:
    (tmp_path / "numbers_server.py").write_text(NUMBERS, encoding="utf-8")
    assert "| tool | `add` | `access:mcp`, `numbers:add` |" in permissions(tmp_path, "numbers_server:mcp").stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing_there:mcp", "No module named 'nothing_there'"),
        ("numbers_server:other", "has no attribute 'other'"),
        ("numbers_server:__name__", "str cannot be protected"),
        ("numbers_server", "is no server that can be protected"),
    ],
)
def test_the_command_says_what_is_wrong_with_the_name_of_a_server(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "numbers_server.py").write_text(NUMBERS, encoding="utf-8")
    done = permissions(tmp_path, name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"gatehouse-server: {name!r} is no server")
    assert message in done.stderr


def test_without_the_example_the_command_asks_for_a_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTH0_DOMAIN", "tenant.example.com")
    monkeypatch.setattr(sys, "argv", ["gatehouse-server", "--permissions"])
    monkeypatch.setattr("gatehouse_server.__main__.find_spec", lambda name: None)
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("gatehouse-server: No server is named: `gatehouse-server module:name`")
