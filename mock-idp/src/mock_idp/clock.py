from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple


class ClockSetting(NamedTuple):
    """How the tenant's clock differs from the machine's: seconds added to it, or the Unix time it stands at."""

    offset: float = 0.0
    frozen_at: float | None = None


class Clock:
    """The only source of time in the tenant, so that a test moves time instead of waiting for it.

    `source` gives the machine's time in Unix seconds.
    """

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self.setting = ClockSetting()

    def now(self) -> float:
        """Unix time in seconds."""
        if self.setting.frozen_at is not None:
            return self.setting.frozen_at
        return self._source() + self.setting.offset

    def shift(self, seconds: float) -> None:
        self.setting = ClockSetting(offset=seconds)

    def freeze(self, at: float) -> None:
        self.setting = ClockSetting(frozen_at=at)

    def reset(self) -> None:
        self.setting = ClockSetting()
