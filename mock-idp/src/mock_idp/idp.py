from __future__ import annotations

from dataclasses import dataclass

from .behaviours import Behaviours
from .clock import Clock
from .keys import KeyRing
from .loading import Seed
from .store import Store
from .tenant import Tenant


@dataclass
class Idp:
    """One running tenant: its configuration, keys, clock and memory. Several can live in one process."""

    seed: Seed
    tenant: Tenant
    behaviours: Behaviours
    keys: KeyRing
    clock: Clock
    store: Store

    @classmethod
    def start(cls, seed: Seed, keys: KeyRing, clock: Clock) -> Idp:
        return cls(seed, seed.tenant(), seed.behaviours, keys, clock, Store())

    def reset(self) -> None:
        """Back to what the files say: no sessions, codes or tokens are remembered, and the clock is the machine's."""
        self.tenant = self.seed.tenant()
        self.behaviours = self.seed.behaviours
        self.store = Store()
        self.clock.reset()
