"""A Docker Swarm of several nodes on this machine, made by the program that SWARM_HELPER names.

The program's commands: `up N` makes N nodes in all, `load IMAGE` copies a local image to every further node, `kill K`
ends node K with all that runs on it, `down` removes the Swarm.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

SECONDS = 120


@dataclass(frozen=True)
class Task:
    """A task of a service that should run, as the managers know it."""

    identifier: str
    node: str
    runs: bool


@dataclass(frozen=True)
class SwarmNodes:
    """The nodes, and what runs on them."""

    helper: str
    stack: str

    def help(self, *arguments: str) -> None:
        """Run the helper.

        Raises:
            AssertionError: it failed.
        """
        command = [self.helper, *arguments]
        for _ in range(3):
            # A session of its own: a container that ends while the helper looks has the process id 0, and `kill 0` ends
            # the helper's whole process group. What it has not done then is done when it runs again.
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=SECONDS, check=False, start_new_session=True
            )
            if done.returncode != -signal.SIGKILL:
                break
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"

    def addresses(self) -> dict[str, str]:
        """The address of each node that is ready and takes tasks, by its name."""
        nodes = json.loads(docker("node", "inspect", *docker("node", "ls", "--quiet").split()))
        return {
            node["Description"]["Hostname"]: node["Status"]["Addr"]
            for node in nodes
            if node["Status"]["State"] == "ready" and node["Spec"]["Availability"] == "active"
        }

    def tasks(self, service: str) -> list[Task]:
        """The tasks that should run, on nodes that are ready."""
        nodes = json.loads(docker("node", "inspect", *docker("node", "ls", "--quiet").split()))
        names = {node["ID"]: node["Description"]["Hostname"] for node in nodes if node["Status"]["State"] == "ready"}
        name = f"{self.stack}_{service}"
        known = docker("service", "ps", "--quiet", "--filter", "desired-state=running", name).split()
        return [
            Task(task["ID"], names[task["NodeID"]], task["Status"]["State"] == "running")
            for task in (json.loads(docker("inspect", *known)) if known else [])
            if task.get("NodeID") in names
        ]

    def placed(self, service: str) -> Counter[str]:
        """How many tasks of the service run on each node."""
        return Counter(task.node for task in self.tasks(service) if task.runs)

    def wait(self, what: str, is_so: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Wait until the condition holds.

        Raises:
            AssertionError: it does not in time. The message shows the tasks.
        """
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, f"not in {seconds} s: {what}\n{docker('stack', 'ps', self.stack)}"
            time.sleep(0.2)


def docker(*arguments: str) -> str:
    """The output of a command of the manager.

    Raises:
        AssertionError: it failed.
    """
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout
