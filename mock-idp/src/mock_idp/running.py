"""Starting a tenant from its settings."""

from __future__ import annotations

import logging
import sys
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from .app import create_app
from .console import ConsoleAccess
from .control import ControlAccess
from .http.serving import Listener, Servers, listen
from .http.tls import certificate_context, load_authority, server_context
from .settings import Settings
from .state.clock import Clock
from .state.idp import Idp
from .state.signing_keys import load_key_ring
from .tenant.loading import load_configuration
from .tenant.presets import with_presets

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
BANNER = """\
======================================================================
 OFFLINE TENANT (mock-idp)      FOR DEVELOPMENT AND TESTS ONLY
 Its keys, secrets and passwords are public. Never use it for
 anything that must be safe.

{lines}
======================================================================
"""


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises ConfigurationError, KeyFileError, TlsError or ListenError."""
    configuration = load_configuration(settings.tenant_file, settings.offline_file, settings.keyword_values())
    configuration = with_presets(configuration, settings.presets)
    sockets = listen(settings.host, settings.port, setting="MOCK_IDP_PORT")
    port = sockets[0].getsockname()[1]
    issuer = settings.issuer_at(port)
    clock = Clock()
    keys = load_key_ring(settings.state_dir, urlsplit(issuer).hostname or "", clock.now())
    idp = Idp.start(configuration, keys, clock, settings.fetcher())
    context = certificate_context(settings.tls_cert_file, settings.tls_key_file)
    listeners = [Listener(_app(idp, issuer, settings), sockets, context)]
    facts = [("listens on", f"{settings.host} port {port}"), ("issuer", issuer)]
    if settings.tls_port is not None:
        tls, tls_issuer = _tls_listener(idp, settings, settings.tls_port)
        listeners.append(tls)
        facts += [("with TLS", tls_issuer), ("CA file", str(settings.ca_path))]
    _log_to_stderr()
    sys.stderr.write(_banner(idp, settings, facts))
    Servers(listeners).run()


def _tls_listener(idp: Idp, settings: Settings, port: int) -> tuple[Listener, str]:
    """The same tenant under its own https issuer: Auth0's SDKs compare the issuer with the address that they call."""
    sockets = listen(settings.host, port, setting="MOCK_IDP_TLS_PORT")
    issuer = settings.tls_issuer_at(sockets[0].getsockname()[1])
    authority = load_authority(settings.state_dir, settings.ca_path)
    names = [*LOOPBACK_NAMES, urlsplit(issuer).hostname or "localhost"]
    return Listener(_app(idp, issuer, settings), sockets, server_context(authority, names)), issuer


def _app(idp: Idp, issuer: str, settings: Settings) -> ASGIApp:
    token = settings.control_token.get_secret_value() if settings.control_token else None
    control = ControlAccess(token) if settings.control else None
    console = ConsoleAccess(settings.console, needs_token=settings.control and token is not None)
    return create_app(idp, issuer, control, console, settings.allowed_hosts)


def _banner(idp: Idp, settings: Settings, facts: list[tuple[str, str]]) -> str:
    issuer = facts[1][1]
    facts = [
        *facts,
        ("discovery", f"{issuer}.well-known/openid-configuration"),
        ("users", ", ".join(user.email for user in idp.tenant.users.values()) or "none"),
        ("console", issuer if settings.console != "off" else "off"),
        ("control", f"{issuer}__mock__/" if settings.control else "off"),
        ("presets", ", ".join(settings.presets) or "none"),
    ]
    return BANNER.format(lines="\n".join(f"   {name:<11} {value}" for name, value in facts))


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s mock-idp %(levelname)s %(message)s")
    logging.getLogger("mock_idp").setLevel(logging.INFO)
