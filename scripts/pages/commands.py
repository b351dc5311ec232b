"""docs/reference/commands.md: the commands, their options and exit codes, from the command lines themselves."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from gatehouse_client.cli import app as client
from gatehouse_client.errors import Exit, GatehouseError
from gatehouse_server.__main__ import command_line as server_command_line
from mock_idp.command_line import command_line as tenant_command_line

from .markdown import code, head, joined, package, table

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "commands.md"
_HELP_OPTIONS = {"--help", "--install-completion", "--show-completion"}


def page() -> str:
    """The text of the page."""
    return joined(
        [
            head("Commands", "Options can also be variables: [environment.md](environment.md)."),
            "## make\n",
            _make(),
            "## gatehouse\n",
            *_typer("gatehouse", get_command(client.app)),
            "### Exit codes of gatehouse\n",
            table(("exit code", "name", "meaning"), _exit_codes()),
            "### Errors of gatehouse\n",
            "With `--json` an error is a JSON object on standard error. Its member `error` has one of these codes.\n",
            table(("error", "exit code", "meaning"), _errors()),
            "## gatehouse-server\n",
            *_argparse(server_command_line()),
            table(("exit code", "meaning"), _constants("gatehouse_server.__main__", "server")),
            "## mock-idp\n",
            *_argparse(tenant_command_line()),
            table(("exit code", "meaning"), _constants("mock_idp.command_line", "mock-idp")),
        ]
    )


def _make() -> str:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    rows: list[tuple[str, str]] = []
    for group, target, meaning in re.findall(r"^(?:##@ (.+)|([a-z0-9]+):.*?## (.+))$", text, re.MULTILINE):
        rows.append((f"**{group}**", "") if group else (code(f"make {target}"), meaning))
    return table(("command", "meaning"), rows)


def _typer(name: str, command: Any) -> Iterator[str]:  # noqa: ANN401 - typer does not export the type
    """A command and those below it."""
    text = (command.help or "").strip()
    if " " in name:
        yield f"### {name}\n"
    yield f"{text}\n"
    rows = []
    for each in command.params:
        value = each.metavar or each.name.upper()
        if each.param_type_name == "argument":
            rows.append((code(value), each.help or ""))
        elif not _HELP_OPTIONS & set(each.opts):
            rows.append((code(", ".join(each.opts) + ("" if each.is_flag else f" {value}")), each.help or ""))
    if rows:
        yield table(("argument or option", "meaning"), rows)
    for below in getattr(command, "commands", {}).values():
        yield from _typer(f"{name} {below.name}", below)


def _exit_codes() -> Iterator[tuple[str, str, str]]:
    """The exit codes, with the meanings that the help has."""
    meanings = dict(re.findall(r"(\d+) ([^·]+?)(?= ·|\n\n)", client.EPILOG))
    for each in Exit:
        yield code(str(each.value)), each.name, meanings[str(each.value)]


def _errors() -> Iterator[tuple[str, str, str]]:
    def below(kind: type[GatehouseError]) -> Iterator[type[GatehouseError]]:
        yield kind
        for each in kind.__subclasses__():
            if each.__module__ == GatehouseError.__module__:
                yield from below(each)

    for kind in below(GatehouseError):
        meaning = (kind.__doc__ or "").split("\n\n")[0]
        yield code(kind.error), str(kind.exit_code.value), "Any other error." if kind is GatehouseError else meaning


def _argparse(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"{parser.description}\n"
    if parser.epilog:
        yield f"{parser.epilog}\n"
    yield table(("argument or option", "meaning"), _options(parser))


def _options(parser: argparse.ArgumentParser, before: str = "") -> Iterator[tuple[str, str]]:
    commands: list[tuple[str, str]] = []
    own = before == ""
    for each in parser._actions:  # argparse has no public list
        if isinstance(each, argparse._SubParsersAction):
            for choice in each._choices_actions:
                commands.append((code(choice.dest), choice.help or ""))
                commands.extend(_options(each.choices[choice.dest], f"{choice.dest} "))
        elif "--help" not in each.option_strings and (own or not each.option_strings):
            value = each.metavar if isinstance(each.metavar, str) else ""
            words = [*([", ".join(each.option_strings)] if each.option_strings else ()), *([value] if value else ())]
            name = " ".join(words) or each.dest.upper()
            yield code(f"{before}{name}"), each.help or ""
    yield from commands


def _constants(module: str, folder: str) -> Iterator[tuple[str, str]]:
    """The exit codes among the constants of a module."""
    yield code("0"), "done, or stopped by a signal"
    name, _, rest = module.partition(".")
    found = package(name, folder)[rest]
    constants = [each for each in found.attributes.values() if each.docstring is not None]
    for each in sorted(constants, key=lambda each: str(each.value)):
        text = each.docstring.value if each.docstring else ""
        if text.startswith("Exit code: "):
            yield code(str(each.value)), text.removeprefix("Exit code: ").rstrip(".")
