"""`python -m gatehouse_server.healthcheck`: exit code 0 if the server in this container is alive."""

from __future__ import annotations

import os
import sys
from urllib.request import ProxyHandler, build_opener


def main() -> None:
    """Ask `/livez` on the loopback address."""
    port = int(os.environ.get("MCP_PORT") or 5555)
    try:
        # A proxy does not lead to this machine.
        with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/livez", timeout=2) as response:
            alive = response.status == 200
    except OSError:
        alive = False
    sys.exit(0 if alive else 1)


if __name__ == "__main__":
    main()
