"""How the line that says what goes on now looks: a spinner, a text, and a bar where it is known how much there is."""

from __future__ import annotations

from typing import Final

from rich.console import Console, RenderableType
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.progress_bar import ProgressBar
from rich.table import Column

_BESIDE_TEXT: Final = 30  # columns


def spinner_line(console: Console) -> Progress:
    """The line, which is gone when it is stopped.

    Beside the text there is room for spinner and bar, and for what the terminal shows of a typed Ctrl-C: beyond the
    last column that begins a new line, and the old one would stay.
    """
    text = Column(no_wrap=True, max_width=max(1, console.width - _BESIDE_TEXT))
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False, table_column=text),
        _KnownPart(),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


class _KnownPart(ProgressColumn):
    """A bar, once it is known of how much."""

    def render(self, task: Task) -> RenderableType:
        return "" if task.total is None else ProgressBar(task.total, task.completed, width=20)
