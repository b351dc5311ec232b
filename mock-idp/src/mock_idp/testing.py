"""An offline tenant for other projects' tests, on free ports with http and https. Several can run at once.

from mock_idp.testing import offline_tenant

with offline_tenant("auth0/tenant.yaml", "auth0/offline.yaml") as tenant:  # without arguments: the built-in example
    httpx2.get(f"{tenant.issuer}.well-known/openid-configuration")
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .app import create_app
from .control import ControlAccess
from .http.fetching import Fetcher
from .http.serving import Listener, Servers, listen
from .http.tls import load_authority, server_context
from .running import LOOPBACK_NAMES
from .state.clock import Clock
from .state.idp import Idp
from .state.signing_keys import KeyRing, new_key_ring
from .tenant.example import EXAMPLE
from .tenant.loading import Configuration, checked_configuration, load_configuration
from .tenant.presets import with_presets

HOST = "127.0.0.1"
Source = str | PathLike[str] | Mapping[str, Any]


@dataclass(frozen=True)
class OfflineTenant:
    """A running tenant. `issuer` is its http issuer, `tls_issuer` its https one. Clients that use TLS trust `ca_file`.

    Its control API is on, at `<issuer>__mock__/`. `idp` is the tenant's state.
    """

    issuer: str
    tls_issuer: str
    ca_file: Path
    idp: Idp = field(repr=False)  # it has keys and secrets

    @property
    def domain(self) -> str:
        """The domain, as Auth0's SDKs call it: host and port of the https issuer."""
        return self.tls_issuer.removeprefix("https://").rstrip("/")


@contextmanager
def offline_tenant(
    tenant: Source = EXAMPLE[0],
    offline: Source | None = None,
    *,
    presets: Sequence[str] = (),
    keys: KeyRing | None = None,
    fetcher: Fetcher | None = None,
    keywords: Mapping[str, Any] | None = None,
) -> Iterator[OfflineTenant]:
    """Run a tenant from two files or two documents until the block ends; without them, the built-in example.

    Without `offline`, a tenant from a file takes offline.yaml beside it (`load_configuration`).
    Without `keys` it makes new ones, which takes time. `keywords` are the values of ##KEY## and @@KEY@@ in a file;
    without them they come from the environment. ConfigurationError if the files are wrong.
    """
    configuration = with_presets(_configuration(tenant, offline, keywords), presets)
    clock = Clock()
    idp = Idp.start(configuration, keys or new_key_ring("localhost", clock.now()), clock, fetcher)
    with TemporaryDirectory() as directory:
        ca_file = Path(directory) / "ca.pem"
        running, listeners = _listeners(idp, ca_file)
        servers = Servers(listeners)
        thread = threading.Thread(target=servers.run_in_thread, name="offline-tenant")
        thread.start()
        try:
            _wait(servers, thread)
            yield running
        finally:
            servers.stop()
            thread.join()
            idp.node.close()


def _configuration(tenant: Source, offline: Source | None, keywords: Mapping[str, Any] | None) -> Configuration:
    if isinstance(tenant, Mapping) and (offline is None or isinstance(offline, Mapping)):
        return checked_configuration(dict(tenant), dict(offline or {}))
    if isinstance(tenant, Mapping) or isinstance(offline, Mapping):
        raise TypeError("tenant and offline must both be files or both be documents")
    return load_configuration(Path(tenant), None if offline is None else Path(offline), keywords)


def _listeners(idp: Idp, ca_file: Path) -> tuple[OfflineTenant, list[Listener]]:
    plain, secure = (listen(HOST, 0, setting="port") for _ in range(2))
    issuer = f"http://localhost:{plain[0].getsockname()[1]}/"
    tls_issuer = f"https://localhost:{secure[0].getsockname()[1]}/"
    context = server_context(load_authority(None, ca_file), LOOPBACK_NAMES)
    listeners = [
        Listener(create_app(idp, issuer, ControlAccess()), plain),
        Listener(create_app(idp, tls_issuer, ControlAccess()), secure, context),
    ]
    return OfflineTenant(issuer, tls_issuer, ca_file, idp), listeners


def _wait(servers: Servers, thread: threading.Thread) -> None:
    """Wait until the servers have started. RuntimeError if they cannot, so that no request hangs."""
    while not servers.started:
        if not thread.is_alive():
            raise RuntimeError("the offline tenant did not start")
        time.sleep(0.005)
