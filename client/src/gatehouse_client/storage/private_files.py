"""A folder of small files for the owner's eyes only: directory 0700, files 0600, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from .encryption import DecryptionFailed, Encryption, KeyUnavailable

Model = TypeVar("Model", bound=BaseModel)


class PrivateFolder:
    """The folder, made when needed.

    Args:
        what: what a file holds, for messages.
        say: told, in a sentence, of a file that cannot be used.
        encryption: what files are sealed with.
    """

    def __init__(self, path: Path, what: str, say: Callable[[str], None], encryption: Encryption) -> None:
        self.path = path
        self._what = what
        self._say = say
        self._encryption = encryption

    def make(self) -> None:
        """Make the folder.

        Raises:
            OSError: that is not possible.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.path.stat().st_mode & 0o077:
            self.path.chmod(0o700)

    def read(self, path: Path, model: type[Model]) -> Model | None:
        """What is in the file; None when it is not there, or cannot be used, which is reported.

        A damaged file is set aside. One whose encryption cannot be opened now stays.
        """
        try:
            return model.model_validate_json(self._encryption.decrypt(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValidationError, DecryptionFailed):
            self._set_aside(path)
        except KeyUnavailable as error:
            self._say(f"{self._what} {path} cannot be opened ({error}): it is not used.")
        except OSError as error:
            self._say(f"{self._what} {path} cannot be read ({error.strerror}): it is not used.")
        return None

    def write(self, path: Path, model: BaseModel) -> None:
        """Encryption the model and write the file.

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
    """A file name that a person recognises and that no two URLs share."""
    parts = urlsplit(url)
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", parts.netloc + parts.path).strip("_.")[:60]
    return f"{readable}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"
