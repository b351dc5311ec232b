"""The sign-in: the token that the tenant issued, its permissions, and whether the server accepts it."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from ..causes.catalogue import check_of, says_its_fix
from ..causes.providers import AUTH0
from ..claims import claims_of, decoded
from ..errors import GatehouseError, TokenRefused
from ..foreign_text import foreign
from ..identity import local_time
from ..signin.http.fetch import Reply
from ..signin.protocol.challenge import bearer_challenge
from ..signin.protocol.tokens import INVALID_GRANT
from ..storage.grant import Grant
from .attempts import sign_in
from .context import FAILURES, Context
from .findings import Finding, Mark, because, not_needed, ok, unknown, wrong
from .server import answer_to, first_answer
from .tenant import is_machine, published_keys, verifies

BEFORE_ACCEPTANCE: Final = ("keys", "token-audience", "token-algorithm", "token-signature")
"""Checks that are the cause if the server does not accept the token."""

_WITH_PUBLIC_KEYS: Final = ("RS", "PS", "ES", "Ed")
"""The beginnings of the names of signature algorithms whose keys are public (RFC 7518 section 3.1, RFC 8037)."""

_ANOTHER_API: Final = "the sign-in can be for another API than the server's: AUTH0_AUDIENCE is not the server's URL"
_SIGN_IN_FIRST: Final = "run `gatehouse login`, then `gatehouse doctor` again"


async def _renewal(context: Context) -> Finding:
    """Refresh the stored sign-in, so that its token is a current one; the finding of the check `refresh-token`."""
    return await context.once("the renewal", lambda: _renew(context))


async def _renew(context: Context) -> Finding:
    account = context.account
    if account.token is not None:
        context.grant = account.stored()
        return not_needed("a ready token (GATEHOUSE_TOKEN) is never refreshed")
    if context.is_unattended:
        await sign_in(context)
        return not_needed("a sign-in without a person is repeated instead of refreshed")
    async with account.store.locked(context.url):
        context.grant = grant = account.stored()
        if grant is None:
            return unknown("nobody is signed in")
        alive = grant.is_alive(time.time())
        if grant.refresh_token is None:
            return wrong(_why_missing(grant)) if alive else unknown("the sign-in has expired")
        try:
            context.grant = await account.provider.renew(grant)
        except TokenRefused as error:
            if error.code == INVALID_GRANT and not alive:
                context.grant = grant.model_copy(update={"refresh_token": None})
                return unknown(str(error))  # each sign-in ends at some time
            return wrong(str(error))
        except GatehouseError as error:
            return unknown(str(error))
        account.store.save(context.grant)
    return ok("The sign-in was refreshed.")


def _why_missing(grant: Grant) -> str:
    """Why there is no refresh token. A refused one is deleted, so both reasons look the same."""
    if "offline_access" not in grant.requested_scopes:
        return "The sign-in did not ask for one."
    return "The sign-in asked for one, but has none: it was not issued, or it was refused later."


async def refresh_token(context: Context) -> Finding:
    """Whether the sign-in can be refreshed."""
    finding, grant = await _renewal(context), context.grant
    is_missing = finding.mark is Mark.WRONG and grant is not None and grant.refresh_token is None
    return unknown(_ANOTHER_API) if is_missing and not await _is_for_server(context) else finding


async def _is_for_server(context: Context) -> bool:
    """Whether the sign-in is for the server's API. Faults of another API are no faults of this sign-in."""
    if context.audience == context.resource:
        return True
    with suppress(*FAILURES):
        without, with_token = await first_answer(context), await _answer(context)
        return without.status == 401 and (with_token.status < 400 or with_token.status == 403)
    return False


