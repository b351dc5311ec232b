from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple


class ClockSetting(NamedTuple):
    """How the tenant's clock differs from the machine's, in seconds.

    `frozen_at` is the Unix time of a stopped clock. `skew` is added only to the times inside tokens. It imitates a
    tenant whose clock is wrong.
    """

    offset: float = 0.0
    frozen_at: float | None = None
    skew: float = 0.0


class Clock:
    """The only source of time in the tenant. A test can change it and need not wait.

    `source` returns the machine's time in Unix seconds.
    """

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self.setting = ClockSetting()

    def now(self) -> float:
        """Unix time in seconds."""
        if self.setting.frozen_at is not None:
            return self.setting.frozen_at
        return self._source() + self.setting.offset

    def token_time(self) -> int:
        """The time for `iat` in tokens: whole Unix seconds, with the skew."""
        return int(self.now() + self.setting.skew)

    def shift(self, seconds: float) -> None:
        """Let the clock run, this far from the machine's."""
        self.setting = self.setting._replace(offset=seconds, frozen_at=None)

    def freeze(self, at: float) -> None:
        self.setting = self.setting._replace(offset=0.0, frozen_at=at)

    def advance(self, seconds: float) -> None:
        """Move the clock forward. A frozen clock stays frozen."""
        frozen_at, offset = self.setting.frozen_at, self.setting.offset
        if frozen_at is not None:
            self.setting = self.setting._replace(frozen_at=frozen_at + seconds)
        else:
            self.setting = self.setting._replace(offset=offset + seconds)

    def skew(self, seconds: float) -> None:
        self.setting = self.setting._replace(skew=seconds)

    def reset(self) -> None:
        self.setting = ClockSetting()
