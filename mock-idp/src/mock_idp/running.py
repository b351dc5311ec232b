"""Starting a tenant from its settings."""

from __future__ import annotations

import gc
import logging
import sys
import textwrap
from itertools import zip_longest
from pathlib import Path
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from .actions.node import OLDEST, Node
from .app import create_app
from .console import ConsoleAccess
from .control import ControlAccess
from .formats.log_lines import OneLine
from .http.serving import Listener, Servers, listen
from .http.tls import certificate_context, load_authority, server_context
from .settings import TENANT_FILE, Settings
from .state.clock import Clock
from .state.idp import Idp
from .state.signing_keys import load_key_ring
from .tenant.example import EXAMPLE
from .tenant.loading import ConfigurationError, load_configuration
from .tenant.not_played import not_played
from .tenant.presets import with_presets

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
BANNER_WIDTH = 110
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
    _log_to_stderr()
    files = settings.files()
    configuration = load_configuration(*files, settings.keyword_values())
    configuration = with_presets(configuration, settings.presets)
    sockets = listen(settings.host, settings.port, setting="MOCK_IDP_PORT")
    port = sockets[0].getsockname()[1]
    issuer = settings.issuer_at(port)
    clock = Clock()
    keys = load_key_ring(settings.state_dir, urlsplit(issuer).hostname or "", clock.now())
    idp = Idp.start(configuration, keys, clock, settings.fetcher(), Node(settings.actions))
    _check_actions(idp)
    context = certificate_context(settings.tls_cert_file, settings.tls_key_file)
    listeners = [Listener(_app(idp, issuer, settings), sockets, context)]
    facts = [("listens on", f"{settings.host} port {port}"), ("issuer", issuer), ("tenant", _described(files[0]))]
    if settings.tls_port is not None:
        tls, tls_issuer = _tls_listener(idp, settings, settings.tls_port)
        listeners.append(tls)
        facts += [("with TLS", tls_issuer), ("CA file", str(settings.ca_path))]
    sys.stderr.write(_banner(idp, settings, facts))
    try:
        # The collector need not examine modules and schemas again and again.
        gc.freeze()
        gc.set_threshold(700, 10, 10)
        Servers(listeners).run()
    finally:
        idp.node.close()


def _check_actions(idp: Idp) -> None:
    """ConfigurationError if MOCK_IDP_ACTIONS requires node and it is missing. Else the banner says what cannot run."""
    names = idp.tenant.action_names
    if names and idp.node.mode == "require" and idp.node.problem:
        reason = f"the Actions {', '.join(names)} cannot run: {idp.node.problem}"
        raise ConfigurationError([f"MOCK_IDP_ACTIONS=require: {reason}. Install node {OLDEST} or later"])


def _actions_line(idp: Idp) -> str:
    names = ", ".join(idp.tenant.action_names)
    if not names:
        return "none"
    return f"do not run: {names} ({idp.node.problem})" if idp.node.problem else names


def _tls_listener(idp: Idp, settings: Settings, port: int) -> tuple[Listener, str]:
    """The same tenant under its own https issuer: Auth0's SDKs compare the issuer with the address that they call."""
    sockets = listen(settings.host, port, setting="MOCK_IDP_TLS_PORT")
    issuer = settings.tls_issuer_at(sockets[0].getsockname()[1])
    authority = load_authority(settings.state_dir, settings.ca_path)
    names = [*LOOPBACK_NAMES, urlsplit(issuer).hostname or "localhost"]
    return Listener(_app(idp, issuer, settings), sockets, server_context(authority, names)), issuer


def _described(tenant_file: Path) -> str:
    if tenant_file == EXAMPLE[0]:
        return f"the built-in example, as there is no {TENANT_FILE} here; mock-idp init writes it"
    return str(tenant_file)


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
        ("actions", _actions_line(idp)),
    ]
    facts += zip_longest(["not played"], _not_played_lines(idp), fillvalue="")
    return BANNER.format(lines="\n".join(f"   {name:<11} {value}" for name, value in facts))


def _not_played_lines(idp: Idp) -> list[str]:
    """What tenant.yaml names and this tenant does not play, in a few lines."""
    listed = ", ".join(not_played(idp.configuration.tenant_file)) or "nothing of tenant.yaml"
    return textwrap.wrap(listed, BANNER_WIDTH, break_long_words=False, break_on_hyphens=False)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("%(asctime)s mock-idp %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("mock_idp").setLevel(logging.INFO)
