"""All checks as one graph: each check names the checks that it stands on, and runs only if these pass."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from functools import reduce
from graphlib import TopologicalSorter
from typing import Final

from ..account import Account
from ..causes.catalogue import ENTRIES, OTHERS
from ..causes.providers import AUTH0, AUTH0_CHECKS, OTHERS_CHECKS
from ..errors import GatehouseError
from ..settings import Settings
from ..signin.http.trace import Trace
from . import attempts, other_clients, server, tenant, tokens
from .attempts import shown_by_sign_in
from .configuration import CONFIGURED, Configured, Requirements
from .context import Context
from .findings import Finding, because, combined, not_needed, unknown

Look = Callable[[Context], Awaitable[Finding]]

_OPENID: Final = frozenset({"openid", "offline_access"})


@dataclass(frozen=True)
class Check:
    """One source of a check's result. A check can have several, which are combined in their order.

    Attributes:
        name: a name of `ENTRIES`.
        grounds: the checks that it stands on: if one is wrong or unknown, this source says nothing.
        look: finds the result.
        after: checks that run earlier, because `look` compares its result with theirs.
    """

    name: str
    grounds: tuple[str, ...]
    look: Look
    after: tuple[str, ...] = ()


def checks_for(settings: Settings) -> list[Check]:
    """The graph. Its order does not matter."""
    resource = ("resource-metadata",)
    names_tenant = () if settings.issuer else resource
    names_api = () if settings.auth0_audience else resource
    unattended = settings.gatehouse_sign_in in ("machine", "assertion")
    client = "issuer" if unattended else "application"
    return [
        # The server, and the tenant that it names.
        Check("tls", (), server.certificates),
        Check("clock", (), server.clocks),
        Check("server", ("tls",), server.server),
        Check("challenge", ("server",), server.challenge),
        Check("required-permission", ("challenge",), server.required_permission),
        Check("resource-metadata", ("challenge",), server.resource_metadata),
        Check("authorization-server", ("resource-metadata", "issuer"), server.authorization_server),
        Check("discovery", ("tls", *names_tenant), tenant.discovery),
        Check("issuer", ("discovery",), tenant.issuer),
        Check("pkce", ("discovery",), tenant.pkce),
        Check("keys", ("discovery",), tenant.keys),
        Check("management", ("issuer",), tenant.management),
        # The agent's application and its API.
        Check("callback-port", (), attempts.callback_port),
        Check("application", ("issuer",), shown_by_sign_in("application")),
        Check("callback", ("application",), shown_by_sign_in("callback")),
        Check("connection", ("callback",), shown_by_sign_in("connection")),
        Check("credentials", (client,), attempts.credentials),
        Check("grant-types", ("credentials",), attempts.grant_types),
        Check("assertion", ("issuer",), shown_by_sign_in("assertion")),
        Check("scopes", ("callback",), shown_by_sign_in("scopes"), ("challenge",)),
        Check("api", ("callback", *names_api), shown_by_sign_in("api")),
        Check("permissions", (), _only_configured),
        Check("client-grant", ("api",), shown_by_sign_in("client-grant")),
        # The sign-in.
        Check("token", ("clock", "issuer", *(("client-grant",) if unattended else ())), tokens.token),
        Check("token-audience", ("token", *names_api), tokens.token_audience),
        Check("token-algorithm", ("token",), tokens.token_algorithm),
        Check("token-signature", ("token", "token-algorithm", "keys"), tokens.token_signature),
        Check("accepted", ("challenge", "token"), tokens.accepted, tokens.BEFORE_ACCEPTANCE),
        Check("rbac", ("token",), tokens.rbac),
        Check("role", ("token", "rbac", "required-permission", "permissions", "token-audience"), tokens.role),
        Check("role", (), tokens.role_of_nobody),
        Check("refresh-token", ("clock", "grant-types"), tokens.refresh_token),
        Check("hosts", ("server",), server.hosts),
        Check("hosts", ("challenge", "token"), tokens.hosts),
        # Clients that nobody registered.
        Check("resource-identifier", resource, other_clients.resource_identifier),
        Check("resource-profile", ("callback",), other_clients.resource_profile),
        Check("registration", ("issuer",), other_clients.registration),
        Check("client-metadata", ("issuer",), other_clients.client_metadata),
        Check("domain-connection", ("registration", *resource), other_clients.domain_connection),
        Check("third-party-grant", ("domain-connection",), other_clients.third_party_grant),
        # What the tenant's objects say about the same checks.
        *(Check(name, ("management", *grounds), _configured(look)) for name, (grounds, look) in CONFIGURED.items()),
    ]


def only_for_others(settings: Settings) -> frozenset[str]:
    """The checks that only clients of other people need, not the configured way to sign in.

    An agent without a Client ID is such a client itself: it registers itself, or it is a metadata document.
    """
    others = frozenset(check for check, entry in ENTRIES.items() if entry.group == OTHERS)
    if settings.auth0_client_id or settings.gatehouse_token:
        return others
    own = {"client-metadata" if settings.oauth_client_metadata_url else "registration"}
    return others - own - {"domain-connection", "third-party-grant"}


async def examine(
    settings: Settings, account: Account, trace: Trace, *, register: bool = False, skip: Iterable[str] = ()
) -> list[Finding]:
    """Run all checks, with one finding for each, in the order of `ENTRIES`. No person signs in for this.

    Args:
        register: whether to register a client, for the checks about such clients.
        skip: checks to leave out. They do not keep others from running.
    """
    context = Context(settings, account, trace, register)
    skipped = set(skip) | (set() if settings.gatehouse_sign_in == "assertion" else {"assertion"})
    if settings.profile.name not in (None, AUTH0):
        skipped |= AUTH0_CHECKS
    by_name: dict[str, list[Check]] = {}
    earlier: TopologicalSorter[str] = TopologicalSorter()
    for check in checks_for(settings):
        if "management" in check.grounds and "management" in skipped:
            continue
        by_name.setdefault(check.name, []).append(check)
        earlier.add(check.name, *check.grounds, *check.after)
    for name in earlier.static_order():
        if name not in skipped:
            sources = [await _look(check, context) for check in by_name[name]]
            context.findings[name] = replace(reduce(combined, sources), check=name)
    values, profile = context.fix_values(), context.profile.name
    skipped |= OTHERS_CHECKS if profile == AUTH0 else AUTH0_CHECKS  # perhaps only the server names the tenant
    found = [context.findings[name].about(profile) for name in ENTRIES if name not in skipped]
    return [replace(each, values={**values, **each.values}) for each in found]


async def _look(check: Check, context: Context) -> Finding:
    for ground in check.grounds:
        finding = context.findings.get(ground)
        if finding is not None and finding.blocks:
            return because(context.findings[finding.because or ground])
    try:
        return await check.look(context)
    except GatehouseError as error:
        return unknown(str(error))


async def _only_configured(_: Context) -> Finding:
    return not_needed("only the Management API tells this")


def _configured(look: Configured) -> Look:
    """A check of the tenant's objects. It says nothing about objects that could not be read."""

    async def check(context: Context) -> Finding:
        assert context.objects is not None
        return look(context.objects, _requirements(context)) or unknown("the tenant's objects do not tell this")

    return check


def _requirements(context: Context) -> Requirements:
    named = (context.metadata and context.metadata.scopes_supported) or ()
    others = [name for name in named if name not in _OPENID]
    client = context.client
    return Requirements(
        audience=context.audience or "",
        resource=context.resource or context.url,
        callback=context.settings.oauth_callback_uri,
        required_permission=context.permission,
        permissions=tuple(dict.fromkeys([context.permission, *others])),
        grant_types=() if context.account.token else context.account.provider.grant_types,
        has_credentials=client is not None and (client.secret is not None or client.key is not None),
    )
