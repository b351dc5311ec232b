"""What a sign-in tells: the tokens that the tenant issues, and whom they let in."""

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
from .findings import Record
from .server import see_acceptance
from .tenant import Keys

_CHECKS: Final = tuple(check for check, entry in ENTRIES.items() if entry.group == SIGN_IN)
_IN_TOKEN: Final = ("token-audience", "token-algorithm", "token-signature", "rbac", "role")
_SIGN_IN_FIRST: Final = "run `gatehouse login`, then this again"


async def see_stored_sign_in(account: Account, server: str, record: Record) -> Grant | None:
    """The stored sign-in, renewed so that it is what the tenant issues now; or the ready token.

    None where there is nothing to look at. What has run out says how the tenant was, not how it is.
    """
    grant = await _grant(account, server, record)
    if grant is not None and grant.is_alive(time.time()):
        return grant
    if grant is None:
        _nothing("nobody is signed in", _SIGN_IN_FIRST, record)
    elif account.token is not None:
        record.wrong("accepted", "The token of GATEHOUSE_TOKEN has run out: give another, or unset it to sign in.")
        record.unknown(_CHECKS, "the token has run out")
    else:
        ended = f"the sign-in ran out at {local_time(grant.expires_at or 0)}"
        _nothing(ended, "see refresh-token" if grant.refresh_token else _SIGN_IN_FIRST, record)
    return None


async def see_grant(
    fetch: Fetcher, settings: Settings, grant: Grant, audience: str, issuer: str, keys: Keys, record: Record
) -> None:
    """Look at a sign-in's access token, and have the server accept it."""
    header, claims = decoded(grant.access_token)
    if claims:
        record.ok("token", f"A JWT ({header.get('typ', 'without typ')}, {header.get('alg')}).")
        _see_audience(claims, audience, issuer, record)
        _see_signature(grant.access_token, header, keys, record)
        _see_permissions(grant, claims, settings.required_permission, record)
    else:
        parts = grant.access_token.count(".") + 1
        record.wrong("token", f"Not a JWT ({parts} parts): only the tenant can read it.")
        record.unknown(_IN_TOKEN, "the token is opaque")
    await see_acceptance(fetch, settings.mcp_public_url, grant, record)


def _nothing(why: str, way_out: str, record: Record) -> None:
    """The way out is said once, at the group's first check."""
    record.unknown("token", f"{why}: {way_out}")
    record.unknown(_CHECKS, why)


async def _grant(account: Account, server: str, record: Record) -> Grant | None:
    ready = account.auth()
    if isinstance(ready, ReadyTokenAuth):
        record.unknown("refresh-token", "a ready token (GATEHOUSE_TOKEN) is not renewed")
        return ready.grant
    async with account.store.locked(server):
        grant = account.store.load(server, account.provider.owns)
        if grant is None:
            return None
        alive = grant.is_alive(time.time())
        if grant.refresh_token is None:
            if alive:
                record.wrong("refresh-token", _missing(grant))
            return grant
        try:
            renewed = await account.provider.renew(grant)
        except TokenRefused as error:
            if error.code == INVALID_GRANT and not alive:
                record.unknown("refresh-token", str(error))  # every sign-in ends one day
                return grant.model_copy(update={"refresh_token": None})
            record.wrong("refresh-token", str(error))
            return grant
        except GatehouseError as error:
            record.unknown("refresh-token", str(error))
            return grant
        account.store.save(renewed)
    record.ok("refresh-token", "The sign-in was renewed.")
    return renewed


def _missing(grant: Grant) -> str:
    """A refresh token that the tenant has refused is not kept, and so cannot be told from one that was not issued."""
    if "offline_access" not in grant.requested_scopes:
        return "The sign-in did not ask for one."
    return "It was asked for, and is not there: not issued, or refused since."


def _see_audience(claims: dict[str, Any], audience: str, issuer: str, record: Record) -> None:
    named = claims.get("aud")
    audiences = named if isinstance(named, list) else [named]
    if audience not in audiences:
        record.wrong("token-audience", f"aud is {named!r}, expected is {audience!r}.")
    elif claims.get("iss") != issuer:
        record.wrong("token-audience", f"iss is {claims.get('iss')!r}, expected is {issuer!r}.")
    else:
        record.ok("token-audience", audience)


def _see_signature(token: str, header: dict[str, Any], keys: Keys, record: Record) -> None:
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm != "RS256":
        record.wrong("token-algorithm", f"The token is signed with {algorithm}.")
        record.unknown("token-signature", f"the published keys are not for {algorithm}")
        return
    record.ok("token-algorithm", "The token is signed with RS256.")
    key = keys.get(str(key_id))
    if not keys:
        record.unknown("token-signature", "the tenant's keys cannot be had")
    elif key is None:
        record.wrong("token-signature", f"The token's key {key_id!r} is not among the published ones.")
    else:
        try:
            jws.deserialize_compact(token, import_key(dict(key)), algorithms=["RS256"])
        except (JoseError, ValueError) as error:
            record.wrong("token-signature", f"The signature does not match: {type(error).__name__}.")
        else:
            record.ok("token-signature", f"by the key {key_id}")


def is_machine(claims: dict[str, Any]) -> bool:
    """Whether an application signed in as itself, as Auth0 names it."""
    return str(claims.get("sub", "")).endswith("@clients")


def _see_permissions(grant: Grant, claims: dict[str, Any], required: str, record: Record) -> None:
    person = grant.person or "the person"
    if "permissions" in claims:
        record.ok("rbac", "The token has the claim `permissions`.")
    elif is_machine(claims):
        record.unknown("rbac", "a machine is signed in, which has no roles")
    else:
        record.wrong("rbac", "The token has no `permissions` claim.")
    granted, allowed = permissions_of(grant), roles_allow(claims)
    if required in granted:
        record.ok("role", f"{person}: {' '.join(granted)}")
    elif required in allowed:
        record.wrong("role", f"The roles of {person} allow {required}, but the sign-in did not get it: sign in again.")
    else:
        record.wrong("role", f"{person} lacks {required}; granted: {' '.join(granted) or 'nothing'}.")
