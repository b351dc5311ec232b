"""A network namespace with only the loopback interface: no program in it reaches the internet."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys

INSIDE = "GATEHOUSE_NO_WAY_OUT"
UNREACHABLE = ("192.0.2.1", 443)  # RFC 5737: an address of the documentation


def is_inside() -> bool:
    """Whether this process runs in such a namespace already."""
    return INSIDE in os.environ


def run_again(program: str, arguments: list[str]) -> int:
    """Run the Python program again, in a namespace of its own.

    Raises:
        SystemExit: this system cannot do it.
    """
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        raise SystemExit("A network without a way out needs Linux with unshare (util-linux) and ip (iproute2).")
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    command = [*unshare, sys.executable, program, *arguments]
    return subprocess.run(command, env={**os.environ, INSIDE: "1"}, check=False).returncode


def enter() -> None:
    """Start the loopback interface, and check that there is no other one.

    Raises:
        SystemExit: this network has a way out.
    """
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        seen = probe.connect_ex(UNREACHABLE)
    if seen != errno.ENETUNREACH:
        raise SystemExit(f"This network has a way out: a connection ended with {os.strerror(seen)}. Use make.")
