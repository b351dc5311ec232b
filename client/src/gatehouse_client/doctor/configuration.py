"""How the tenant is configured, judged by its own objects: what the dashboard would show to whoever looked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ..errors import foreign
from ..signin.flows.device import DEVICE_CODE
from .application import slips
from .findings import Record
from .objects import Document, Objects

MACHINE: Final = "client_credentials"


@dataclass(frozen=True)
class Wanted:
    """What a sign-in here needs of the tenant.

    Attributes:
        audience: the Identifier of the API that the agent asks for.
        resource: the server's name for itself, which other clients ask for.
        required: the permission that each call needs.
        permissions: all that the server names.
        grant_types: of the way to sign in; empty where a ready token is used.
        has_credentials: whether the agent authenticates at the token endpoint.
    """

    audience: str
    resource: str
    callback: str
    required: str
    permissions: tuple[str, ...]
    grant_types: tuple[str, ...]
    has_credentials: bool

    @property
    def is_machine(self) -> bool:
        return MACHINE in self.grant_types


def see_configuration(objects: Objects, wanted: Wanted, record: Record) -> None:
    """Judge what could be read; what could not is left to the other checks."""
    _see_application(objects, wanted, record)
    _see_connection(objects, wanted, record)
    if objects.apis is not None:
        _see_api(objects, wanted, record)
    _see_client_grant(objects, wanted, record)
    _see_role(objects, wanted, record)
    _see_refresh(objects, wanted, record)
    if objects.settings is not None:
        _see_settings(objects.settings, record)
    _see_third_party(objects, wanted, record)


def _see_application(objects: Objects, wanted: Wanted, record: Record) -> None:
    application = objects.application
    if application is None:
        return
    if not application:
        record.wrong("application", "The tenant has no application with this Client ID.")
        return
    party = "" if _is_first_party(application) else ", third-party"
    record.ok("application", f"{_quoted(application)}, {application.get('app_type') or 'of no type'}{party}")
    if "authorization_code" in wanted.grant_types:
        callbacks = application.get("callbacks") or []
        if wanted.callback in callbacks:
            record.ok("callback", f"allowed: {_listed(callbacks)}")
        elif any("*" in each for each in callbacks):
            record.unknown("callback", f"allowed: {_listed(callbacks)}, which may cover it")
        else:
            record.wrong("callback", f"Allowed is {_listed(callbacks)}, not {wanted.callback!r}.")
    allowed = application.get("grant_types") or []
    missing = [each for each in wanted.grant_types if each not in allowed]
    if missing:
        hint = _not_native(application) if DEVICE_CODE in missing else ""
        record.wrong("grant-types", f"Not among the application's: {', '.join(missing)}{hint}.")
    elif wanted.grant_types:
        record.ok("grant-types", f"the application's: {_listed(allowed)}")
    _see_method(application, wanted, record)


def _not_native(application: Document) -> str:
    kind = application.get("app_type")
    return "" if kind == "native" else f" (a {kind} application cannot have Device Code)"


def _see_method(application: Document, wanted: Wanted, record: Record) -> None:
    """`none` is the method of an application without a secret (RFC 7591 section 2)."""
    method = application.get("token_endpoint_auth_method")
    if method is None or not wanted.grant_types:
        return
    if method == "none" and wanted.has_credentials:
        seen = "The application has no secret (token_endpoint_auth_method: none), and one is set."
        record.wrong("credentials", seen, "AUTH0_CLIENT_SECRET=")
    elif method != "none" and not wanted.has_credentials:
        record.wrong("credentials", f"The application has to authenticate ({method}), and has nothing to do it with.")
    else:
        record.ok("credentials", f"the application's method: {method}")


def _see_connection(objects: Objects, wanted: Wanted, record: Record) -> None:
    if not objects.application or wanted.is_machine or not wanted.grant_types:
        return
    if _is_first_party(objects.application):
        usable, what = objects.enabled, "enabled for the application"
    else:
        usable, what = _domain_level(objects), "at the domain level, which a third-party application needs"
    if usable is None:
        return
    if usable:
        record.ok("connection", f"{what}: {_listed(usable)}")
    else:
        record.wrong("connection", f"No connection is {what}.")


def _see_api(objects: Objects, wanted: Wanted, record: Record) -> None:
    api = objects.api(wanted.audience)
    if api is None:
        _see_other_apis(objects, wanted, record)
        return
    algorithm, dialect = api.get("signing_alg", "RS256"), api.get("token_dialect", "access_token")
    record.ok("api", f"{_quoted(api)}, {algorithm}, {dialect}")
    if algorithm == "RS256":
        record.ok("token-algorithm", "the API signs with RS256")
    else:
        record.wrong("token-algorithm", f"The API signs with {algorithm}.")
    defined = _values(api)
    missing = [each for each in wanted.permissions if each not in defined]
    if missing:
        has = f"it has {_listed(defined)}" if defined else "it has none"
        record.wrong("permissions", f"The API does not define {', '.join(missing)}; {has}.")
    else:
        record.ok("permissions", _listed(wanted.permissions))
    if wanted.is_machine:
        return
    off = [
        *([] if api.get("enforce_policies") else ["Enable RBAC (enforce_policies)"]),
        *([] if dialect.endswith("_authz") else [f"Add Permissions in the Access Token (token_dialect: {dialect})"]),
    ]
    if off:
        record.wrong("rbac", f"Off: {' and '.join(off)}.")
    else:
        record.ok("rbac", "both switches of the API are on")


def _see_other_apis(objects: Objects, wanted: Wanted, record: Record) -> None:
    for other, difference in slips(wanted.audience).items():
        if objects.api(other) is not None:
            seen = f"The tenant has no API {wanted.audience!r}, but it has {other!r} ({difference})."
            record.wrong("api", seen, f"AUTH0_AUDIENCE={other}  # or make an API {wanted.audience}")
            return
    others = [api["identifier"] for api in objects.apis or () if not api.get("is_system")]
    record.wrong("api", f"The tenant has no API {wanted.audience!r}; it has {_listed(others) or 'none'}.")


def _see_client_grant(objects: Objects, wanted: Wanted, record: Record) -> None:
    api, application = objects.api(wanted.audience), objects.application
    if api is None or not application or objects.grants is None or not wanted.grant_types:
        return
    kind = "client" if wanted.is_machine else "user"
    policy = _policy(api, kind)
    grant = _grant(objects.grants, application, wanted.audience, kind)
    told = f"the API's policy for {kind}s: {policy}"
    if policy == "deny_all":
        record.wrong("client-grant", f"Nobody gets a token: {told}.")
    elif grant is not None:
        _see_scope(grant, wanted, "client-grant", told, record)
    elif policy == "allow_all" and _is_first_party(application):
        record.ok("client-grant", f"{told}, which needs none")
    else:
        record.wrong("client-grant", f"The application has no client grant of the type {kind}, and needs one ({told}).")


def _see_scope(grant: Document, wanted: Wanted, check: str, told: str, record: Record) -> None:
    scope = [str(each) for each in grant.get("scope") or []]
    if grant.get("allow_all_scopes"):
        record.ok(check, f"{told}; the grant has all permissions")
    elif wanted.required in scope:
        record.ok(check, f"{told}; the grant has {_listed(scope)}")
    else:
        record.wrong(check, f"The client grant lacks {wanted.required}; it has {_listed(scope) or 'no permission'}.")


def _see_role(objects: Objects, wanted: Wanted, record: Record) -> None:
    if objects.permissions is None or wanted.is_machine:
        return
    api = objects.api(wanted.audience)
    if objects.apis is not None and not (api and api.get("enforce_policies")):
        return  # nobody asks for the roles
    roles = f"roles: {_listed(objects.roles or []) or 'none'}"
    if wanted.required in objects.permissions:
        record.ok("role", f"{roles}; they allow {_listed(objects.permissions)}")
    else:
        allowed = _listed(objects.permissions) or "nothing"
        record.wrong("role", f"The person has the {roles}; they allow {allowed} of this API.")


def _see_refresh(objects: Objects, wanted: Wanted, record: Record) -> None:
    api, application = objects.api(wanted.audience), objects.application
    if api is None or not application or "refresh_token" not in wanted.grant_types:
        return
    if not api.get("allow_offline_access"):
        record.wrong("refresh-token", "Allow Offline Access is off for the API.")
    elif "refresh_token" not in (application.get("grant_types") or []):
        record.wrong("refresh-token", "The application may not use the grant type refresh_token.")
    else:
        record.ok("refresh-token", "API and application allow it")


def _see_settings(settings: Document, record: Record) -> None:
    profile = settings.get("resource_parameter_profile") or "audience"
    if profile == "compatibility":
        record.ok("resource-profile", f"resource_parameter_profile: {profile}")
    else:
        default = settings.get("default_audience")
        then = f"a token for the default audience, {default}" if default else "an opaque token"
        record.wrong(
            "resource-profile", f"resource_parameter_profile: {profile}. Who sends only `resource` gets {then}."
        )
    if _registers(settings):
        record.ok("registration", "switched on in the tenant's settings")
    else:
        record.wrong("registration", "Dynamic Client Registration is off in the tenant's settings.")
    if settings.get("client_id_metadata_document_supported"):
        on_use = settings.get("client_id_metadata_document_dynamic_registration_supported")
        then = "" if on_use else ", for documents that somebody has imported"
        record.ok("client-metadata", f"switched on in the tenant's settings{then}")
    else:
        record.unknown("client-metadata", "off in the tenant's settings; it is optional")


def _see_third_party(objects: Objects, wanted: Wanted, record: Record) -> None:
    """Where no client can register itself, there is nobody whom this could hinder."""
    settings = objects.settings
    if settings is not None and not _registers(settings) and not settings.get("client_id_metadata_document_supported"):
        return
    domain = _domain_level(objects)
    if domain:
        record.ok("domain-connection", f"at the domain level: {_listed(domain)}")
    elif domain is not None:
        names = _listed(str(each["name"]) for each in objects.connections or ())
        record.wrong("domain-connection", f"No connection is at the domain level; the tenant has {names or 'none'}.")
    api = objects.api(wanted.resource)
    if api is None or objects.grants is None:
        return
    policy = _policy(api, "user")
    grants = [each for each in objects.grants if each["audience"] == wanted.resource]
    default = next((g for g in grants if g.get("default_for") and g.get("subject_type") == "user"), None)
    if policy == "deny_all":
        record.wrong("third-party-grant", "The API's policy for users is deny_all.")
    elif default is None:
        record.wrong("third-party-grant", "There is no default client grant for third-party clients.")
    else:
        _see_scope(default, wanted, "third-party-grant", "default for third-party clients", record)


def _grant(grants: Iterable[Document], application: Document, audience: str, kind: str) -> Document | None:
    """The grant that applies: the application's own, else the default of third-party ones (Auth0: Client Grants)."""
    fitting = [g for g in grants if g["audience"] == audience and g.get("subject_type", "client") == kind]
    own = next((g for g in fitting if g.get("client_id") == application["client_id"]), None)
    if own is not None or _is_first_party(application):
        return own
    return next((g for g in fitting if g.get("default_for")), None)


def _policy(api: Document, kind: str) -> str:
    """Source: Auth0, API Access Policies for Applications: the default is allow_all for users, a grant for machines."""
    stated = ((api.get("subject_type_authorization") or {}).get(kind) or {}).get("policy")
    return str(stated or ("allow_all" if kind == "user" else "require_client_grant"))


def _domain_level(objects: Objects) -> list[str] | None:
    if objects.connections is None:
        return None
    return [str(each["name"]) for each in objects.connections if each.get("is_domain_connection")]


def _registers(settings: Document) -> bool:
    return bool((settings.get("flags") or {}).get("enable_dynamic_client_registration"))


def _is_first_party(application: Document) -> bool:
    return bool(application.get("is_first_party", True))


def _values(api: Document) -> list[str]:
    return [str(scope["value"]) for scope in api.get("scopes") or []]


def _quoted(named: Document) -> str:
    return f'"{foreign(str(named.get("name", "")), 60)}"'


def _listed(values: Iterable[Any]) -> str:
    return foreign(", ".join(str(each) for each in values), 200)
