"""Pages that are carried out word for word: their commands, files and changes, and the output that they show."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.documents import blocks, the_block
from tests.support.free_ports import free_ports
from tests.support.processes import environment_without_settings, running_process, wait_for_status
from tests.support.scripted_browser import PASSWORDS
from tests.support.stack import SCRIPTED_BROWSER
from tests.worlds.conftest import ROOT, RUNTIME, World
from tests.worlds.test_worlds import MakeWorld, moved, value

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```|[Ss]ign in\s+as\s+`(\S+)`", re.MULTILINE | re.DOTALL)
ANYTHING = "…"
DAYS = r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b|[月火水木金土日](?=曜日)"
MONTHS = r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b"
WITH_THE_PROGRAMS = f"{sys.prefix}/bin{os.pathsep}{os.environ.get('PATH', '')}"
PORTS = {"5555": "MCP_PORT", "9000": "MOCK_IDP_PORT", "8642": "OAUTH_CALLBACK_PORT"}

pytestmark = pytest.mark.skipif(RUNTIME == "docker", reason="a page of the local runtime")


@pytest.mark.parametrize("name", ["tutorial.md", "flow.md", "unattended.md", "debugging.md"])
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


def test_the_two_commands_of_the_readme_and_questions_of_the_page_about_the_agent(world: MakeWorld) -> None:
    clone = world(moved())
    clone.variables |= {"BROWSER": SCRIPTED_BROWSER, "ROBOT_USER": "alice@example.com"}
    for line in the_block("README.md", "Two commands", "sh").splitlines():
        done = clone.shell(line)
        assert done.returncode == 0, line + done.stdout + done.stderr
    for command, shown in _commands(the_block("docs/client.md", "Models", "console")):
        asked = clone.shell(command, PATH=WITH_THE_PROGRAMS)
        for line in shown:
            of_any_time = re.sub(r"\d+", r"\\d+", re.sub(rf"{DAYS}|{MONTHS}", r"\\w+?", re.escape(line)))
            assert re.search(rf"^{of_any_time}$", asked.stdout, re.MULTILINE), asked.stdout + asked.stderr


def test_the_tool_of_the_readme_is_called_after_a_second_sign_in(world: MakeWorld) -> None:
    clone = world(moved())
    clone.variables |= {"PYTHONPATH": str(clone.folder / "server" / "src"), **_browser_of("alice@example.com")}
    started = clone.shell("make up && make client DO=login")
    assert started.returncode == 0, started.stdout + started.stderr
    changed = clone.shell("git apply", typed=the_block("README.md", "Your own tool", "diff"))
    assert changed.returncode == 0, changed.stderr
    for line in the_block("README.md", "Your own tool", "sh").splitlines():
        done = clone.shell(line, GATEHOUSE_TRACE="1")
        assert done.returncode == 0, line + done.stdout + done.stderr
    assert done.stdout.endswith("3\n")
    assert 'scope="access:mcp numbers:add"' in done.stderr, "the server asked for the permission"


def test_the_steps_of_the_workflow(world: MakeWorld) -> None:
    clone = world(moved())
    (job,) = yaml.safe_load(the_block("docs/ci.md", "The whole stack", "yaml"))["jobs"].values()
    outputs = []
    for step in job["steps"]:
        if "run" in step:
            done = clone.shell(step["run"], **{**job["env"], "CI": "true", **step.get("env", {})})
            assert done.returncode == 0, step["run"] + done.stdout + done.stderr
            outputs.append(done.stdout)
    assert json.loads(outputs[2])["structuredContent"]["timezone"] == "UTC"
    assert '"decision": "allow"' in outputs[3]
    used = {step["uses"] for step in job["steps"] if "uses" in step}
    assert used <= set(
        re.findall(r"uses: (\S+)", (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    )


def test_the_metrics_of_the_page_are_served(world: MakeWorld, tmp_path: Path) -> None:
    metrics, server = free_ports(2)
    text = f"AUTH0_DOMAIN=tenant.example.com\nMCP_PORT={server}\n"
    block = the_block("docs/monitoring.md", "Watching a server", "sh")
    line = block.replace("9100", str(metrics)).replace("0.0.0.0", "127.0.0.1").strip()
    environment = {**environment_without_settings(), "PATH": WITH_THE_PROGRAMS}
    with running_process(["sh", "-c", f"exec env {line}"], environment, world(text).folder, log=tmp_path / "log"):
        page = wait_for_status(f"http://127.0.0.1:{metrics}/metrics", 200)
    assert "gatehouse_" in page.text


def test_the_lines_for_a_codespace_make_urls_that_the_stack_takes(world: MakeWorld, tmp_path: Path) -> None:
    """Without GitHub: `gh` and `make` only note how they are called."""
    clone = world("")
    for program in ("gh", "make"):
        (tmp_path / program).write_text(f'#!/bin/sh\necho {program} "$@" >> "{tmp_path}/called"\n', encoding="utf-8")
        (tmp_path / program).chmod(0o755)
    names = {"CODESPACE_NAME": "fluffy", "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN": "app.github.dev"}
    for block in blocks("docs/hosts.md", "GitHub Codespaces"):
        done = clone.shell(block.text, PATH=f"{tmp_path}:{os.environ['PATH']}", **names)
        assert done.returncode == 0, done.stderr
    called = (tmp_path / "called").read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line in called] == ["gh", "gh", "make"]
    written = (clone.folder / ".env").read_text(encoding="utf-8")
    assert value(written, "MCP_PUBLIC_URL") == "https://fluffy-5555.app.github.dev/mcp"
    assert value(written, "MCP_ALLOWED_HOSTS") == "fluffy-5555.app.github.dev,localhost:5555"
    checked = clone.shell("gatehouse-server --check", PATH=WITH_THE_PROGRAMS, AUTH0_DOMAIN="tenant.example.com")
    assert checked.returncode == 0, checked.stderr


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
