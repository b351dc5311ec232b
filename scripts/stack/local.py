"""The local runtime: the stack as processes on this machine, which honcho starts from the Procfile."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import packages
import ports
from environment import AUTHORITY, LOOPBACK_HOSTS, ROOT, RUN, Environment, load, wait_until_ready
from report import Problem, progress, say

PID_FILE = RUN / "stack.pid"
LOG_FILE = RUN / "stack.log"
STOP_SECONDS = 20


def is_up() -> bool:
    """Whether the processes that `up` started are still running."""
    pid = _pid()
    return pid is not None and _alive(pid)


def up(environment: Environment) -> None:
    """Start the stack if it is not running, and wait until it answers.

    Raises:
        Problem: a port is in use, or a process did not start; the message has the last lines of the log.
    """
    if not is_up():
        ports.require_free(environment.ports())
    packages.ensure(packages.needed(environment))
    what = "the server and the tenant" if environment.offline else "the server"
    with progress(f"Starting {what} (some seconds)", after=0.5):
        if not is_up():
            _start(environment)
        wait_until_ready(environment, _require_processes)


def down() -> bool:
    """Stop the processes. Returns whether there were any."""
    pid = _pid()
    if pid is None:
        return False
    was_up = _alive(pid)
    if was_up:
        with progress("Stopping", after=1.5):
            os.killpg(pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            while _group_alive(pid) and time.monotonic() < deadline:
                time.sleep(0.05)
            if _group_alive(pid):
                os.killpg(pid, signal.SIGKILL)
    PID_FILE.unlink(missing_ok=True)
    return was_up


def restart(environment: Environment) -> None:
    """Stop the processes and start them again. There is one server, so calls in the meantime fail."""
    say("The local runtime has one server: calls fail until it has started again.")
    down()
    up(environment)


def logs(*, follow: bool) -> None:
    """Print the log; with `follow` also new lines, until interrupted."""
    if not LOG_FILE.exists():
        raise Problem("There is no log yet. `make up` starts the stack.")
    os.execvp("tail", ["tail", "-n", "200", *(["-f"] if follow else []), str(LOG_FILE)])


def client(arguments: list[str]) -> int:
    """Run the `gatehouse` command."""
    environment = load()
    packages.ensure(packages.needed(environment, arguments))
    return run([str(packages.BIN / "gatehouse"), *arguments], **environment.variables(), GATEHOUSE_MAKE="1")


def signed_in() -> bool:
    """Whether the agent has a sign-in that is valid."""
    command = [packages.BIN / "gatehouse", "whoami"]
    return subprocess.run(command, cwd=ROOT, env=load().variables(), capture_output=True, check=False).returncode == 0


def demo() -> int:
    """Run the demo against the running stack."""
    environment = load()
    packages.ensure(packages.needed(environment))
    return run([str(packages.PYTHON), "tests/e2e/run_demo.py"], **environment.for_demo())


def run(command: list[str], **variables: str) -> int:
    """Run a command of the virtual environment from the project's folder."""
    path = f"{packages.BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": path, **variables}, check=False).returncode


def _start(environment: Environment) -> None:
    RUN.mkdir(exist_ok=True)
    processes = ["server", "mock-idp"] if environment.offline else ["server"]
    path = f"{packages.BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    variables = {**environment.variables(), "PATH": path, "PYTHONUNBUFFERED": "1"}
    # An address such as ::1 needs not be among those of localhost.
    if address := environment.given("BIND_ADDRESS") or (environment.public_host if not environment.own_tls else ""):
        variables |= {"MCP_HOST": address, "MOCK_IDP_HOST": address}
    if environment.forwarded:
        # The forwarded URL may need a sign-in of its own, which the server cannot do.
        variables.setdefault("AUTH0_JWKS_URL", f"{environment.tenant_url}.well-known/jwks.json")
        variables.setdefault("AUTH0_TOKEN_URL", f"{environment.tenant_url}oauth/token")
    if environment.own_tls:
        variables |= _certificate(environment)
    with LOG_FILE.open("w", encoding="utf-8") as log:
        honcho = subprocess.Popen(
            [str(packages.BIN / "honcho"), "-e", os.devnull, "-f", "Procfile", "start", *processes],
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    PID_FILE.write_text(str(honcho.pid), encoding="utf-8")


def _certificate(environment: Environment) -> dict[str, str]:
    """Make a certificate for PUBLIC_HOST. Returns the variables that give it to the server and the tenant."""
    folder = AUTHORITY.parent
    names = (environment.public_host, *LOOPBACK_HOSTS)
    command = [str(packages.BIN / "mock-idp"), "certificate", str(folder), *names]
    done = subprocess.run(command, cwd=ROOT, env=environment.variables(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(f"No certificate could be made for {environment.public_host}: {done.stderr.strip()}")
    files = {"CERT": str(folder / "certificate.pem"), "KEY": str(folder / "key.pem")}
    return {f"{part}_TLS_{name}_FILE": path for part in ("MCP", "MOCK_IDP") for name, path in files.items()}


def _require_processes() -> None:
    if not is_up():
        PID_FILE.unlink(missing_ok=True)
        raise Problem(f"The stack did not start. The last lines of its log:\n{_last_lines()}")


def _pid() -> int | None:
    try:
        return int(PID_FILE.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _alive(pid: int) -> bool:
    _reap(pid)
    # After a restart of the machine another program may have this process id.
    command = Path(f"/proc/{pid}/cmdline")
    if command.parent.parent.exists() and Path("/proc/self").exists():
        try:
            shown = command.read_bytes()
            # Empty: the process is just starting honcho, or it is a zombie.
            return b"honcho" in shown if shown else b") Z" not in command.with_name("stat").read_bytes()
        except OSError:
            return False
    listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "honcho" in listed.stdout


def _reap(pid: int) -> None:
    """Forget the process if it has ended: until its parent waits for it, it counts as alive. After `up` it is ours."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _group_alive(pid: int) -> bool:
    _reap(pid)
    try:
        os.killpg(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _last_lines(count: int = 15) -> str:
    """The last lines of the process that ended with an error; of all processes if none did."""
    lines = LOG_FILE.read_text(encoding="utf-8", errors="replace").splitlines()
    failed = next(iter(re.findall(r"system +\| (\S+) stopped \(rc=[1-9]", "\n".join(lines))), "")
    return "\n".join([line for line in lines if f" {failed}" in line][-count:])
