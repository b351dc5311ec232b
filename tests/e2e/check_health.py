"""Waits until the server is in a state: `check_health.py alive-not-ready` or `check_health.py ready`."""

from __future__ import annotations

import os
import sys
import time
from urllib.parse import urlsplit

import httpx2

SECONDS = 30


def statuses() -> tuple[int, int]:
    """The HTTP statuses of `/livez` and `/readyz`."""
    parts = urlsplit(os.environ["MCP_PUBLIC_URL"])
    origin = f"{parts.scheme}://{parts.netloc}"
    return httpx2.get(f"{origin}/livez").status_code, httpx2.get(f"{origin}/readyz").status_code


def main() -> int:
    """Exit code 0 once the server is in the wanted state."""
    wanted = {"alive-not-ready": (200, 503), "ready": (200, 200)}[sys.argv[1]]
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            seen: object = statuses()
        except httpx2.TransportError as error:
            seen = error
        if seen == wanted:
            return 0
        if time.monotonic() > deadline:
            sys.stderr.write(f"wanted /livez, /readyz = {wanted}, saw {seen}\n")
            return 1
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
