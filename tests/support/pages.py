"""The generators of the pages of docs/ that are made from the code."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from tests.support.processes import ROOT

COMMAND = ".venv/bin/python scripts/pages"


def generator_of(name: str) -> ModuleType:
    """The module in scripts/pages: `PAGE` is the path of its page, `page()` the text."""
    scripts = str(ROOT / "scripts")
    if scripts not in sys.path:
        sys.path.append(scripts)
    return import_module(f"pages.{name}")
