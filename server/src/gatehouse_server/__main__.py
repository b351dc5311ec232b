"""`python -m gatehouse_server`: a protected server on MCP_HOST:MCP_PORT.

The server behind the gate is one in a Python module, the one at UPSTREAM_URL, or the example server.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging.config
import shlex
import signal
import sys
from importlib import import_module
from importlib.util import find_spec
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import uvicorn
from starlette.types import ASGIApp

from .app import protect
from .auth.audit import AuditTrail, audit_to_logger, audit_to_stream
from .auth.permission_table import TableError
from .composition import ProtectedApp
from .serving.connections import BoundedHeaders
from .serving.listening import CannotListen, listening_sockets
from .serving.settings import Settings, SettingsError, load, load_settings
from .serving.stopping import StoppingServer
from .serving.telemetry import TelemetryMissing, export_traces
from .serving.upstream_settings import UpstreamSettings
from .upstream import permissions_of, protect_upstream

if TYPE_CHECKING:
    from .serving.metrics import Metrics

CONFIGURATION_ERROR = 2
"""Exit code: the configuration or the command line is wrong, or the port cannot be opened."""
START_ERROR = 3
"""Exit code: the app failed while it started; the log says why."""
SHUTDOWN_SECONDS = 10
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "gatehouse_server.serving.log_lines.OneLine",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        },
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
    """Serve until a signal arrives, or do what an option says. Exit code 2: the configuration is wrong."""
    arguments = _arguments()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)
    try:
        settings = load_settings()
        upstream = load(UpstreamSettings, **_upstream(arguments))
        if arguments.permissions:
            sys.stdout.write(_permissions(arguments.server, settings, upstream))
            return
        if arguments.check:
            _app(arguments.server, settings, upstream)
            return
        sockets = listening_sockets(settings.host, settings.port)
        metrics = serve_metrics(settings)
        export_traces()
        app = _app(arguments.server, settings, upstream, metrics, audit_to_stream(sys.stdout.buffer))
    except (SettingsError, CannotListen, TelemetryMissing, TableError) as error:
        sys.stderr.write(f"gatehouse-server: {error}\n")
        raise SystemExit(CONFIGURATION_ERROR) from None
    logging.config.dictConfig(LOGGING)
    server = StoppingServer(server_config(app, settings))
    # The objects that exist now live as long as the process: the garbage collector need not examine them again.
    gc.collect()
    gc.freeze()
    server.run(sockets=sockets)
    if not server.started:
        raise SystemExit(START_ERROR)


def command_line() -> argparse.ArgumentParser:
    """The options of `gatehouse-server`."""
    parser = argparse.ArgumentParser(prog="gatehouse-server", description="The protected MCP server.")
    parser.add_argument(
        "server", nargs="?", metavar="MODULE:NAME", help="protect the server of that name in a Python module"
    )
    parser.add_argument("--upstream", metavar="URL", help="protect the MCP server at this URL (docs/upstream.md)")
    parser.add_argument(
        "--command",
        metavar="PROGRAM",
        nargs=argparse.REMAINDER,
        help="protect the MCP server that this program is over stdio; the last option, with the program's arguments",
    )
    parser.add_argument("--permissions", action="store_true", help="print the permissions of each tool, and exit")
    parser.add_argument("--check", action="store_true", help="check the configuration, and exit")
    return parser


def _arguments() -> argparse.Namespace:
    parser = command_line()
    arguments = parser.parse_args()
    if arguments.command == []:
        parser.error("--command needs a program, such as --command npx -y @modelcontextprotocol/server-everything")
    if arguments.server and (arguments.upstream or arguments.command):
        parser.error("MODULE:NAME, --upstream and --command each name a server: only one can be behind the gate")
    return arguments


def _upstream(arguments: argparse.Namespace) -> dict[str, str]:
    """The variables that the options set. A server that an option names replaces both variables."""
    if arguments.server:
        return {"UPSTREAM_URL": "", "UPSTREAM_COMMAND": ""}
    if arguments.upstream:
        return {"UPSTREAM_URL": arguments.upstream, "UPSTREAM_COMMAND": shlex.join(arguments.command or [])}
    if arguments.command is not None:
        return {"UPSTREAM_COMMAND": shlex.join(arguments.command), "UPSTREAM_URL": ""}
    return {}


def _app(
    name: str | None,
    settings: Settings,
    upstream: UpstreamSettings,
    metrics: Metrics | None = None,
    trail: AuditTrail = audit_to_logger,
) -> ASGIApp:
    """What is served: the server of that name, the example server, or the server at UPSTREAM_URL.

    Raises:
        SettingsError: the configuration of that server is wrong, or there is no such server.
    """
    if upstream.is_on:
        return protect_upstream(settings, upstream, metrics=metrics, trail=trail)
    return _protected(name, settings, metrics, trail)


def _protected(
    name: str | None, settings: Settings, metrics: Metrics | None = None, trail: AuditTrail = audit_to_logger
) -> ProtectedApp:
    """The server of that name behind the gate; without a name, the example server if it is there.

    Raises:
        SettingsError: there is no such server.
    """
    if name is None:
        if find_spec("gatehouse_example") is None:
            raise SettingsError(
                "No server is named: `gatehouse-server module:name` protects a Python server, --upstream URL and"
                " --command PROGRAM protect any other."
            )
        app: ProtectedApp = import_module("gatehouse_example.app").configured_app(metrics, trail)
        return app
    module, _, attribute = name.partition(":")
    sys.path.insert(0, "")
    try:
        server = getattr(import_module(module), attribute)
        return server if isinstance(server, ProtectedApp) else protect(server, settings, metrics=metrics, trail=trail)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise SettingsError(f"{name!r} is no server that can be protected: {error}") from error


def _permissions(name: str | None, settings: Settings, upstream: UpstreamSettings) -> str:
    if upstream.is_on:
        return asyncio.run(permissions_of(settings, upstream))
    return asyncio.run(_protected(name, settings).catalogue.table())


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


def serve_metrics(settings: Settings) -> Metrics | None:
    """Metrics on METRICS_PORT; None if it is not set.

    Raises:
        CannotListen: the port is in use.
        TelemetryMissing: the `metrics` extra is not installed.
    """
    metrics = None
    if settings.metrics_port is not None:
        try:
            from .serving.metrics import Metrics

            metrics = Metrics()
            metrics.serve(settings.metrics_host, settings.metrics_port)
        except ImportError as error:
            raise TelemetryMissing(
                f"METRICS_PORT is set, but {error.name} is not installed: pip install 'gatehouse-server[metrics]'"
            ) from error
        except OSError as error:
            raise CannotListen(
                f"METRICS_PORT is {settings.metrics_port}: cannot listen on {settings.metrics_host} ({error.strerror})."
                " Set METRICS_PORT to a free port, or leave it empty for no metrics."
            ) from error
    return metrics


if __name__ == "__main__":
    main()
