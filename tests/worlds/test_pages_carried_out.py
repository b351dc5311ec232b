"""Pages that are carried out word for word: their commands, files and changes, and the output that they show."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.scripted_browser import PASSWORDS
from tests.support.stack import SCRIPTED_BROWSER
from tests.worlds.conftest import ROOT, RUNTIME, World
from tests.worlds.test_worlds import MakeWorld, moved, value

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```|[Ss]ign in\s+as\s+`(\S+)`", re.MULTILINE | re.DOTALL)
ANYTHING = "…"
PORTS = {"5555": "MCP_PORT", "9000": "MOCK_IDP_PORT", "8642": "OAUTH_CALLBACK_PORT"}

pytestmark = pytest.mark.skipif(RUNTIME == "docker", reason="a page of the local runtime")


@pytest.mark.parametrize("name", ["tutorial.md", "flow.md"])
def test_the_page(world: MakeWorld, name: str) -> None:
    text = moved()
    clone = world(text)
    clone.variables["PYTHONPATH"] = str(clone.folder / "server" / "src")  # .venv has this clone's packages
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    for port, variable in PORTS.items():
        page = page.replace(f"localhost:{port}", f"localhost:{value(text, variable)}")
    output = ""
    clone.variables |= _browser_of("alice@example.com")
    for kind, content, person in BLOCK.findall(page):
        if person:
            clone.variables |= _browser_of(person)
        elif kind == "console":
            for command, shown in _commands(content):
                done = clone.shell(command)
                output = done.stdout + done.stderr
                _shows(output, shown)
        elif kind == "text":
            _shows(output, content.splitlines())
        else:
            _change(clone, kind, content)


def _browser_of(person: str) -> dict[str, str]:
    return {"BROWSER": SCRIPTED_BROWSER, "ROBOT_USER": person, "ROBOT_PASSWORD": PASSWORDS[person]}


def _commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """Each command with the lines of output that the page shows."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *shown = part.splitlines()
        yield command, shown


def _shows(output: str, lines: list[str]) -> None:
    """The output has these lines, in any order."""
    for line in lines:
        pattern = ".*".join(map(re.escape, line.split(ANYTHING)))
        assert re.search(rf"^{pattern}\s*$", output, re.MULTILINE), f"{line!r} is not in:\n{output}"


def _change(clone: World, kind: str, content: str) -> None:
    """Write a file, or change one as a diff shows. The first line of the block has its path."""
    first, _, rest = content.partition("\n")
    path = clone.folder / first.removeprefix("# ")
    if kind == "python":
        assert not path.exists()
        path.write_text(rest, encoding="utf-8")
        return
    assert kind == "diff"
    lines = rest.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    after = "".join(line[1:] for line in lines if line[0] != "-")
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, before
    path.write_text(text.replace(before, after), encoding="utf-8")
