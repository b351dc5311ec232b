"""`python -m gatehouse_server`: a protected server on MCP_HOST:MCP_PORT.

The server behind the gate is the one at UPSTREAM_URL, or the example server.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging.config
import shlex
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

import uvicorn
from starlette.types import ASGIApp

from .app import protect
from .auth.audit import audit_to_stream
from .example.app import example_app, example_server
from .serving.connections import BoundedHeaders
from .serving.listening import CannotListen, listening_sockets
from .serving.metrics import Metrics
from .serving.settings import Settings, SettingsError, load, load_settings
from .serving.telemetry import TelemetryMissing, export_traces
from .serving.upstream_settings import UpstreamSettings
from .upstream import permissions_of, protect_upstream

CONFIGURATION_ERROR = 2
START_ERROR = 3
SHUTDOWN_SECONDS = 10
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        "json": {"format": "%(message)s"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
        "audit": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "gatehouse.audit": {"handlers": ["audit"], "propagate": False},
        **{name: {"level": "WARNING"} for name in ("httpx2", "httpcore2", "mcp", "opentelemetry")},
    },
}


def main() -> None:
    """Serve until a signal arrives, or print the permissions. Exit code 2: the configuration is wrong."""
    arguments = _arguments()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)
    try:
        settings = load_settings()
        upstream = load(UpstreamSettings, **_upstream(arguments))
        if arguments.permissions:
            sys.stdout.write(_permissions(settings, upstream))
            return
        sockets = listening_sockets(settings.host, settings.port)
        metrics = serve_metrics(settings)
        export_traces()
        trail = audit_to_stream(sys.stdout.buffer)
        app: ASGIApp
        if upstream.is_on:
            app = protect_upstream(settings, upstream, metrics=metrics, trail=trail)
        else:
            app = example_app(settings, metrics, trail=trail)
    except (SettingsError, CannotListen, TelemetryMissing) as error:
        sys.stderr.write(f"gatehouse-server: {error}\n")
        raise SystemExit(CONFIGURATION_ERROR) from None
    logging.config.dictConfig(LOGGING)
    server = uvicorn.Server(server_config(app, settings))
    # The objects that exist now live as long as the process: the garbage collector need not examine them again.
    gc.collect()
    gc.freeze()
    server.run(sockets=sockets)
    if not server.started:
        raise SystemExit(START_ERROR)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gatehouse-server", description="The protected MCP server.")
    parser.add_argument("--upstream", metavar="URL", help="protect the MCP server at this URL (docs/upstream.md)")
    parser.add_argument(
        "--command",
        metavar="PROGRAM",
        nargs=argparse.REMAINDER,
        help="protect the MCP server that this program is over stdio; the last option, with the program's arguments",
    )
    parser.add_argument("--permissions", action="store_true", help="print the permissions of each tool, and exit")
    arguments = parser.parse_args()
    if arguments.command == []:
        parser.error("--command needs a program, such as --command npx -y @modelcontextprotocol/server-everything")
    return arguments


def _upstream(arguments: argparse.Namespace) -> dict[str, str]:
    """The variables that the options set. An option replaces both variables."""
    if arguments.upstream:
        return {"UPSTREAM_URL": arguments.upstream, "UPSTREAM_COMMAND": shlex.join(arguments.command or [])}
    if arguments.command is not None:
        return {"UPSTREAM_COMMAND": shlex.join(arguments.command), "UPSTREAM_URL": ""}
    return {}


def _permissions(settings: Settings, upstream: UpstreamSettings) -> str:
    if upstream.is_on:
        return asyncio.run(permissions_of(settings, upstream))
    return asyncio.run(protect(example_server(settings), settings).catalogue.table())


def server_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """The uvicorn configuration for a protected app."""
    return uvicorn.Config(
        app,
        http=BoundedHeaders,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=65,  # longer than a proxy in front of the server keeps its connections
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        lifespan="on",
        log_config=None,
        ssl_certfile=settings.tls_cert_file or None,
        ssl_keyfile=settings.tls_key_file or None,
    )


def _exit(_number: int, _frame: FrameType | None) -> NoReturn:
    # uvicorn finishes the running calls and raises the signal again. The default handler would end the process before
    # the functions registered with atexit run, and the last traces would not be sent.
    raise SystemExit


def serve_metrics(settings: Settings) -> Metrics:
    """New metrics, served on METRICS_PORT if it is set.

    Raises:
        CannotListen: the port is in use.
    """
    metrics = Metrics()
    if settings.metrics_port is not None:
        try:
            metrics.serve(settings.metrics_host, settings.metrics_port)
        except OSError as error:
            raise CannotListen(
                f"METRICS_PORT is {settings.metrics_port}: cannot listen on {settings.metrics_host} ({error.strerror})."
                " Set METRICS_PORT to a free port, or leave it empty for no metrics."
            ) from error
    return metrics


if __name__ == "__main__":
    main()
