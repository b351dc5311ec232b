"""`python -m gatehouse_server.healthcheck`: exit code 0 if the server in this container is alive.

With `--ready-first`, it must once have been ready: an update whose servers cannot verify tokens is then taken back, but
no server is restarted because its tenant fails later.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

WAS_READY = Path(tempfile.gettempdir()) / "gatehouse-was-ready"


def main() -> None:
    """Ask `/livez` on the loopback address, or `/readyz` until it was ready."""
    first = "--ready-first" in sys.argv[1:] and not WAS_READY.exists()
    healthy = _answers("readyz" if first else "livez")
    if first and healthy:
        WAS_READY.touch()
    sys.exit(0 if healthy else 1)


def _answers(path: str) -> bool:
    port = int(os.environ.get("MCP_PORT") or 5555)
    try:
        # A proxy does not lead to this machine.
        with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/{path}", timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    main()
