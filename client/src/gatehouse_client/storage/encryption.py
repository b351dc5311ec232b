"""Encryption of stored files with a key from the system's keyring.

Only the key is in the keyring. The files stay files, because keyrings limit the size of an entry and have no locks.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from joserfc.jwk import OctKey

SERVICE: Final = "gatehouse"
ENTRY: Final = "token store"
_HEADER: Final = {"alg": "dir", "enc": "A256GCM"}
_KEY_BYTES: Final = 32


class DecryptionFailed(Exception):
    """The content was changed, or it was encrypted with another key."""


class KeyUnavailable(Exception):
    """The content is encrypted, and the key is not available. The message says why."""


class Encryption(Protocol):
    """How the content of files is encrypted."""

    def encrypt(self, content: bytes) -> bytes:
        """The bytes to write to the file."""
        ...

    def decrypt(self, content: bytes) -> bytes:
        """The bytes that were given to `encrypt`. Content that is not encrypted is returned as it is.

        Raises:
            DecryptionFailed, KeyUnavailable.
        """
        ...


class NoEncryption:
    """Files are written as plain text. Only their permissions protect them."""

    def __init__(self, reason: str = "there is no keyring here") -> None:
        self._reason = reason

    def encrypt(self, content: bytes) -> bytes:
        return content

    def decrypt(self, content: bytes) -> bytes:
        if is_encrypted(content):
            raise KeyUnavailable(self._reason)
        return content


def system_encryption(say: Callable[[str], None]) -> Encryption:
    """Encryption with the system's keyring, if the `keyring` package is installed and has a usable backend."""
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
    """Whether the content is a JWE in compact form (it begins with an encoded `{"`). Plain files begin with `{`."""
    return content.startswith(b"eyJ")


class Keyring(Protocol):
    """A backend of the `keyring` package."""

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...


class KeyringEncryption:
    """Encryption with AES-256-GCM (a JWE) and a key in the keyring.

    Args:
        say: gets a message when the keyring does not work. Files are then written as plain text.
    """

    def __init__(self, keyring: Keyring, say: Callable[[str], None]) -> None:
        self._keyring = keyring
        self._say = say
        self._key: OctKey | None = None

    def encrypt(self, content: bytes) -> bytes:
        key = self._load_key(create=True)
        if key is None:
            return content
        from joserfc import jwe  # loads cryptography, which is slow

        return jwe.encrypt_compact(_HEADER, content, key).encode("ascii")

    def decrypt(self, content: bytes) -> bytes:
        if not is_encrypted(content):
            return content
        key = self._load_key(create=False)
        if key is None:
            raise KeyUnavailable("the keyring does not give its key")
        from joserfc import jwe
        from joserfc.errors import JoseError

        try:
            return bytes(jwe.decrypt_compact(content.strip(), key).plaintext or b"")
        except (JoseError, ValueError) as error:
            raise DecryptionFailed from error

    def _load_key(self, *, create: bool) -> OctKey | None:
        if self._key is None:
            from joserfc.jwk import OctKey

            try:
                stored = self._keyring.get_password(SERVICE, ENTRY)
                if stored is None and create:
                    self._keyring.set_password(SERVICE, ENTRY, secrets.token_hex(_KEY_BYTES))
                    # Another process may have stored its key at the same time. All processes use what is stored now.
                    stored = self._keyring.get_password(SERVICE, ENTRY)
                self._key = None if stored is None else OctKey.import_key(bytes.fromhex(stored))
            except Exception as error:  # noqa: BLE001 - every backend raises errors of its own
                self._say(f"The system's keyring does not work ({type(error).__name__}): sign-ins are not encrypted.")
        return self._key
