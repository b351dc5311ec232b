"""The command line: its commands, options and exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .behaviours.document import tables
from .http.serving import ListenError
from .http.tls import TlsError, issue_certificate
from .running import run
from .settings import SettingsError, load_settings
from .state.signing_keys import KeyFileError
from .tenant.example import write_example
from .tenant.loading import ConfigurationError
from .tenant.tenant_schema import schema_text

WRONG_CONFIGURATION = 2
"""Exit code: a setting, an option or a file is wrong."""
CANNOT_RUN = 1
"""Exit code: the tenant cannot listen on its port."""
# The options of `run`, and the variables that they go before.
OPTIONS = {
    "--host": ("MOCK_IDP_HOST", "HOST", "where to listen (localhost)"),
    "--port": ("MOCK_IDP_PORT", "PORT", "the port; 0 selects a free one (9000)"),
    "--tenant": ("MOCK_IDP_TENANT", "FILE", "the tenant file (auth0/tenant.yaml, else a built-in example)"),
    "--offline": ("MOCK_IDP_OFFLINE", "FILE", "client ids, secrets and users (offline.yaml beside the tenant file)"),
    "--tls-port": ("MOCK_IDP_TLS_PORT", "PORT", "also serve https there"),
    "--ca-file": ("MOCK_IDP_CA_FILE", "FILE", "where to write the certificate that clients must trust for https"),
    "--preset": ("MOCK_IDP_PRESET", "NAMES", "misconfigurations to start with, separated by commas"),
    "--control": ("MOCK_IDP_CONTROL", None, "switch on the control API for tests"),
}


def main() -> None:
    """Run the tenant until SIGINT or SIGTERM. Exit code 2: a setting or file is wrong; 1: the tenant cannot listen."""
    arguments = vars(command_line().parse_args())
    command = arguments.pop("command", None)
    try:
        if command == "schema":
            sys.stdout.write(schema_text())
        elif command == "behaviours":
            sys.stdout.write(tables() + "\n")
        elif command == "init":
            _init(arguments["folder"])
        elif command == "certificate":
            folder = arguments["folder"]
            issue_certificate(Path(os.environ.get("MOCK_IDP_STATE_DIR") or folder), folder, arguments["names"])
        else:
            run(load_settings(arguments))
    except (SettingsError, ConfigurationError) as error:
        _stop(error.lines, WRONG_CONFIGURATION)
    except (KeyFileError, TlsError) as error:
        _stop([str(error)], WRONG_CONFIGURATION)
    except ListenError as error:
        _stop([str(error)], CANNOT_RUN)


def command_line() -> argparse.ArgumentParser:
    """The commands and options of `mock-idp`."""
    parser = argparse.ArgumentParser(
        prog="mock-idp",
        description="An Auth0 tenant that runs offline, for development and tests only.",
        epilog="The README has all settings. An option goes before the environment variable, and that before .env.",
    )
    parser.add_argument("--version", action="version", version=f"mock-idp {_version()}")
    _add_options(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_options(commands.add_parser("run", help="serve the tenant (the default)"))
    init = commands.add_parser("init", help="write an example tenant: auth0/tenant.yaml and auth0/offline.yaml")
    init.add_argument("folder", type=Path, nargs="?", default=Path(), help="the folder for auth0/ (this one)")
    commands.add_parser("schema", help="print the JSON Schema of tenant.yaml")
    commands.add_parser("behaviours", help="print the tables of BEHAVIOURS.md: the switches for uncertain behaviour")
    certificate = commands.add_parser("certificate", help="write a certificate of the tenant's authority, in PEM")
    certificate.add_argument("folder", type=Path, help="the folder for ca.pem, certificate.pem and key.pem")
    certificate.add_argument("names", nargs="+", metavar="NAME", help="a host name or an address")
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    for option, (variable, value, text) in OPTIONS.items():
        kind: dict[str, Any] = {"metavar": value} if value else {"action": "store_const", "const": True}
        if value == "PORT":
            kind["type"] = int
        # Without a default: the parser of `run` would replace an option that stands before it.
        parser.add_argument(option, dest=variable, default=argparse.SUPPRESS, help=text, **kind)


def _version() -> str:
    try:
        return version("mock-idp")
    except PackageNotFoundError:  # the Docker image has the source only
        return "from source"


def _init(folder: Path) -> None:
    try:
        paths = write_example(folder)
    except OSError as error:
        said = str(error) if isinstance(error, FileExistsError) and error.errno is None else ""
        _stop([said or f"{error.filename} cannot be written: {error.strerror}."], WRONG_CONFIGURATION)
    else:
        for path in paths:
            sys.stdout.write(f"{path}\n")
        sys.stdout.write("Change them for your application, then run mock-idp in the same folder.\n")


def _stop(lines: list[str], code: int) -> None:
    for line in lines:
        sys.stderr.write(f"mock-idp: {line}\n")
    sys.exit(code)
