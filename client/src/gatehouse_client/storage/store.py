"""Tokens on disk: one file per server and issuer, for the owner's eyes only, shared by all of the person's agents."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import SignInError
from .encryption import Encryption, NoEncryption
from .grant import Grant
from .private_files import PrivateFolder, file_name

if TYPE_CHECKING:
    from filelock import AsyncFileLock

NOTICE_AFTER: Final = 0.5  # seconds to wait for the lock before the person is told


class TokenStore:
    """Grants under `home`/tokens.

    Args:
        home: made when needed.
        say: told, in a sentence, what the person should know: a damaged file, a disk that cannot be written.
        lock_timeout: seconds to wait for another process that works on the same server's grants.
        encryption: what the files are sealed with.
    """

    def __init__(
        self, home: Path, say: Callable[[str], None], lock_timeout: float = 330.0, encryption: Encryption | None = None
    ) -> None:
        self._files = PrivateFolder(home / "tokens", "The stored sign-in", say, encryption or NoEncryption())
        self._say = say
        self._lock_timeout = lock_timeout

    def load(self, server: str, usable: Callable[[Grant], bool] = lambda _: True) -> Grant | None:
        """The newest usable grant for `server`. A damaged file is set aside, reported, and then as good as absent."""
        return max(filter(usable, self.all(server)), key=lambda grant: grant.obtained_at, default=None)

    def all(self, server: str) -> list[Grant]:
        """Every grant for `server`."""
        return [
            grant for path in self._paths(server) if (grant := self._files.read(path, Grant)) and grant.server == server
        ]

    def save(self, grant: Grant) -> None:
        """Keep `grant` in place of an earlier one of the same server and issuer.

        A disk that cannot be written is reported, not raised: the sign-in is good for this run.
        """
        try:
            self._files.write(self._path(grant), grant)
        except OSError as error:
            self._say(
                f"The sign-in cannot be kept in {self._files.path} ({error.strerror}): next time you sign in again."
            )

    def forget(self, server: str) -> int:
        """Remove every grant for `server`, damaged ones too; returns how many there were.

        Raises:
            OSError: a file cannot be removed.
        """
        paths = list(self._paths(server))
        for path in paths:
            path.unlink(missing_ok=True)
        return len(paths)

    @asynccontextmanager
    async def locked(self, server: str) -> AsyncGenerator[None]:
        """Hold this server's lock against every other process.

        Where no lock file can be made there are no stored tokens to protect either, and none is taken.

        Raises:
            SignInError: another process holds it for longer than the lock timeout.
        """
        from filelock import AsyncFileLock  # who only reads needs none

        lock = AsyncFileLock(self._files.path / f"{file_name(server)}.lock", mode=0o600)
        try:
            self._files.make()
            held = await self._acquire(lock)
        except OSError:
            held = False
        try:
            yield
        finally:
            if held:
                await lock.release()

    async def _acquire(self, lock: AsyncFileLock) -> bool:
        try:
            await lock.acquire(timeout=NOTICE_AFTER)
        except TimeoutError:
            self._say("Another agent of yours is signing in to this server: waiting for it.")
        else:
            return True
        try:
            await lock.acquire(timeout=self._lock_timeout)
        except TimeoutError:
            raise SignInError(
                f"Another process has held {lock.lock_file} for {self._lock_timeout:.0f} s: end it, then try again."
            ) from None
        return True

    def _path(self, grant: Grant) -> Path:
        return self._files.path / f"{file_name(grant.server)}--{file_name(grant.issuer)}.json"

    def _paths(self, server: str) -> Iterable[Path]:
        return sorted(self._files.path.glob(f"{file_name(server)}--*.json"))
