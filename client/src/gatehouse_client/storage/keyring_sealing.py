"""The seal whose key a keyring keeps."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final, Protocol

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from .sealing import BrokenSeal, SealUnavailable, is_sealed

SERVICE: Final = "gatehouse"
ENTRY: Final = "token store"
_HEADER: Final = {"alg": "dir", "enc": "A256GCM"}
_KEY_BYTES: Final = 32


class Keyring(Protocol):
    """What a backend of the `keyring` package does."""

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...


class KeyringSeal:
    """Sealed with AES-256-GCM (a JWE) under a key that the keyring keeps.

    Args:
        keyring: a backend of the `keyring` package.
        say: told when the keyring does not do its work; files are then written without a seal.
    """

    def __init__(self, keyring: Keyring, say: Callable[[str], None]) -> None:
        self._keyring = keyring
        self._say = say
        self._key: OctKey | None = None

    def sealed(self, content: bytes) -> bytes:
        key = self._loaded(make=True)
        if key is None:
            return content
        return jwe.encrypt_compact(_HEADER, content, key).encode("ascii")

    def opened(self, content: bytes) -> bytes:
        if not is_sealed(content):
            return content
        key = self._loaded(make=False)
        if key is None:
            raise SealUnavailable("the keyring does not give its key")
        try:
            return bytes(jwe.decrypt_compact(content.strip(), key).plaintext or b"")
        except (JoseError, ValueError) as error:
            raise BrokenSeal from error

    def _loaded(self, *, make: bool) -> OctKey | None:
        if self._key is None:
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
