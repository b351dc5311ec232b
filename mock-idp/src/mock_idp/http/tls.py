"""The tenant's own certificate authority, because Auth0's SDKs refuse http."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import trustme

CA_FILE = "ca.pem"
CA_KEY_FILE = "ca-key.pem"
ORGANIZATION = "mock-idp, for development only"


class TlsError(Exception):
    """A file of the authority cannot be read or written. The message names the file and the reason."""


def load_authority(state_dir: Path | None, ca_file: Path) -> trustme.CA:
    """The authority in `state_dir`, or a new one. Its certificate is written to `ca_file` for clients to trust.

    TlsError if a file cannot be used. Without `state_dir` every start makes a new authority.
    """
    try:
        authority = _kept(state_dir) or _new(state_dir)
        ca_file.parent.mkdir(parents=True, exist_ok=True)
        ca_file.write_bytes(authority.cert_pem.bytes())
    except OSError as error:
        raise TlsError(f"MOCK_IDP_CA_FILE: cannot write {error.filename}: {error.strerror}") from error
    return authority


def server_context(authority: trustme.CA, names: Iterable[str]) -> ssl.SSLContext:
    """The TLS context of a server whose certificate is valid for `names` (host names or addresses)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert(*dict.fromkeys(names)).configure_cert(context)
    return context


def _kept(state_dir: Path | None) -> trustme.CA | None:
    if state_dir is None or not (state_dir / CA_KEY_FILE).exists():
        return None
    # Imported here because most tenants start without TLS.
    import trustme

    try:
        return trustme.CA.from_pem((state_dir / CA_FILE).read_bytes(), (state_dir / CA_KEY_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise TlsError(
            f"MOCK_IDP_STATE_DIR: {state_dir / CA_FILE} and its key do not belong together; delete both files"
        ) from error


def _new(state_dir: Path | None) -> trustme.CA:
    import trustme

    authority = trustme.CA(organization_name=ORGANIZATION)
    if state_dir is not None:
        state_dir.mkdir(parents=True, exist_ok=True)
        (state_dir / CA_FILE).write_bytes(authority.cert_pem.bytes())
        (state_dir / CA_KEY_FILE).touch(mode=0o600)
        (state_dir / CA_KEY_FILE).write_bytes(authority.private_key_pem.bytes())
    return authority
