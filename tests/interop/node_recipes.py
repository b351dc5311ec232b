"""The recipes for node in mock-idp/RECIPES.md, with the command `mock-idp` and its usual ports."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.support import recipes
from tests.support.processes import run_program

COMMANDS = {"Vitest": ["vitest", "run"], "Playwright": ["playwright", "test", "--reporter=list"]}
SECONDS = 120


def problems(section: str, packages: Path, home: Path) -> list[str]:
    """Write the files of a section into a folder, and run its tests there. Returns what is wrong.

    Args:
        packages: the folder with node_modules.
    """
    folder = packages / "recipes" / section.lower()
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(Path(__file__).parent / "recipes", folder)
    recipes.write(section, folder)
    program, *arguments = COMMANDS[section]
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "CHROMIUM": os.environ.get("CHROMIUM") or "/usr/bin/chromium",
    }
    command = [str(packages / "node_modules" / ".bin" / program), *arguments]
    done = run_program(command, folder, environment, SECONDS)
    return [] if done.returncode == 0 and "1 passed" in done.stdout else [done.stdout + done.stderr]
