"""`python -m gatehouse_server`: the example server, protected, on MCP_HOST:MCP_PORT."""

from __future__ import annotations

import sys

import uvicorn

from .app import protect
from .example import example_server
from .listen import CannotListen, listening_sockets
from .settings import SettingsError, load_settings

CONFIGURATION_ERROR = 2


def main() -> None:
    """Run until a signal ends it. Exit code 2: the configuration is wrong."""
    try:
        settings = load_settings()
        sockets = listening_sockets(settings.host, settings.port)
    except (SettingsError, CannotListen) as error:
        sys.stderr.write(f"gatehouse-server: {error}\n")
        raise SystemExit(CONFIGURATION_ERROR) from None
    config = uvicorn.Config(
        protect(example_server(), settings),
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=65,  # longer than a proxy in front keeps its connections
        timeout_graceful_shutdown=10,
        log_config=_logging(),
    )
    uvicorn.Server(config).run(sockets=sockets)


def _logging() -> dict[str, object]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {name: {"level": "WARNING"} for name in ("httpx2", "httpcore2", "mcp")},
    }


if __name__ == "__main__":
    main()
