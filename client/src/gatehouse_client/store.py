"""Tokens on disk: one file per server and issuer, for the owner's eyes only, shared by all of the person's agents."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from filelock import AsyncFileLock, Timeout
from pydantic import ValidationError

from .errors import SignInError
from .grant import Grant

PATIENCE: Final = 0.5  # seconds to wait for the lock before the person is told


class TokenStore:
    """Grants under `home`/tokens: directory 0700, files 0600, written whole or not at all.

    Args:
        home: made when needed.
        say: told, in a sentence, what the person should know: a damaged file, a disk that cannot be written.
        lock_timeout: seconds to wait for another process that works on the same server's grants.
    """

    def __init__(self, home: Path, say: Callable[[str], None], lock_timeout: float = 330.0) -> None:
        self._folder = home / "tokens"
        self._say = say
        self._lock_timeout = lock_timeout

    def load(self, server: str, usable: Callable[[Grant], bool] = lambda _: True) -> Grant | None:
        """The newest usable grant for `server`. A damaged file is set aside, reported, and then as good as absent."""
        grants = (grant for path in self._files(server) if (grant := self._read(path)) and grant.server == server)
        return max(filter(usable, grants), key=lambda grant: grant.obtained_at, default=None)

    def all(self, server: str) -> list[Grant]:
        """Every grant for `server`."""
        return [grant for path in self._files(server) if (grant := self._read(path)) and grant.server == server]

    def save(self, grant: Grant) -> None:
        """Keep `grant` in place of an earlier one of the same server and issuer.

        A disk that cannot be written is reported, not raised: the sign-in is good for this run.
        """
        try:
            self._make_folder()
            self._write(self._path(grant), grant.model_dump_json(indent=2).encode())
        except OSError as error:
            self._say(f"The sign-in cannot be kept in {self._folder} ({error.strerror}): next time you sign in again.")

    def forget(self, server: str) -> int:
        """Remove every grant for `server`, damaged ones too; returns how many there were.

        Raises:
            OSError: a file cannot be removed.
        """
        paths = list(self._files(server))
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
        lock = AsyncFileLock(self._folder / f"{_name(server)}.lock", mode=0o600)
        try:
            self._make_folder()
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
            await lock.acquire(timeout=PATIENCE)
        except Timeout:
            self._say("Another agent of yours is signing in to this server: waiting for it.")
        else:
            return True
        try:
            await lock.acquire(timeout=self._lock_timeout)
        except Timeout:
            raise SignInError(
                f"Another process has held {lock.lock_file} for {self._lock_timeout:.0f} s: end it, then try again."
            ) from None
        return True

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._folder.stat().st_mode & 0o077:
            self._folder.chmod(0o700)

    def _path(self, grant: Grant) -> Path:
        return self._folder / f"{_name(grant.server)}--{_name(grant.issuer)}.json"

    def _files(self, server: str) -> Iterable[Path]:
        return sorted(self._folder.glob(f"{_name(server)}--*.json"))

    def _read(self, path: Path) -> Grant | None:
        try:
            return Grant.model_validate_json(path.read_bytes())
        except ValidationError:
            self._set_aside(path)
        except OSError as error:
            self._say(f"The stored sign-in {path} cannot be read ({error.strerror}): it is not used.")
        return None

    def _set_aside(self, path: Path) -> None:
        aside = path.with_suffix(".damaged")
        try:
            path.replace(aside)
        except OSError:
            aside = path
        self._say(f"The stored sign-in was damaged and is not used; it is kept as {aside}.")

    def _write(self, path: Path, content: bytes) -> None:
        """Write beside and rename, so that a reader sees the old file or the new one (mkstemp makes it 0600)."""
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise


def _name(url: str) -> str:
    """A file name that a person recognises and that no two URLs share."""
    parts = urlsplit(url)
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", parts.netloc + parts.path).strip("_.")[:60]
    return f"{readable}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"
