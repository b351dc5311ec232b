"""What a runtime can do. The modules `local` and `docker` are the two."""

from __future__ import annotations

from typing import Protocol

from environment import Environment


class Runtime(Protocol):
    """Starts, stops and uses the stack."""

    def is_up(self) -> bool:
        """Whether the stack runs here."""

    def up(self, environment: Environment) -> None:
        """Start what is not running and wait until it answers."""

    def down(self) -> bool:
        """Stop everything. Returns whether there was anything."""

    def logs(self, *, follow: bool) -> None:
        """Print the log."""

    def client(self, arguments: list[str]) -> int:
        """Run the `gatehouse` command, whether or not the stack runs. Returns its exit code."""

    def demo(self) -> int:
        """Tell the story against the running stack. Returns the exit code."""
