"""The sign-in: the token that the tenant issued, its permissions, and whether the server accepts it."""

from __future__ import annotations

import time
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from ..account import Account
from ..causes.catalogue import ENTRIES, SIGN_IN
from ..claims import decoded
from ..errors import GatehouseError, TokenRefused
from ..identity import local_time
from ..mcp.permissions import permissions_of, roles_allow
from ..settings import Settings
from ..signin.http.fetch import Fetcher
from ..signin.protocol.tokens import INVALID_GRANT
from ..signin.ready_token import ReadyTokenAuth
from ..storage.grant import Grant
from .findings import Findings
from .server import check_acceptance
from .tenant import Keys

_CHECKS: Final = tuple(check for check, entry in ENTRIES.items() if entry.group == SIGN_IN)
_IN_TOKEN: Final = ("token-audience", "token-algorithm", "token-signature", "rbac", "role")
_SIGN_IN_FIRST: Final = "run `gatehouse login`, then `gatehouse doctor` again"


async def check_stored_sign_in(account: Account, server: str, findings: Findings) -> Grant | None:
    """The stored sign-in, refreshed so that its token is a current one; or the ready token.

    Returns None if there is no sign-in or if it has expired. An expired token says nothing about the tenant's present
    configuration.
    """
    grant = await _grant(account, server, findings)
    if grant is not None and grant.is_alive(time.time()):
        return grant
    if grant is None:
        _no_token("nobody is signed in", _SIGN_IN_FIRST, findings)
    elif account.token is not None:
        findings.wrong("accepted", "The token of GATEHOUSE_TOKEN has expired. Set a new one, or unset it to sign in.")
        findings.unknown(_CHECKS, "the token has expired")
    else:
        ended = f"the sign-in expired at {local_time(grant.expires_at or 0)}"
        _no_token(ended, "see refresh-token" if grant.refresh_token else _SIGN_IN_FIRST, findings)
    return None


async def check_access_token(
    fetch: Fetcher, settings: Settings, grant: Grant, audience: str, issuer: str, keys: Keys, findings: Findings
) -> None:
    """Check the access token of a sign-in, and send it to the server."""
    header, claims = decoded(grant.access_token)
    if claims:
        findings.ok("token", f"A JWT ({header.get('typ', 'without typ')}, {header.get('alg')}).")
        _check_audience(claims, audience, issuer, findings)
        _check_signature(grant.access_token, header, keys, findings)
        _check_permissions(grant, claims, settings.required_permission, findings)
    else:
        parts = grant.access_token.count(".") + 1
        findings.wrong("token", f"It is not a JWT ({parts} parts): only the tenant can read it.")
        findings.unknown(_IN_TOKEN, "the token is opaque")
    await check_acceptance(fetch, settings.mcp_public_url, grant, findings)


def _no_token(why: str, advice: str, findings: Findings) -> None:
    """Only the first check of the group shows the advice."""
    findings.unknown("token", f"{why}: {advice}")
    findings.unknown(_CHECKS, why)


async def _grant(account: Account, server: str, findings: Findings) -> Grant | None:
    ready = account.auth()
    if isinstance(ready, ReadyTokenAuth):
        findings.unknown("refresh-token", "a ready token (GATEHOUSE_TOKEN) is never refreshed")
        return ready.grant
    async with account.store.locked(server):
        grant = account.store.load(server, account.provider.owns)
        if grant is None:
            return None
        alive = grant.is_alive(time.time())
        if grant.refresh_token is None:
            if alive:
                findings.wrong("refresh-token", _why_missing(grant))
            return grant
        try:
            renewed = await account.provider.renew(grant)
        except TokenRefused as error:
            if error.code == INVALID_GRANT and not alive:
                findings.unknown("refresh-token", str(error))  # each sign-in ends at some time
                return grant.model_copy(update={"refresh_token": None})
            findings.wrong("refresh-token", str(error))
            return grant
        except GatehouseError as error:
            findings.unknown("refresh-token", str(error))
            return grant
        account.store.save(renewed)
    findings.ok("refresh-token", "The sign-in was refreshed.")
    return renewed


def _why_missing(grant: Grant) -> str:
    """Why there is no refresh token. A refused one is deleted, so both reasons look the same."""
    if "offline_access" not in grant.requested_scopes:
        return "The sign-in did not ask for one."
    return "The sign-in asked for one, but has none: it was not issued, or it was refused later."


def _check_audience(claims: dict[str, Any], audience: str, issuer: str, findings: Findings) -> None:
    named = claims.get("aud")
    audiences = named if isinstance(named, list) else [named]
    if audience not in audiences:
        findings.wrong("token-audience", f"aud is {named!r}, but {audience!r} is expected.")
    elif claims.get("iss") != issuer:
        findings.wrong("token-audience", f"iss is {claims.get('iss')!r}, but {issuer!r} is expected.")
    else:
        findings.ok("token-audience", audience)


def _check_signature(token: str, header: dict[str, Any], keys: Keys, findings: Findings) -> None:
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm != "RS256":
        findings.wrong("token-algorithm", f"The token is signed with {algorithm}.")
        findings.unknown("token-signature", f"the published keys are not for {algorithm}")
        return
    findings.ok("token-algorithm", "The token is signed with RS256.")
    key = keys.get(str(key_id))
    if not keys:
        findings.unknown("token-signature", "the tenant's keys are not available")
    elif key is None:
        findings.wrong("token-signature", f"The token's key {key_id!r} is not among the published keys.")
    else:
        try:
            jws.deserialize_compact(token, import_key(dict(key)), algorithms=["RS256"])
        except (JoseError, ValueError) as error:
            findings.wrong("token-signature", f"The signature does not match: {type(error).__name__}.")
        else:
            findings.ok("token-signature", f"The signature of the key {key_id} is valid.")


def is_machine(claims: dict[str, Any]) -> bool:
    """Whether the token is of an application without a person. Auth0 ends the `sub` with `@clients`."""
    return str(claims.get("sub", "")).endswith("@clients")


def _check_permissions(grant: Grant, claims: dict[str, Any], required: str, findings: Findings) -> None:
    person = grant.person or "the person"
    if "permissions" in claims:
        findings.ok("rbac", "The token has the claim `permissions`.")
    elif is_machine(claims):
        findings.unknown("rbac", "a machine has no roles")
    else:
        findings.wrong("rbac", "The token has no `permissions` claim.")
    granted, allowed = permissions_of(grant), roles_allow(claims)
    if required in granted:
        findings.ok("role", f"{person}: {' '.join(granted)}")
    elif required in allowed:
        findings.wrong("role", f"The roles of {person} allow {required}, but the sign-in lacks it. Sign in again.")
    else:
        findings.wrong("role", f"{person} lacks {required}; granted: {' '.join(granted) or 'nothing'}.")
