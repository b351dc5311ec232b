"""How a person types a command of the agent: `gatehouse ...`, or with `make`, if `make` runs the agent."""

from __future__ import annotations

import os
import re
from typing import Final

MADE: Final = "GATEHOUSE_MAKE"
"""`make` sets this variable for the agent that it runs."""
_COMMAND: Final = re.compile(r"(?<=`)gatehouse ([^`]+)(?=`)|(?<=More: )gatehouse ([^)]+)(?=\))")


def as_typed(text: str) -> str:
    """A message whose commands are those that the person can type: with `make`, there is no `gatehouse` to be found."""
    return _COMMAND.sub(_with_make, text) if os.environ.get(MADE) else text


def _with_make(command: re.Match[str]) -> str:
    arguments = command[1] or command[2]
    first, _, rest = arguments.partition(" ")
    if first == "doctor":
        return f'make doctor DO="{rest}"' if rest else "make doctor"
    return f'make client DO="{arguments}"' if rest else f"make client DO={arguments}"
