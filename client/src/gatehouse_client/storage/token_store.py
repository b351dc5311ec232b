"""Tokens on disk: one private file per server and issuer, shared by all agents of the person."""

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

NOTICE_AFTER: Final = 0.5  # seconds to wait for the lock before the person gets a message


class TokenStore:
    """Grants under `home`/tokens.

    Args:
        home: created when needed.
        say: gets messages for the person, such as about a damaged file or a disk that cannot be written.
        lock_timeout: seconds to wait for another process that uses the same server's grants.
        encryption: how the files are encrypted.
    """

    def __init__(
        self, home: Path, say: Callable[[str], None], lock_timeout: float = 330.0, encryption: Encryption | None = None
    ) -> None:
        self._files = PrivateFolder(home / "tokens", "The stored sign-in", say, encryption or NoEncryption())
        self._say = say
        self._lock_timeout = lock_timeout

    def load(self, server: str, usable: Callable[[Grant], bool] = lambda _: True) -> Grant | None:
        """The newest usable grant for `server`. A damaged file is renamed and reported."""
        return max(filter(usable, self.all(server)), key=lambda grant: grant.obtained_at, default=None)

    def all(self, server: str, *, set_aside: bool = True) -> list[Grant]:
        """Every grant for `server`.

        Args:
            set_aside: whether a damaged file is renamed and reported.
        """
        found = [self._files.read(path, Grant, set_aside=set_aside) for path in self._paths(server)]
        return [grant for grant in found if grant is not None and grant.server == server]

    def save(self, grant: Grant) -> None:
        """Store `grant` in place of an earlier one of the same server and issuer.

        A disk that cannot be written is reported, and no error is raised: this run can use the sign-in.
        """
        try:
            self._files.write(self._path(grant), grant)
        except OSError as error:
            self._say(
                f"The sign-in cannot be kept in {self._files.path} ({error.strerror}): next time you sign in again."
            )

    def forget(self, server: str) -> int:
        """Remove every grant for `server`, also damaged ones. Returns how many there were.

        Raises:
            OSError: a file cannot be removed.
        """
        paths = [*self._paths(server), *self._paths(server, ".damaged")]
        for path in paths:
            path.unlink(missing_ok=True)
        return len(paths)

    @asynccontextmanager
    async def locked(self, server: str) -> AsyncGenerator[None]:
        """Hold the lock of this server's grants, which other processes wait for.

        If no lock file can be created, no grant can be stored either. Then there is no lock.

        Raises:
            SignInError: another process holds the lock for longer than the lock timeout.
        """
        from filelock import AsyncFileLock  # only for commands that write

        lock = AsyncFileLock(self._files.path / f"{file_name(server)}.lock", mode=0o600)
        try:
            self._files.make()
            await self._acquire(lock)
        except OSError:
            pass
        try:
            yield
        finally:
            await lock.release()

    async def _acquire(self, lock: AsyncFileLock) -> None:
        try:
            await lock.acquire(timeout=NOTICE_AFTER)
        except TimeoutError:
            self._say("Another agent of yours is signing in to this server: waiting for it.")
            try:
                await lock.acquire(timeout=self._lock_timeout)
            except TimeoutError:
                raise SignInError(
                    f"Another process has held {lock.lock_file} for {self._lock_timeout:.0f} s: end it, then try again."
                ) from None

    def _path(self, grant: Grant) -> Path:
        return self._files.path / f"{file_name(grant.server)}--{file_name(grant.issuer)}.json"

    def _paths(self, server: str, suffix: str = ".json") -> Iterable[Path]:
        return sorted(self._files.path.glob(f"{file_name(server)}--*{suffix}"))
