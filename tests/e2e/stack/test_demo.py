"""`make demo` runs to its end and shows every step."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.stack import Stack

DEMO = Path(__file__).parents[1] / "run_demo.py"


def test_the_demo_tells_the_whole_story(stack: Stack, tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, str(DEMO)],
        env={**os.environ, **stack.variables},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    steps = ("401", "resource_metadata", "alice@example.com", "get_time", "bob@example.com", "403", "access:mcp")
    places = [told.stdout.find(step) for step in steps]
    assert -1 not in places, told.stdout
    assert "eyJ" not in told.stdout, "a token is shown"
