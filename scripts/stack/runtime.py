"""The interface of the two runtimes, the modules `local` and `docker`."""

from __future__ import annotations

from typing import Protocol

from environment import Environment


class Runtime(Protocol):
    """Starts, stops and uses the stack."""

    def is_up(self) -> bool:
        """Whether the stack runs in this runtime."""

    def up(self, environment: Environment) -> None:
        """Start the stack if it is not running, and wait until it answers."""

    def down(self) -> bool:
        """Stop everything. Returns whether anything was running."""

    def restart(self, environment: Environment) -> None:
        """Start the servers anew, with the current source and settings."""

    def logs(self, *, follow: bool) -> None:
        """Print the log; with `follow` also new lines."""

    def client(self, arguments: list[str]) -> int:
        """Run the `gatehouse` command, whether or not the stack runs. Returns its exit code."""

    def signed_in(self) -> bool:
        """Whether the agent has a sign-in that is valid."""

    def demo(self) -> int:
        """Run the demo against the running stack. Returns the exit code."""
