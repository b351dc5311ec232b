"""How the processes of `make test` share its tests (pytest-xdist with `--dist loadfile`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/e2e/", "tests/security/")
"""Folders whose tests use the same running stack. One process has all of a folder, so that the stack starts once."""
FIRST = (*TOGETHER, "tests/client/agent/test_providers.py")
"""What takes long although it computes little. It runs from the beginning, beside tests that compute."""


def portion_of(nodeid: str) -> str:
    """The tests that one process runs together: those of a file, or of a folder in `TOGETHER`."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


def sort(items: list[pytest.Item]) -> None:
    """Begin with `FIRST`. The others stay in their order."""
    items.sort(key=lambda item: FIRST.index(portion) if (portion := portion_of(item.nodeid)) in FIRST else len(FIRST))


def scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """A scheduler for `--dist loadfile`; None for xdist's own."""
    from xdist.scheduler import LoadScopeScheduling

    class ByPortion(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return portion_of(nodeid)

    return ByPortion(config, log) if config.getoption("dist") == "loadfile" else None
