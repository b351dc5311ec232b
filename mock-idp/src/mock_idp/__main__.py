from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .behaviours.document import tables
from .http.serving import ListenError
from .http.tls import TlsError, issue_certificate
from .running import run
from .settings import SettingsError, load_settings
from .state.signing_keys import KeyFileError
from .tenant.loading import ConfigurationError
from .tenant.tenant_schema import schema_text

WRONG_CONFIGURATION = 2
CANNOT_RUN = 1


def main() -> None:
    """Run the tenant until SIGINT or SIGTERM. Exit code 2: a setting or file is wrong; 1: the tenant cannot listen."""
    arguments = _parser().parse_args()
    command = arguments.command
    try:
        if command == "schema":
            sys.stdout.write(schema_text())
        elif command == "behaviours":
            sys.stdout.write(tables() + "\n")
        elif command == "certificate":
            issue_certificate(
                Path(os.environ.get("MOCK_IDP_STATE_DIR") or arguments.folder), arguments.folder, arguments.names
            )
        else:
            run(load_settings())
    except (SettingsError, ConfigurationError) as error:
        _stop(error.lines, WRONG_CONFIGURATION)
    except (KeyFileError, TlsError) as error:
        _stop([str(error)], WRONG_CONFIGURATION)
    except ListenError as error:
        _stop([str(error)], CANNOT_RUN)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mock-idp", description="An Auth0 tenant that runs offline, for tests only.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="serve the tenant (the default)")
    commands.add_parser("schema", help="print the JSON Schema of tenant.yaml")
    commands.add_parser("behaviours", help="print the tables of BEHAVIOURS.md: the switches for uncertain behaviour")
    certificate = commands.add_parser("certificate", help="write a certificate of the tenant's authority, in PEM")
    certificate.add_argument("folder", type=Path, help="the folder for ca.pem, certificate.pem and key.pem")
    certificate.add_argument("names", nargs="+", metavar="NAME", help="a host name or an address")
    return parser


def _stop(lines: list[str], code: int) -> None:
    for line in lines:
        sys.stderr.write(f"mock-idp: {line}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
