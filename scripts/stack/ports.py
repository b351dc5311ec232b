"""Ports of this machine: which are taken, by which program, and which are free."""

from __future__ import annotations

import errno
import re
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from report import Problem

# Browsers refuse some ports below (WHATWG Fetch, "port blocking"); systems give those above to outgoing connections.
_CANDIDATES = range(18_000, 28_000)
_LISTEN = "0A"  # TCP_LISTEN of the kernel's include/net/tcp_states.h


def require_free(ports: dict[str, int]) -> None:
    """
    Args:
        ports: by the variable that moves each.

    Raises:
        Problem: a port is in use, or two variables have the same; one line for each, with the program if the system
            tells it, and the line for .env.
    """
    lines = []
    for name, port in moved(ports).items():
        if is_taken(ports[name]):
            seen = f"Port {ports[name]} is in use by {program_on(ports[name]) or 'another program'}: stop it, or set"
        else:
            seen = f"{name} is {ports[name]}, as another variable is: set"
        lines.append(f"{seen} {name}={port} in .env (`make up PORTS=auto` finds free ports and sets them).")
    if lines:
        raise Problem("\n".join(lines))


def moved(ports: dict[str, int]) -> dict[str, int]:
    """Free ports for those that are taken, by variable."""
    changes: dict[str, int] = {}
    for name, port in ports.items():
        others = [other for key, other in {**ports, **changes}.items() if key != name]
        if is_taken(port) or port in others:
            changes[name] = free([*ports.values(), *changes.values()])
    return changes


def free(besides: Iterable[int]) -> int:
    """The first port that is free and not among `besides`."""
    avoided = set(besides)
    for port in _CANDIDATES:
        if port not in avoided and not is_taken(port):
            return port
    raise Problem("This machine has no free port between 18000 and 28000.")


def is_taken(port: int) -> bool:
    """Whether a program listens on the port, on any address of this machine."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return True
        # macOS lets a second program bind to a more specific address.
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            try:
                if probe.connect_ex((host, port)) == 0:
                    return True
            except OSError:
                continue  # a machine without IPv6
    return False


def program_on(port: int) -> str | None:
    """The program that listens on the port, such as `python3 (process 4711)`; None if the system does not tell."""
    if Path("/proc/net/tcp").exists():
        return next(_linux_programs(port), None)
    if shutil.which("lsof") is None:
        return None
    command = ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=2, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"^p(\d+)\nc(.*)$", listed, re.MULTILINE)
    return f"{found[2]} (process {found[1]})" if found else None


def _linux_programs(port: int) -> Iterator[str]:
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for link in Path("/proc").glob("[0-9]*/fd/*") if sockets else ():
        try:
            if str(link.readlink()) in sockets:
                process = link.parent.parent
                yield f"{(process / 'comm').read_text(encoding='utf-8').strip()} (process {process.name})"
        except OSError:
            continue  # another user's process, or one that has just ended


def _listening_inodes(port: int) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        table = Path("/proc/net") / name
        if not table.exists():
            continue
        for line in table.read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]
