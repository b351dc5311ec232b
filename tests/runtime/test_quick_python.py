"""Programs that the tests start by `tests/support/quick_python.py` are as programs that a person starts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.quick_python import QuickPopen, run

SHOWS = """
import json, os, sys
project = [name for name in sys.modules if name.startswith(("gatehouse", "mock_idp", "tests"))]
print(json.dumps([os.getcwd(), dict(os.environ), sys.argv[1:], project, os.getpid(), sys.stdin.read()]))
sys.exit(3)
"""


def test_it_has_its_own_environment_folder_and_arguments_and_no_module_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "shows.py").write_text(SHOWS, encoding="utf-8")
    command = [sys.executable, "-m", "shows", "ア", "--x"]
    ended = run(command, cwd=tmp_path, env={"NAME": "value"}, timeout=60)
    folder, environment, arguments, modules, _, text = json.loads(ended.stdout)
    assert (ended.returncode, ended.stderr) == (3, "")
    assert (folder, arguments, modules, text) == (str(tmp_path), ["ア", "--x"], [], "")
    assert (environment["NAME"], "PATH" in environment) == ("value", False)


def test_it_ends_at_a_signal_and_reads_its_input(tmp_path: Path) -> None:
    (tmp_path / "shows.py").write_text(SHOWS, encoding="utf-8")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with QuickPopen([sys.executable, "-m", "shows"], cwd=tmp_path, text=True, **pipes) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM
    with QuickPopen([sys.executable, "-m", "shows"], cwd=tmp_path, text=True, **pipes) as process:
        out, _ = process.communicate("typed", timeout=60)
        assert json.loads(out)[4:] == [process.pid, "typed"]
