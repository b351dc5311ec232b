"""Serves every subject in the same way as `python -m gatehouse_server`. The first argument is the port."""

from __future__ import annotations

import gc
import logging
import sys
from typing import Any

import uvicorn

PORT = int(sys.argv[1])
ISSUER = sys.argv[2]
AUDIENCE = sys.argv[3]


def serve(app: Any) -> None:  # noqa: ANN401 - an ASGI app of any framework
    """Serve the app until a signal ends it: no access log, no Server header, warnings only."""
    # The SDKs set up logging at level INFO and in colour, which must not be measured.
    logging.basicConfig(level=logging.WARNING, force=True)
    gc.collect()
    gc.freeze()
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=PORT,
        loop="uvloop",
        http="httptools",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=65,
        log_config=None,
    )
