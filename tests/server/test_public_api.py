"""The public API: the names in `gatehouse_server`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import gatehouse_server
from gatehouse_server.app import protect
from gatehouse_server.auth.permissions import requires
from gatehouse_server.serving.settings import Settings


def test_the_package_exports_the_public_names() -> None:
    assert gatehouse_server.protect is protect
    assert gatehouse_server.requires is requires
    assert gatehouse_server.Settings is Settings


@pytest.mark.parametrize("name", gatehouse_server.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert callable(getattr(gatehouse_server, name))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'gatehouse_server' has no attribute 'unknown'"):
        getattr(gatehouse_server, "unknown")  # noqa: B009 - mypy would refuse the plain form


def test_importing_the_package_loads_no_framework() -> None:
    code = "import gatehouse_server, gatehouse_server.healthcheck, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"mcp", "starlette", "uvicorn", "pydantic", "httpx2"}.intersection(loaded)


def test_a_type_checker_sees_the_public_names(tmp_path: Path) -> None:
    user = "from gatehouse_server import protect, requires, Settings\nreveal_type(requires)\nimport gatehouse_server\n"
    # Without the packages that it imports, mypy has a third of the work.
    alone = tmp_path / "mypy.ini"
    alone.write_text(
        "[mypy]\nfollow_imports = skip\n[mypy-gatehouse_server.*]\nfollow_imports = normal\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "mypy", f"--config-file={alone}", "-c", f"{user}gatehouse_server.unknown\n"]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    assert 'Revealed type is "def (*permissions: str)' in output
    assert 'Module has no attribute "unknown"' in output
