"""The line that says what goes on now."""

from __future__ import annotations

import io
import re

import anyio
import pytest
from rich.cells import cell_len
from rich.console import Console

from gatehouse_client.terminal.output import Activity

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.mark.parametrize("width", [200, 80, 61, 60, 40])
@pytest.mark.parametrize("letter", ["x", "残"])
def test_a_typed_ctrl_c_has_room_on_the_line_which_else_would_stay_on_the_screen(width: int, letter: str) -> None:
    written = io.StringIO()
    activity = Activity(Console(file=written, force_terminal=True, width=width, _environ={"TERM": "xterm"}))
    activity.show(f"Calling {letter * 300}")
    anyio.run(activity.progress, 3, 60, letter * 300)
    activity.hide()
    lines = re.split(r"[\r\n]+", ESCAPES.sub("", written.getvalue()))
    assert max(map(cell_len, lines)) <= width - len("^C")
    assert any("━" in line for line in lines), "the bar is part of it"