async def token(context: Context) -> Finding:
    """Whether the token is a JWT. An expired token says nothing about the tenant's present configuration."""
    await _renewal(context)
    grant = context.grant
    if grant is None:
        why = "no token was issued" if context.is_unattended else f"nobody is signed in: {_SIGN_IN_FIRST}"
        return unknown(why)
    if not grant.is_alive(time.time()):
        if context.account.token is not None:
            return wrong(
                "The token of GATEHOUSE_TOKEN has expired.", advice="Set a new GATEHOUSE_TOKEN, or unset it to sign in."
            )
        more = "see refresh-token" if grant.refresh_token else _SIGN_IN_FIRST
        return unknown(f"the sign-in expired at {local_time(grant.expires_at or 0)}: {more}")
    header, claims = decoded(grant.access_token)
    if claims:
        kind, algorithm = (foreign(str(header.get(name, f"without {name}")), 40) for name in ("typ", "alg"))
        return ok(f"A JWT ({kind}, {algorithm}).")
    parts = grant.access_token.count(".") + 1
    if context.profile.name != AUTH0:
        return ok("It is opaque: the server asks the provider what it is (introspection).", guessed=True)
    return wrong(f"It is not a JWT ({parts} parts): only the tenant can read it.")


def _token_of(context: Context) -> str:
    assert context.grant is not None
    return context.grant.access_token


def _unreadable(context: Context) -> Finding | None:
    """The finding about an opaque token, whose claims only the server sees."""
    return None if claims_of(_token_of(context)) else not_needed("the token is opaque: see accepted")


async def token_audience(context: Context) -> Finding:
    """Whether the token is for the API and from the tenant."""
    if opaque := _unreadable(context):
        return opaque
    claims, profile = claims_of(_token_of(context)), context.profile
    if profile.older and str(claims.get("iss", "")).startswith(profile.older[0]):
        return wrong(
            f"The token has an older format (iss is {foreign(str(claims['iss']))!r}).", advice=profile.older[1]
        )
    if "aud" not in claims and profile.prefix and profile.permissions(_token_of(context), frozenset()):
        return ok(f"by its scopes, which begin with {profile.prefix}")
    named = claims.get("aud")
    audiences = named if isinstance(named, list) else [named]
    if context.audience not in audiences:
        return wrong(f"aud is {foreign(str(named))!r}, but {context.audience!r} is expected.")
    if claims.get("iss") != context.issuer:
        return wrong(f"iss is {foreign(str(claims.get('iss')))!r}, but {context.issuer!r} is expected.")
    return ok(str(context.audience))


async def token_algorithm(context: Context) -> Finding:
    """Whether the API signs with the algorithm that the server accepts. Its settings may be unknown here."""
    if opaque := _unreadable(context):
        return opaque
    algorithm = foreign(str(decoded(_token_of(context))[0].get("alg")), 40)
    seen = f"The token is signed with {algorithm}."
    if not algorithm.startswith(_WITH_PUBLIC_KEYS):
        return wrong(seen)
    reply = await _answer(context)
    refused = reply.status == 401 and check_of(_refusal(reply)[0]) == "token-algorithm"
    if refused:
        advice = f"Set JWT_ALGORITHM of the server to {algorithm}, or let the tenant sign with the server's algorithm."
        return wrong(f"{seen} The server answers: {_refusal(reply)[0]}", advice=advice)
    return ok(seen)


async def token_signature(context: Context) -> Finding:
    """Whether the token is signed with one of the published keys."""
    if opaque := _unreadable(context):
        return opaque
    text = _token_of(context)
    header = decoded(text)[0]
    key_id, algorithm = str(header.get("kid")), str(header.get("alg"))
    key = (await published_keys(context)).get(key_id)
    shown = foreign(key_id, 80)
    if key is None:
        return wrong(f"The token's key {shown!r} is not among the published keys.")
    if not verifies(key, algorithm):
        return wrong(f"The published key {shown!r} is not for {foreign(algorithm, 40)}.")
    try:
        jws.deserialize_compact(text, import_key({**key, "alg": algorithm}), algorithms=[algorithm])
    except (JoseError, ValueError, TypeError) as error:
        return wrong(f"The signature does not match: {type(error).__name__}.")
    return ok(f"The signature of the key {shown} is valid.")


async def _answer(context: Context) -> Reply:
    """The server's answer to a request with the token."""
    return await context.once("the answer to the token", lambda: answer_to(context, _token_of(context)))


