"""The code blocks of the documents, and what can be checked in them without running them."""

from __future__ import annotations

import argparse
import ast
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import yaml
from markdown_it import MarkdownIt
from typer.main import get_command

from gatehouse_client.cli import app as client
from gatehouse_server.__main__ import command_line as server_command_line
from mock_idp.command_line import command_line as tenant_command_line
from tests.support.processes import ROOT

FOLDERS = ("*.md", "[!.]*/*.md", "docs/**/*.md")
VARIABLE = re.compile(r"(?:export )?([A-Z][A-Z0-9_]+)=")
LOCAL = ("make", "gatehouse", "gatehouse-server", "mock-idp")
OF_MAKE = ("T", "Q", "DO", "ENV", "PORTS", "RUNTIME")
FOREIGN_VARIABLES = ("CODESPACE_NAME",)


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        page: its path in the project.
        section: the heading before it; empty before the first one.
        language: as the page names it; empty for an indented block.
        indented: indented by four spaces instead of fenced.
    """

    page: str
    section: str
    language: str
    text: str
    indented: bool = False

    @property
    def is_env(self) -> bool:
        """Whether every line is one of an `.env` file."""
        line = re.compile(rf"{VARIABLE.pattern}\S*(\s+#.*)?")
        return self.language in ("sh", "ini") and all(map(line.fullmatch, self.text.splitlines()))

    @property
    def variables(self) -> dict[str, str]:
        """The variables of an `.env` block."""
        return dict(line.partition(" ")[0].split("=", 1) for line in self.text.splitlines())

    @property
    def lines(self) -> list[str]:
        """The commands; one that goes on in the next line is one."""
        text = re.sub(r"\s*\\\n\s*", " ", self.text)
        if self.language == "console":
            return [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
        return text.splitlines()


@cache
def pages() -> tuple[str, ...]:
    """The paths of all documents."""
    return tuple(sorted({str(path.relative_to(ROOT)) for pattern in FOLDERS for path in ROOT.glob(pattern)}))


@cache
def blocks(page: str, section: str | None = None, language: str | None = None) -> tuple[Block, ...]:
    """The code blocks of a page, of one of its sections, in one language."""
    found, heading = [], ""
    tokens = MarkdownIt("commonmark").parse((ROOT / page).read_text(encoding="utf-8"))
    for previous, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "inline" and previous and previous.type == "heading_open":
            heading = token.content
        elif token.type in ("fence", "code_block"):
            found.append(Block(page, heading, token.info, token.content, token.type == "code_block"))
    return tuple(each for each in found if section in (None, each.section) and language in (None, each.language))


def the_block(page: str, section: str, language: str) -> str:
    """The text of the only block of a section in that language."""
    (block,) = blocks(page, section, language)
    return block.text


def inline_commands(page: str) -> Iterator[str]:
    """The commands of this project that stand in a text of a page, without those that have placeholders."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for code in re.findall(r"`([^`]+)`", text):
        words = code.split()
        if words[0] in LOCAL and not re.search(r"[…\[\\]|\b[A-Z]{3,}\b(?!=)|\.\.\.|^\S+ and ", code):
            yield " ".join(words)


def mistake(block: Block) -> str:
    """What is wrong with a block; empty if nothing is. Commands of other programs are only read, not known."""
    try:
        if block.is_env:
            return _unknown_variables(block)
        if block.language in ("sh", "console"):
            return "; ".join(filter(None, map(mistake_in_command, block.lines))) or _unread(block)
        if block.language == "python" and block.page != "docs/api.md":
            ast.parse(block.text)
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "yaml":
            yaml.safe_load(block.text)
        elif block.language == "diff" and not re.search(r"^[+-]", block.text, re.MULTILINE):
            return "it changes nothing"
        elif not block.language and not block.indented:
            return "it names no language"
    except (SyntaxError, ValueError, yaml.YAMLError) as error:
        return str(error)
    return ""


def mistake_in_command(line: str) -> str:
    """What is wrong with the commands of this project in a line; empty if nothing is."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>()")
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("&|;<>()"):
            commands.append([])
        elif commands[-1] or not VARIABLE.match(word):
            commands[-1].append(word)
    return "; ".join(filter(None, (_mistake(words) for words in commands if words)))


def _mistake(words: list[str]) -> str:
    program, *arguments = words
    if program == "make":
        return _mistake_of_make(arguments)
    if program == "gatehouse":
        return _mistake_of_client(arguments)
    if program in ("gatehouse-server", "mock-idp"):
        parser = server_command_line() if program == "gatehouse-server" else tenant_command_line()
        return _mistake_of_parser(parser, arguments)
    if program == "kubectl":
        paths = [after for word, after in pairwise(arguments) if word in ("--kustomize", "--filename")]
        return ", ".join(f"{path} is not there" for path in paths if not (ROOT / path).exists())
    return ""


def _mistake_of_make(arguments: list[str]) -> str:
    targets = re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    chosen = [each for each in arguments if "=" not in each and not each.startswith("-")]
    given = dict(each.split("=", 1) for each in arguments if "=" in each)
    wrong = [f"make has no {each}" for each in chosen if each not in targets]
    wrong += [f"make reads no {each}" for each in given if each not in OF_MAKE]
    if tests := given.get("T", "").split():
        path = tests[0].partition("::")[0]
        wrong += [] if path == "path" or (ROOT / path).exists() else [f"{path} is not there"]
    if "DO" in given and chosen in (["client"], ["doctor"]):
        wrong.append(_mistake_of_client([*(["doctor"] if chosen == ["doctor"] else []), *shlex.split(given["DO"])]))
    return "; ".join(filter(None, wrong))


def _mistake_of_client(arguments: list[str]) -> str:
    command: Any = get_command(client.app)
    words = [each for each in arguments if not each.startswith("-")]
    options = {each.partition("=")[0] for each in arguments if each.startswith("-")} - {"--help", "-h"}
    known = {name for each in command.params for name in each.opts}
    while getattr(command, "commands", None) and words:
        if words[0] not in command.commands:
            return f"gatehouse has no {words[0]}"
        command = command.commands[words.pop(0)]
        known |= {name for each in command.params for name in each.opts}
    return ", ".join(f"gatehouse has no {option}" for option in sorted(options - known))


def _mistake_of_parser(parser: argparse.ArgumentParser, arguments: list[str]) -> str:
    known = set(parser._option_string_actions)  # argparse has no public list
    for action in parser._actions:
        for below in (action.choices or {}).values() if isinstance(action, argparse._SubParsersAction) else ():
            known |= set(below._option_string_actions)
    rest = arguments[: arguments.index("--command") + 1] if "--command" in arguments else arguments
    return ", ".join(f"{parser.prog} has no {each}" for each in rest if each.startswith("-") and each not in known)


def _unknown_variables(block: Block) -> str:
    known = (ROOT / "docs" / "reference" / "environment.md").read_text(encoding="utf-8")
    names = re.findall(VARIABLE, block.text)
    return ", ".join(f"there is no variable {name}" for name in names if f"`{name}`" not in known)


def _unread(block: Block) -> str:
    """What a shell says of a block that it cannot read."""
    text = block.text if block.language == "sh" else "\n".join(block.lines)
    return subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False).stderr
