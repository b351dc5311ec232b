"""Private files: only their owner can read them (folder 0700, files 0600), and they are written atomically."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from ..errors import ConfigurationError
from ..foreign_text import in_file_name
from .encryption import DecryptionFailed, Encryption, KeyUnavailable

Model = TypeVar("Model", bound=BaseModel)


class PrivateFolder:
    """A folder of private files, created when needed.

    Args:
        what: what a file contains, for messages.
        say: gets a message about each file that cannot be used.
        encryption: how the files are encrypted.

    Raises:
        ConfigurationError: the folder or its parent, if there is one, is a symbolic link, or every user can write it.
    """

    def __init__(self, path: Path, what: str, say: Callable[[str], None], encryption: Encryption) -> None:
        self.path = path
        self._what = what
        self._say = say
        self._encryption = encryption
        for folder in (path.parent, path):
            _require_private(folder)

    def make(self) -> None:
        """Create the folder.

        Raises:
            OSError: the folder cannot be created.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.path.stat().st_mode & 0o077:
            self.path.chmod(0o700)

    def read(self, path: Path, model: type[Model], *, set_aside: bool = True) -> Model | None:
        """The model in the file; None if the file does not exist or cannot be used, which is reported.

        A damaged file is renamed; if `set_aside` is False, it stays and is not reported. An encrypted file whose key is
        not available stays.
        """
        try:
            return model.model_validate_json(self._encryption.decrypt(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValidationError, DecryptionFailed):
            if set_aside:
                self._set_aside(path)
        except KeyUnavailable as error:
            self._say(f"{self._what} {path} cannot be decrypted ({error}): it is not used.")
        except OSError as error:
            self._say(f"{self._what} {path} cannot be read ({error.strerror}): it is not used.")
        return None

    def write(self, path: Path, model: BaseModel) -> None:
        """Encrypt the model and write the file.

        Raises:
            OSError: the disk cannot be written.
        """
        self.make()
        write_private(path, self._encryption.encrypt(model.model_dump_json(indent=2).encode()))

    def _set_aside(self, path: Path) -> None:
        aside = path.with_suffix(".damaged")
        try:
            path.replace(aside)
        except OSError:
            aside = path
        self._say(f"{self._what} was damaged and is not used; it is kept as {aside}.")


def _require_private(folder: Path) -> None:
    seen = ""
    if folder.is_symlink():
        seen = "is a symbolic link"
    elif os.name == "posix" and folder.is_dir() and folder.stat().st_mode & stat.S_IWOTH:
        seen = "can be written by every user"
    if seen:
        raise ConfigurationError(
            f"{folder} {seen}, so another user could read or replace your sign-ins: it is not used. Set GATEHOUSE_HOME"
            " to a folder that only you can write."
        )


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read (0600).

    The content is written to a temporary file, which is then renamed: a reader sees the old file or the new one.

    Raises:
        OSError: the disk cannot be written.
    """
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


def file_name(url: str) -> str:
    """A file name that is readable and unique for the URL."""
    parts = urlsplit(url)
    return f"{in_file_name(parts.netloc + parts.path)}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"
