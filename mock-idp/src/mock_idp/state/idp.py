"""A running tenant, and snapshots of its state."""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass, field

from ..actions.node import Node
from ..behaviours.switches import Behaviours
from ..http.fetching import Fetcher
from ..tenant.loading import Configuration
from ..tenant.model import Client, Tenant
from .clock import Clock, ClockSetting
from .faults import Fault, Faults
from .journal import Journal
from .signing_keys import KeyRing
from .store import Store
from .tenant_log import TenantLog

MAX_SNAPSHOTS = 20


@dataclass(frozen=True)
class Snapshot:
    """The state of a tenant at one moment."""

    configuration: Configuration
    registered: dict[str, Client]
    keys: KeyRing
    clock: ClockSetting
    store: Store
    faults: dict[str, Fault]


@dataclass
class Idp:
    """One running tenant: its configuration, keys, clock and records. Several can run in one process.

    `seed` is its state at the start, to which a reset returns. `configuration` is the present one. Without a `fetcher`
    the tenant fetches nothing from the network.
    """

    seed: Snapshot
    configuration: Configuration
    tenant: Tenant
    keys: KeyRing
    clock: Clock
    store: Store
    fetcher: Fetcher | None
    log: TenantLog
    node: Node = field(default_factory=Node)
    journal: Journal = field(default_factory=Journal)
    faults: Faults = field(default_factory=Faults)
    snapshots: OrderedDict[str, Snapshot] = field(default_factory=OrderedDict)
    snapshot_count: int = 0

    @classmethod
    def start(
        cls,
        configuration: Configuration,
        keys: KeyRing,
        clock: Clock,
        fetcher: Fetcher | None = None,
        node: Node | None = None,
    ) -> Idp:
        seed = Snapshot(configuration, {}, keys.copy(), ClockSetting(), Store(), {})
        tenant, log = configuration.tenant(), TenantLog(clock)
        return cls(seed, configuration, tenant, keys.copy(), clock, Store(), fetcher, log, node or Node())

    @property
    def behaviours(self) -> Behaviours:
        return self.configuration.offline_file.behaviours

    def configure(self, configuration: Configuration) -> None:
        """Use a new configuration. Clients that registered themselves stay."""
        registered = self._registered()
        self.configuration = configuration
        self.tenant = configuration.tenant()
        self.tenant.clients.update(registered)

    def reset(self) -> None:
        """Return to the state at the start. Snapshots, the log and the journal are deleted."""
        self._restore(self.seed)
        self.snapshots.clear()
        self.log.clear()
        self.journal.clear()
        self.node.close()

    def take_snapshot(self) -> str:
        """Keep the present state; returns the name for `restore_snapshot`."""
        self.snapshot_count += 1
        name = f"snapshot-{self.snapshot_count}"
        self.snapshots[name] = Snapshot(
            self.configuration,
            self._registered(),
            self.keys.copy(),
            self.clock.setting,
            copy.deepcopy(self.store),
            copy.deepcopy(self.faults.orders),
        )
        while len(self.snapshots) > MAX_SNAPSHOTS:
            self.snapshots.popitem(last=False)
        return name

    def restore_snapshot(self, name: str) -> bool:
        """Return to a snapshot; False if there is none of this name."""
        if name not in self.snapshots:
            return False
        self._restore(self.snapshots[name])
        return True

    def _registered(self) -> dict[str, Client]:
        clients = self.tenant.clients.items()
        return {key: client for key, client in clients if client.registration in ("dcr", "cimd")}

    def _restore(self, snapshot: Snapshot) -> None:
        self.configuration = snapshot.configuration
        self.tenant = snapshot.configuration.tenant()
        self.tenant.clients.update(snapshot.registered)
        self.keys = snapshot.keys.copy()
        self.clock.setting = snapshot.clock
        self.store = copy.deepcopy(snapshot.store)
        self.faults.orders = copy.deepcopy(snapshot.faults)
