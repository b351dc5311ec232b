"""Sealing what is kept on disk with a key from the system's keyring, where there is one.

The key is in the keyring, the files stay files: their size, their locks and their atomic replacement do not depend on
what a keyring can do.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from joserfc.jwk import OctKey


class DecryptionFailed(Exception):
    """The content is not what was sealed, or not with this key."""


class KeyUnavailable(Exception):
    """The content is sealed, and there is no key here to open it. The message says why."""


class Encryption(Protocol):
    """How files are sealed."""

    def encrypt(self, content: bytes) -> bytes:
        """What to write."""
        ...

    def decrypt(self, content: bytes) -> bytes:
        """What was given to `sealed`; what was written without a encryption comes back as it is.

        Raises:
            DecryptionFailed, KeyUnavailable.
        """
        ...


class NoEncryption:
    """Files as they are; their permissions protect them."""

    def __init__(self, why: str = "there is no keyring here") -> None:
        self._why = why

    def encrypt(self, content: bytes) -> bytes:
        return content

    def decrypt(self, content: bytes) -> bytes:
        if is_encrypted(content):
            raise KeyUnavailable(self._why)
        return content


def system_encryption(say: Callable[[str], None]) -> Encryption:
    """With the system's keyring when the `keyring` package and a backend that works are there, else none."""
    try:
        import keyring
        from keyring.backends.fail import Keyring as NoKeyring
        from keyring.backends.null import Keyring as NullKeyring
    except ImportError:
        return NoEncryption("the `keyring` extra is not installed")
    backend = keyring.get_keyring()
    if isinstance(backend, NoKeyring | NullKeyring):
        return NoEncryption()
    return KeyringEncryption(backend, say)


def is_encrypted(content: bytes) -> bool:
    """A JWE in compact form, where else a JSON object would be."""
    return content.startswith(b"eyJ")


SERVICE: Final = "gatehouse"
ENTRY: Final = "token store"
_HEADER: Final = {"alg": "dir", "enc": "A256GCM"}
_KEY_BYTES: Final = 32


class Keyring(Protocol):
    """What a backend of the `keyring` package does."""

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...


class KeyringEncryption:
    """Sealed with AES-256-GCM (a JWE) under a key that the keyring keeps.

    Args:
        keyring: a backend of the `keyring` package.
        say: told when the keyring does not do its work; files are then written without a encryption.
    """

    def __init__(self, keyring: Keyring, say: Callable[[str], None]) -> None:
        self._keyring = keyring
        self._say = say
        self._key: OctKey | None = None

    def encrypt(self, content: bytes) -> bytes:
        key = self._loaded(make=True)
        if key is None:
            return content
        from joserfc import jwe  # cryptography takes long to load

        return jwe.encrypt_compact(_HEADER, content, key).encode("ascii")

    def decrypt(self, content: bytes) -> bytes:
        if not is_encrypted(content):
            return content
        key = self._loaded(make=False)
        if key is None:
            raise KeyUnavailable("the keyring does not give its key")
        from joserfc import jwe
        from joserfc.errors import JoseError

        try:
            return bytes(jwe.decrypt_compact(content.strip(), key).plaintext or b"")
        except (JoseError, ValueError) as error:
            raise DecryptionFailed from error

    def _loaded(self, *, make: bool) -> OctKey | None:
        if self._key is None:
            from joserfc.jwk import OctKey

            try:
                kept = self._keyring.get_password(SERVICE, ENTRY)
                if kept is None and make:
                    self._keyring.set_password(SERVICE, ENTRY, secrets.token_hex(_KEY_BYTES))
                    # Another process may have been faster; what the keyring gives from now on is what counts.
                    kept = self._keyring.get_password(SERVICE, ENTRY)
                self._key = None if kept is None else OctKey.import_key(bytes.fromhex(kept))
            except Exception as error:  # noqa: BLE001 - every backend raises errors of its own
                self._say(f"The system's keyring does not work ({type(error).__name__}): sign-ins are not sealed.")
        return self._key
