from __future__ import annotations

import logging
import sys
from urllib.parse import urlsplit

import uvicorn

from .app import create_app
from .clock import Clock
from .fetching import Fetcher
from .idp import Idp
from .keys import KeyFileError, load_key_ring
from .listening import ListenError, listen
from .loading import ConfigurationError, load_configuration
from .presets import with_presets
from .settings import Settings, SettingsError, load_settings

BANNER = """\
======================================================================
 OFFLINE TENANT (mock-idp)      FOR DEVELOPMENT AND TESTS ONLY
 Its keys, secrets and passwords are public. Never point anything at
 it that must be safe.

   listens on  {host} port {port}
   issuer      {issuer}
   discovery   {issuer}.well-known/openid-configuration
   users       {users}
   control     {control}
   presets     {presets}
======================================================================
"""
WRONG_CONFIGURATION = 2
CANNOT_RUN = 1


def main() -> None:
    """Run the tenant until SIGINT or SIGTERM. Exit code 2: a setting or file is wrong; 1: it cannot listen."""
    try:
        _run(load_settings())
    except (SettingsError, ConfigurationError) as error:
        _stop(error.lines, WRONG_CONFIGURATION)
    except KeyFileError as error:
        _stop([str(error)], WRONG_CONFIGURATION)
    except ListenError as error:
        _stop([str(error)], CANNOT_RUN)


def _run(settings: Settings) -> None:
    configuration = load_configuration(settings.tenant_file, settings.offline_file)
    configuration = with_presets(configuration, settings.presets)
    sockets = listen(settings.host, settings.port)
    port = sockets[0].getsockname()[1]
    issuer = settings.issuer_at(port)
    clock = Clock()
    keys = load_key_ring(settings.state_dir, urlsplit(issuer).hostname or "", clock.now())
    fetcher = Fetcher(settings.cimd_allow_private, settings.cimd_ca_file)
    idp = Idp.start(configuration, keys, clock, fetcher)
    _log_to_stderr()
    sys.stderr.write(_banner(idp, settings, issuer, port))
    config = uvicorn.Config(
        create_app(idp, settings, issuer),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets=sockets)


def _banner(idp: Idp, settings: Settings, issuer: str, port: int) -> str:
    users = ", ".join(user.email for user in idp.tenant.users.values()) or "none"
    presets = ", ".join(settings.presets) or "none"
    control = f"{issuer}__mock__/" if settings.control else "off"
    return BANNER.format(host=settings.host, port=port, issuer=issuer, users=users, control=control, presets=presets)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s mock-idp %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("mock_idp").setLevel(logging.INFO)


def _stop(lines: list[str], code: int) -> None:
    for line in lines:
        sys.stderr.write(f"mock-idp: {line}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
