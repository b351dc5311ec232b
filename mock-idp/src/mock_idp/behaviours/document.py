"""The tables of switches in BEHAVIOURS.md, generated from the code."""

from __future__ import annotations

import ast
import inspect
import json
from itertools import pairwise
from textwrap import dedent

from .guesses import GUESSES, OWN
from .switches import Behaviours

BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def tables() -> str:
    """Markdown: the switches of `behaviours:`, and the answers that `behaviours: answers:` can replace."""
    return "\n".join([*_switches(), "", *_answers()])


def _switches() -> list[str]:
    lines = ["| switch | default | certainty | effect | source |", "|---|---|---|---|---|"]
    for name, text in _docstrings().items():
        if name == "answers":
            continue
        certainty, _, words = text.partition(") ")
        words, _, source = words.partition("Source: ")
        default = json.dumps(Behaviours.model_fields[name].default).replace("|", "\\|")
        lines.append(f"| `{name}` | `{default}` | {certainty.lstrip('(')} | {_line(words)} | {_line(source) or OWN} |")
    return lines


def _answers() -> list[str]:
    lines = ["| answer | certainty | the part that is a guess | source |", "|---|---|---|---|"]
    rows = (f"| `{name}` | {guess.certainty} | {guess.about} | {guess.source} |" for name, guess in GUESSES.items())
    return [*lines, *rows]


def _line(text: str) -> str:
    return " ".join(text.split())


def _docstrings() -> dict[str, str]:
    """The text below each field, in order. pydantic could read it, but would do so at every start."""
    body = ast.parse(dedent(inspect.getsource(Behaviours))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for statement, following in pairwise(body.body):
        if isinstance(statement, ast.AnnAssign) and isinstance(following, ast.Expr):
            assert isinstance(statement.target, ast.Name)
            found[statement.target.id] = ast.literal_eval(following.value)
    return found
