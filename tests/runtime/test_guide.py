"""What `make up` says at its end: where the stack is, and what to do next in the person's situation."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.processes import ROOT

AUTH0 = {"AUTH0_DOMAIN": "dev-1.us.auth0.com"}
SITUATIONS = {
    "the offline tenant": ({}, False, ["make demo", 'make ask Q="What time is it now?"', "http://localhost:9000/"]),
    "Auth0, nobody is signed in": (AUTH0, False, ["make doctor", "make client DO=login"]),
    "Auth0, somebody is signed in": (AUTH0, True, ['make ask Q="What time is it now?"', "make doctor"]),
    "another provider": ({"OIDC_ISSUER": "https://id.example.com/"}, False, ["make doctor", "make client DO=login"]),
}


@dataclass
class StubRuntime:
    is_signed_in: bool

    def signed_in(self) -> bool:
        return self.is_signed_in


@pytest.fixture
def guide(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module `guide` of `scripts/stack`, without the shell's variables of a stack."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "stack"))
    for name in ("environment", "report", "guide", "runtime"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in ("AUTH0_DOMAIN", "AUTH0_ISSUER", "OIDC_ISSUER", "MCP_PUBLIC_URL", "PUBLIC_HOST", "MCP_PORT"):
        monkeypatch.delenv(name, raising=False)
    return importlib.import_module("guide")


def said(guide: ModuleType, variables: dict[str, str], *, is_signed_in: bool) -> None:
    guide.welcome(guide.Environment(variables), StubRuntime(is_signed_in))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_next_steps_are_those_of_the_persons_situation(
    guide: ModuleType, capsys: pytest.CaptureFixture[str], situation: str
) -> None:
    variables, is_signed_in, steps = SITUATIONS[situation]
    said(guide, variables, is_signed_in=is_signed_in)
    places, following = capsys.readouterr().out.split("\nNext\n")
    lines = following.splitlines()
    assert [line.strip().split("   ")[0] for line in lines[: len(steps)]] == steps
    assert lines[-1].split() == ["make", "down", "stops", "everything"]
    assert ("alice@example.com" in places) == (variables == {})
    assert ("docs/providers.md" in following) == ("OIDC_ISSUER" in variables)


def test_in_production_the_next_steps_are_for_production(guide: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    guide.production_welcome("https://tools.example.com/mcp", "gatehouse-server:1.0.0")
    shown = capsys.readouterr().out
    assert "  MCP server   https://tools.example.com/mcp\n" in shown
    commands = [line.strip() for line in shown.splitlines() if line.startswith("  make ")]
    assert len(commands) == 3
    assert [line for line in commands if "ENV=prod" not in line] == []


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("no_color", ["", "1"])
def test_it_fits_the_terminal_and_has_colours_only_if_wanted(
    guide: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int, no_color: str
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for name, value in {"COLUMNS": str(columns), "NO_COLOR": no_color, "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    # A path is never broken, so that it can be copied. That of this clone may be longer than the terminal.
    monkeypatch.setattr(guide.environment, "AUTHORITY", Path("/home/me/ca.pem"))
    said(guide, {"PUBLIC_HOST": "box.example", "BIND_ADDRESS": "0.0.0.0"}, is_signed_in=False)
    shown = capsys.readouterr().out
    assert ("\x1b[1m" in shown) == (not no_color)
    plain = shown.replace("\x1b[1m", "").replace("\x1b[0m", "")
    too_long = [line for line in plain.splitlines() if len(line) > columns and " " in line.strip()]
    assert too_long == []
    words = " ".join(plain.split())
    for text in (
        "Browsers and clients must trust it",
        "other machines can reach it.",
        "Wonderland-1 may use the server",
    ):
        assert text in words