async def accepted(context: Context) -> Finding:
    """Whether the server accepts the token. Its answer to a missing permission is for the check `role`."""
    reply = await _answer(context)
    if reply.status == 421:
        return unknown("the server answers 421: see hosts")
    if reply.status >= 500 or reply.status == 429:
        return unknown(f"the server answers {reply.status}")
    said, code = _refusal(reply)
    if reply.status == 401:
        blocking = [found for check in BEFORE_ACCEPTANCE if (found := context.findings.get(check)) and found.blocks]
        if blocking:
            return because(context.findings[blocking[0].because or blocking[0].check])
        cause = check_of(said)
        audience = context.resource if cause == "token-audience" else None
        advice = "The answer names the setting at the provider." if says_its_fix(said) else ""
        return wrong(f"401: {said}", explained_by=cause or "", advice=advice, audience=audience)
    if code == "insufficient_scope":
        return unknown(f"the server answers 403 ({said}): see role")
    if reply.status == 403:
        return wrong(f"403: {said}", explained_by=check_of(said) or "")
    if reply.status < 400:
        return ok("The token is accepted.")
    return ok(f"The server answers {reply.status}, but not because of the token.")


def _refusal(reply: Reply) -> tuple[str, str]:
    """The reason of a refusal, and its code."""
    challenge = bearer_challenge(reply.headers.get_list("www-authenticate"))
    code = (challenge and challenge.error) or ""
    body = foreign(reply.body.decode("utf-8", "replace"), 120) if challenge is None else ""
    return foreign((challenge and challenge.description) or code or body) or "no reason given", code


async def hosts(context: Context) -> Finding:
    """Whether the server accepts the host name and the origin."""
    reply, host = await _answer(context), urlsplit(context.url).netloc
    origin = f"{urlsplit(context.url).scheme}://{host}"
    if reply.status == 421:
        return wrong(f"{context.url} answers 421: it does not accept the host name {host}.")
    if reply.status in (401, 403, 429) or reply.status >= 500:
        return unknown(f"the server answers {reply.status} to the token")
    if (await answer_to(context, _token_of(context), Origin=origin)).status == 403:
        return wrong(f"The server does not accept the origin {origin}.")
    return ok(f"{host}, and the origin {origin}")


async def rbac(context: Context) -> Finding:
    """Whether the token says which permissions the person's roles have."""
    claims = claims_of(_token_of(context))
    if "permissions" in claims:
        return ok("The token has the claim `permissions`.")
    if is_machine(claims):
        return not_needed("a machine has no roles")
    return wrong("The token has no `permissions` claim.")


async def role(context: Context) -> Finding:
    """Whether the person has the permission. The server's answer decides, if it is about permissions."""
    grant, required = context.grant, context.permission
    assert grant is not None
    reply = await _answer(context)
    if reply.status == 401 or not await _is_for_server(context):
        return unknown(_ANOTHER_API if reply.status != 401 else "the server does not accept the token: see accepted")
    if _unreadable(context) and reply.status < 400:
        return ok("The token is opaque, and the server accepts it.")
    person = grant.person or "the person"
    profile = context.profile
    granted = sorted(profile.permissions(grant.access_token, grant.scopes))
    allowed = profile.allowed(claims_of(grant.access_token)) or frozenset()
    has = foreign(" ".join(granted)) or "nothing"
    challenge = bearer_challenge(reply.headers.get_list("www-authenticate"))
    asked = challenge.permissions if reply.status == 403 and challenge else ()
    missing = [each for each in asked if each not in granted] or ([required] if required not in granted else [])
    if not missing and asked:
        return wrong(f"The server answers 403 and asks for {foreign(' '.join(asked))}; {person} has {has}.")
    if not missing:
        return ok(f"{person}: {has}")
    names = foreign(" ".join(missing))
    if all(each in allowed for each in missing):
        return wrong(f"The roles of {person} allow {names}, but the sign-in lacks it. Sign in again.")
    return wrong(f"{person} lacks {names}; granted: {has}.")


async def role_of_nobody(context: Context) -> Finding:
    """Before a sign-in: what the person will need."""
    if context.grant is not None or context.is_unattended or (context.objects and context.objects.members is not None):
        return unknown("another source tells more")
    needs = f"whoever signs in needs the permission {context.permission}, as a role gives it"
    return not_needed(f"nobody is signed in; {needs}, else the server answers 403")
