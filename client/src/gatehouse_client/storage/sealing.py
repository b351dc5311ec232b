"""Sealing what is kept on disk with a key from the system's keyring, where there is one.

The key is in the keyring, the files stay files: their size, their locks and their atomic replacement do not depend on
what a keyring can do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class BrokenSeal(Exception):
    """The content is not what was sealed, or not with this key."""


class SealUnavailable(Exception):
    """The content is sealed, and there is no key here to open it. The message says why."""


class Seal(Protocol):
    """How files are sealed."""

    def sealed(self, content: bytes) -> bytes:
        """What to write."""
        ...

    def opened(self, content: bytes) -> bytes:
        """What was given to `sealed`; what was written without a seal comes back as it is.

        Raises:
            BrokenSeal, SealUnavailable.
        """
        ...


class NoSeal:
    """Files as they are; their permissions protect them."""

    def __init__(self, why: str = "there is no keyring here") -> None:
        self._why = why

    def sealed(self, content: bytes) -> bytes:
        return content

    def opened(self, content: bytes) -> bytes:
        if is_sealed(content):
            raise SealUnavailable(self._why)
        return content


def system_seal(say: Callable[[str], None]) -> Seal:
    """With the system's keyring when the `keyring` package and a backend that works are there, else none."""
    try:
        import keyring
        from keyring.backends.fail import Keyring as NoKeyring
        from keyring.backends.null import Keyring as NullKeyring
    except ImportError:
        return NoSeal("the `keyring` extra is not installed")
    backend = keyring.get_keyring()
    if isinstance(backend, NoKeyring | NullKeyring):
        return NoSeal()
    from .keyring_sealing import KeyringSeal  # cryptography takes long to load

    return KeyringSeal(backend, say)


def is_sealed(content: bytes) -> bool:
    """A JWE in compact form, where else a JSON object would be."""
    return content.startswith(b"eyJ")
