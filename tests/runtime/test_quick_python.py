"""Programs that the tests start by `tests/support/quick_python.py` are as programs that a person starts."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support import quick_python
from tests.support.processes import ROOT
from tests.support.quick_python import QuickPopen, run

SUPPORT = ROOT / "tests" / "support"

SHOWS = """
import json, os, sys
tests = [name for name in sys.modules if name.startswith("tests")]
print(json.dumps([os.getcwd(), dict(os.environ), sys.argv[1:], tests, os.getpid(), sys.stdin.read()]))
sys.exit(3)
"""
LEAVES = """
import atexit, sys, threading
atexit.register(print, ", at exit", end="")
print("no end of line", end="")
threading.Timer(0.05, lambda: print(", a thread", end="")).start()
sys.exit(eval(sys.argv[1]))
"""
STREAMS = """
import locale, sys
streams = [(each.encoding, each.errors) for each in (sys.stdin, sys.stdout, sys.stderr)]
print(locale.getpreferredencoding().lower(), streams)
sys.stdout.write("ア")
"""
# The process between the program and the fork server tells the test the program's state.
PARENT = """
import os
between = open(f"/proc/{os.getppid()}/stat").read()
print(between.rpartition(")")[2].split()[1])
"""
OTHER_WORKER = """
import sys
from tests.support import quick_python
quick_python.RUN = sys.argv[2]
print(quick_python.run([sys.executable, "-m", "parent"], cwd=sys.argv[1], timeout=60).stdout)
"""
SERVES_WITHOUT_MODULES = """
import fork_server
fork_server.MODULES = ()
fork_server.main()
"""
# The fork server imports the project's modules once for all programs.
READS = """
import importlib, os, sys
from fork_server import MODULES

def watched(original):
    def read(self, *arguments):
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if caller.startswith(PROJECT):
            print(caller, *arguments)
        return original(self, *arguments)
    return read

PROJECT = ("gatehouse", "mock_idp")
for name in ("__getitem__", "__iter__", "__contains__", "get"):
    setattr(type(os.environ), name, watched(getattr(type(os.environ), name)))
os.getenv = watched(os.getenv)
os.get_terminal_size = lambda *_: print("the terminal")
for name in MODULES:
    if name.startswith(PROJECT):
        importlib.import_module(name)
"""


def test_it_has_its_own_environment_folder_and_arguments_and_no_module_of_the_tests(tmp_path: Path) -> None:
    (tmp_path / "shows.py").write_text(SHOWS, encoding="utf-8")
    command = [sys.executable, "-m", "shows", "ア", "--x"]
    ended = run(command, cwd=tmp_path, env={"NAME": "value"}, timeout=60)
    folder, environment, arguments, modules, _, text = json.loads(ended.stdout)
    assert (ended.returncode, ended.stderr) == (3, "")
    assert (folder, arguments, modules, text) == (str(tmp_path), ["ア", "--x"], [], "")
    assert (environment["NAME"], "PATH" in environment) == ("value", False)


def test_no_module_that_it_shares_with_other_programs_reads_the_environment_when_it_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", READS], cwd=SUPPORT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_ends_with_the_code_or_the_message_of_its_exit_after_its_last_output(tmp_path: Path) -> None:
    (tmp_path / "leaves.py").write_text(LEAVES, encoding="utf-8")
    for how, code, errors in (("7", 7, ""), ("'wrong'", 1, "wrong\n"), ("None", 0, ""), ("256 + 2", 2, "")):
        ended = run([sys.executable, "-m", "leaves", how], cwd=tmp_path, timeout=60)
        assert (ended.returncode, ended.stdout, ended.stderr) == (code, "no end of line, a thread, at exit", errors)
    ended = run([sys.executable, "-m", "leaves", "1 / 0"], cwd=tmp_path, timeout=60)
    assert (ended.returncode, ended.stdout) == (1, "no end of line, a thread, at exit")
    assert ended.stderr.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("variables", [{}, {"PYTHONIOENCODING": "cp932"}, {"PYTHONIOENCODING": "cp1252"}])
def test_its_streams_have_the_encoding_that_a_new_process_has(tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "streams.py").write_text(STREAMS, encoding="utf-8")
    command = [sys.executable, "-m", "streams"]
    environment = {"LANG": "C.UTF-8", "PYTHONUTF8": "0" if variables else "1", **variables}
    given = {"cwd": tmp_path, "env": environment, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    with QuickPopen(command, stderr=subprocess.PIPE, **given) as quick:
        shown = quick.communicate(timeout=60)
    usual = subprocess.run(command, stderr=subprocess.PIPE, check=False, **given)
    assert shown[0] == usual.stdout
    assert (b"Traceback" in shown[1]) is (b"Traceback" in usual.stderr) is ("cp1252" in variables.values())


def test_it_ends_at_a_signal_and_reads_its_input(tmp_path: Path) -> None:
    (tmp_path / "shows.py").write_text(SHOWS, encoding="utf-8")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with QuickPopen([sys.executable, "-m", "shows"], cwd=tmp_path, text=True, **pipes) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM
    with QuickPopen([sys.executable, "-m", "shows"], cwd=tmp_path, text=True, **pipes) as process:
        out, _ = process.communicate("typed", timeout=60)
        assert json.loads(out)[4:] == [process.pid, "typed"]


def test_the_workers_of_a_run_share_a_fork_server(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT, encoding="utf-8")
    ours = run([sys.executable, "-m", "parent"], cwd=tmp_path, timeout=60).stdout
    command = [sys.executable, "-c", OTHER_WORKER, str(tmp_path), quick_python.RUN]
    other = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(other.stdout) == int(ours)


def test_a_fork_server_ends_with_the_last_of_its_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaves.py").write_text(LEAVES, encoding="utf-8")
    listening, first, last = (socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(3))
    with listening, first, last:
        listening.bind(f"\0gatehouse-{uuid4().hex}".encode())
        listening.listen()
        first.connect(listening.getsockname())
        last.connect(listening.getsockname())
        command = [sys.executable, "-c", SERVES_WITHOUT_MODULES, str(listening.fileno())]
        with subprocess.Popen(command, pass_fds=[listening.fileno()], cwd=SUPPORT) as server:
            first.close()
            monkeypatch.setattr(quick_python, "_fork_server", lambda _kind: last)
            assert run([sys.executable, "-m", "leaves", "7"], cwd=tmp_path, timeout=60).returncode == 7
            assert server.poll() is None
            last.close()
            assert server.wait(60) == 0
