"""Sessions of the upstream, each bound to the caller that opened it.

MCP streamable HTTP up to revision 2025-11-25 has sessions. The upstream does not know the callers of the gate, so the
gate binds the session: the id that the client gets has a code for the upstream's id and its caller. No other caller can
use it, and the gate keeps no table, so that a session also works through another replica with the same key.

Source: MCP 2025-11-25, security best practices, "Session hijacking" (bind session ids to the user).
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from hashlib import sha256

_CODE_LENGTH = 32
"""Characters of the code: 192 of the 256 bits of HMAC-SHA-256."""
_LONGEST_ID = 1024
_VISIBLE = re.compile(r"[\x21-\x7e]+")  # MCP streamable HTTP: the characters of a session id

Owner = tuple[str, str]
"""Subject and client of a verified token."""


class ForeignSession(Exception):
    """The session id is of another caller, or of none."""


class Sessions:
    """Turns the upstream's session ids into those of the gate's clients, and back.

    Args:
        keys: secrets. The first one makes new codes, all are accepted.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    def sealed(self, session: str, owner: Owner) -> str:
        """The id for the client.

        Raises:
            ValueError: the upstream's id is too long or has characters that no session id may have.
        """
        if len(session) > _LONGEST_ID or not _VISIBLE.fullmatch(session):
            raise ValueError("not a session id")
        return f"{_code(self._keys[0], session, owner)}{session}"

    def opened(self, sealed: str, owner: Owner) -> str:
        """The upstream's id.

        Raises:
            ForeignSession: the id was not made for this caller.
        """
        code, session = sealed[:_CODE_LENGTH], sealed[_CODE_LENGTH:]
        if not session or not sealed.isascii():
            raise ForeignSession
        if not any(hmac.compare_digest(_code(key, session, owner), code) for key in self._keys):
            raise ForeignSession
        return session


def _code(key: bytes, session: str, owner: Owner) -> str:
    # Each part with its length, so that two callers never have the same text.
    parts = (part.encode("utf-8", "surrogatepass") for part in (*owner, session))
    text = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return base64.urlsafe_b64encode(hmac.digest(key, text, sha256)).decode("ascii")[:_CODE_LENGTH]
