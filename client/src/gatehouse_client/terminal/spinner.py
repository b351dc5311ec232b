"""The line of an activity: a spinner, a text, and a progress bar if the total is known."""

from __future__ import annotations

from typing import Final

from rich.console import Console, RenderableType
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.progress_bar import ProgressBar
from rich.table import Column

_BESIDE_TEXT: Final = 30  # columns


def spinner_line(console: Console) -> Progress:
    """The line. It disappears when it is stopped.

    There must be room for the spinner, the bar and the `^C` of a typed Ctrl-C. If the line wrapped, its first part
    would stay on the terminal.
    """
    text = Column(no_wrap=True, max_width=max(1, console.width - _BESIDE_TEXT))
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False, table_column=text),
        _ProgressBar(),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


class _ProgressBar(ProgressColumn):
    """A progress bar, if the total is known."""

    def render(self, task: Task) -> RenderableType:
        return "" if task.total is None else ProgressBar(task.total, task.completed, width=20)
