from __future__ import annotations

from dataclasses import dataclass

from .behaviours import Behaviours
from .clock import Clock
from .fetching import Fetcher
from .keys import KeyRing
from .loading import Configuration
from .store import Store
from .tenant import Tenant


@dataclass
class Idp:
    """One running tenant: its configuration, keys, clock and memory. Several can live in one process.

    `seed` is the configuration it started with and goes back to, `configuration` the one it has now.
    """

    seed: Configuration
    configuration: Configuration
    tenant: Tenant
    keys: KeyRing
    clock: Clock
    store: Store
    fetcher: Fetcher

    @classmethod
    def start(cls, seed: Configuration, keys: KeyRing, clock: Clock, fetcher: Fetcher | None = None) -> Idp:
        return cls(seed, seed, seed.tenant(), keys, clock, Store(), fetcher or Fetcher())

    @property
    def behaviours(self) -> Behaviours:
        return self.configuration.offline_file.behaviours

    def configure(self, configuration: Configuration) -> None:
        """Take on a configuration. Clients that registered themselves stay."""
        registered = {key: client for key, client in self.tenant.clients.items() if client.registration != "file"}
        self.configuration = configuration
        self.tenant = configuration.tenant()
        self.tenant.clients.update(registered)

    def reset(self) -> None:
        """Back to what the files say: no sessions, codes or tokens are remembered, and the clock is the machine's."""
        self.configuration = self.seed
        self.tenant = self.seed.tenant()
        self.store = Store()
        self.clock.reset()
