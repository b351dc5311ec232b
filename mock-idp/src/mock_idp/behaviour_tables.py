"""The tables of switches in BEHAVIOURS.md, from the code they describe."""

from __future__ import annotations

import json

from .behaviours import Behaviours
from .guesses import GUESSES

BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def tables() -> str:
    """Markdown: the switches of `behaviours:`, and the answers that `behaviours: answers:` can replace."""
    return "\n".join([*_switches(), "", *_answers()])


def _switches() -> list[str]:
    lines = ["| switch | default | sure | what it switches |", "|---|---|---|---|"]
    for name, field in Behaviours.model_fields.items():
        if name == "answers":
            continue
        certainty, _, words = (field.description or "").partition(") ")
        default = json.dumps(field.default).replace("|", "\\|")
        lines.append(f"| `{name}` | `{default}` | {certainty.lstrip('(')} | {' '.join(words.split())} |")
    return lines


def _answers() -> list[str]:
    lines = ["| answer | sure | what of it is a guess |", "|---|---|---|"]
    return [*lines, *(f"| `{name}` | {guess.certainty} | {guess.about} |" for name, guess in GUESSES.items())]
