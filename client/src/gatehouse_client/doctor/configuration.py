"""The tenant's configuration, judged by its objects, as the dashboard also shows them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..foreign_text import foreign
from ..signin.flows.device import DEVICE_CODE
from ..signin.protocol.silent import similar_identifiers
from .findings import Finding, not_needed, ok, unknown, wrong
from .objects import Document, Objects


@dataclass(frozen=True)
class Requirements:
    """What the sign-in needs from the tenant.

    Attributes:
        audience: the Identifier of the API that the agent requests.
        resource: the server's own identifier, which other clients request.
        callback: the agent's callback URL.
        required_permission: the permission that each call needs.
        permissions: all permissions that the server names.
        grant_types: the grant types that the sign-in uses; empty for a ready token.
        has_credentials: whether the agent authenticates at the token endpoint.
    """

    audience: str
    resource: str
    callback: str
    required_permission: str
    permissions: tuple[str, ...]
    grant_types: tuple[str, ...]
    has_credentials: bool

    @property
    def is_machine(self) -> bool:
        return "client_credentials" in self.grant_types


Configured = Callable[[Objects, Requirements], Finding | None]
"""Judges the objects for one check; None if objects that it needs could not be read."""


def _application(objects: Objects, _: Requirements) -> Finding | None:
    application = objects.application
    if application is None:
        return None
    if not application:
        return wrong("The tenant has no application with this Client ID.")
    party = "" if _is_first_party(application) else ", third-party"
    return ok(f"{_quoted(application)}, {application.get('app_type') or 'without a type'}{party}")


def _callback(objects: Objects, needs: Requirements) -> Finding | None:
    if not objects.application or "authorization_code" not in needs.grant_types:
        return None
    callbacks = objects.application.get("callbacks") or []
    if needs.callback in callbacks:
        return ok(f"allowed: {_listed(callbacks)}")
    if any("*" in each for each in callbacks):
        return unknown(f"allowed: {_listed(callbacks)}, whose wildcard may match")
    allowed = callbacks[0] if callbacks else None
    return wrong(f"Allowed: {_listed(callbacks) or 'none'}, not {needs.callback!r}.", allowed_callback=allowed)


def _grant_types(objects: Objects, needs: Requirements) -> Finding | None:
    if not objects.application or not needs.grant_types:
        return None
    allowed = objects.application.get("grant_types") or []
    missing = [each for each in needs.grant_types if each not in allowed]
    if not missing:
        return ok(f"the application's: {_listed(allowed)}")
    kind = objects.application.get("app_type")
    not_native = DEVICE_CODE in missing and kind != "native"
    hint = f" (a {kind} application cannot have Device Code)" if not_native else ""
    return wrong(f"The application may not use {', '.join(missing)}{hint}.")


def _credentials(objects: Objects, needs: Requirements) -> Finding | None:
    """Compare the authentication methods. `none` is for an application without a secret (RFC 7591 section 2)."""
    method = (objects.application or {}).get("token_endpoint_auth_method")
    if method is None or not needs.grant_types:
        return None
    if method == "none" and needs.has_credentials:
        seen = "The application has no secret (token_endpoint_auth_method: none), but one is set."
        return wrong(seen, advice="Remove AUTH0_CLIENT_SECRET.")
    if method != "none" and not needs.has_credentials:
        return wrong(f"The application must authenticate ({method}), but no credentials are set.")
    return ok(f"the application's method: {method}")


def _connection(objects: Objects, needs: Requirements) -> Finding | None:
    if not objects.application or needs.is_machine or not needs.grant_types:
        return None
    if _is_first_party(objects.application):
        usable, what = objects.enabled, "enabled for the application"
    else:
        usable, what = _domain_level(objects), "at the domain level, which a third-party application needs"
    if usable is None:
        return None
    return ok(f"{what}: {_listed(usable)}") if usable else wrong(f"No connection is {what}.")


def _api(objects: Objects, needs: Requirements) -> Finding | None:
    if objects.apis is None:
        return None
    api = objects.api(needs.audience)
    if api is not None:
        others = objects.api(needs.resource)
        if needs.required_permission not in _values(api) and others and needs.required_permission in _values(others):
            seen = f"{needs.audience!r} is not the server's API: the tenant has {needs.resource!r} with the permission"
            return wrong(f"{seen} {needs.required_permission}.", audience=needs.resource)
        return ok(f"{_quoted(api)}, {_algorithm(api)}, {_dialect(api)}")
    for similar, difference in similar_identifiers(needs.audience).items():
        if objects.api(similar) is not None:
            seen = f"The tenant has no API {needs.audience!r}, but it has {similar!r} ({difference})."
            return wrong(seen, audience=similar)
    existing = [api["identifier"] for api in objects.apis if not api.get("is_system")]
    return wrong(f"The tenant has no API {needs.audience!r}; it has {_listed(existing) or 'none'}.")


def _token_algorithm(objects: Objects, needs: Requirements) -> Finding | None:
    api = objects.api(needs.audience)
    if api is None:
        return None
    algorithm = _algorithm(api)
    return ok("the API signs with RS256") if algorithm == "RS256" else wrong(f"The API signs with {algorithm}.")


def _permissions(objects: Objects, needs: Requirements) -> Finding | None:
    api = objects.api(needs.audience)
    if api is None:
        return None
    defined = _values(api)
    missing = [each for each in needs.permissions if each not in defined]
    if not missing:
        return ok(_listed(needs.permissions))
    has = f"it has {_listed(defined)}" if defined else "it has none"
    scopes = json.dumps([{"value": value} for value in [*defined, *missing]], separators=(",", ":"))
    seen = f"The API does not define {', '.join(missing)}; {has}."
    return wrong(seen, api_id=api.get("id"), scopes=scopes)


def _rbac(objects: Objects, needs: Requirements) -> Finding | None:
    api = objects.api(needs.audience)
    if api is None or needs.is_machine:
        return None
    dialect = _dialect(api)
    off = [
        *([] if api.get("enforce_policies") else ["Enable RBAC (enforce_policies)"]),
        *([] if dialect.endswith("_authz") else [f"Add Permissions in the Access Token (token_dialect: {dialect})"]),
    ]
    return wrong(f"Off: {' and '.join(off)}.") if off else ok("both switches of the API are on")


def _client_grant(objects: Objects, needs: Requirements) -> Finding | None:
    api, application = objects.api(needs.audience), objects.application
    if api is None or not application or objects.grants is None or not needs.grant_types:
        return None
    kind = "client" if needs.is_machine else "user"
    policy = _policy(api, kind)
    grant = _grant(objects.grants, application, needs.audience, kind)
    policy_text = f"the API's policy for {kind}s: {policy}"
    if policy == "deny_all":
        return wrong(f"No application gets a token: {policy_text}.")
    if grant is not None:
        return _scope_of(grant, needs, policy_text)
    if policy == "allow_all" and _is_first_party(application):
        return ok(f"{policy_text}, which needs no client grant")
    return wrong(f"The application has no client grant of the type {kind}, but needs one ({policy_text}).")


def _scope_of(grant: Document, needs: Requirements, policy_text: str) -> Finding:
    scope = [str(each) for each in grant.get("scope") or []]
    if grant.get("allow_all_scopes"):
        return ok(f"{policy_text}; the grant has all permissions")
    if needs.required_permission in scope:
        return ok(f"{policy_text}; the grant has {_listed(scope)}")
    has = _listed(scope) or "no permission"
    return wrong(f"The client grant lacks {needs.required_permission}; it has {has}.")


def _role(objects: Objects, needs: Requirements) -> Finding | None:
    api = objects.api(needs.audience)
    unused = objects.apis is not None and not (api and api.get("enforce_policies"))
    if needs.is_machine or unused:
        return None
    if objects.permissions is None:
        return _role_of_nobody(objects.members, needs.required_permission)
    roles = f"roles: {_listed(objects.roles or []) or 'none'}"
    allowed = _listed(objects.permissions) or "nothing"
    if needs.required_permission in objects.permissions:
        return ok(f"{roles}; they allow {allowed}")
    return wrong(f"The person has {roles}. They allow {allowed} of this API.")


def _role_of_nobody(members: Mapping[str, bool] | None, permission: str) -> Finding | None:
    """What the person will need who signs in. A permission without a role cannot be seen here, so nothing is wrong."""
    if members is None:
        return None
    held = [name for name, somebody in members.items() if somebody]
    if held:
        return not_needed(f"nobody is signed in; {permission} is in the role {_listed(held)}, which somebody has")
    if not members:
        return not_needed(f"nobody is signed in; no role has {permission}, without which the server answers 403")
    give = "`gatehouse tenant apply --give-role E-MAIL`, or User Management > Users > the user > Roles"
    seen = f"nobody has the role {_listed(members)}, so the server answers everybody 403. Give it: {give}"
    return not_needed(f"nobody is signed in; {seen}")


def _refresh_token(objects: Objects, needs: Requirements) -> Finding | None:
    api, application = objects.api(needs.audience), objects.application
    if api is None or not application or "refresh_token" not in needs.grant_types:
        return None
    if not api.get("allow_offline_access"):
        return wrong("Allow Offline Access is off for the API.")
    return ok("the API allows it")


def _resource_profile(objects: Objects, _: Requirements) -> Finding | None:
    if objects.settings is None:
        return None
    profile = objects.settings.get("resource_parameter_profile") or "audience"
    if profile == "compatibility":
        return ok(f"resource_parameter_profile: {profile}")
    default = objects.settings.get("default_audience")
    then = f"a token for the default audience, {default}" if default else "an opaque token"
    return wrong(f"resource_parameter_profile: {profile}. A client that sends only `resource` gets {then}.")


def _registration(objects: Objects, _: Requirements) -> Finding | None:
    if objects.settings is None:
        return None
    if _registers(objects.settings):
        return ok("switched on in the tenant's settings")
    return wrong("Dynamic Client Registration is off in the tenant's settings.")


def _client_metadata(objects: Objects, _: Requirements) -> Finding | None:
    settings = objects.settings
    if settings is None:
        return None
    if not settings.get("client_id_metadata_document_supported"):
        return not_needed("off in the tenant's settings; it is optional")
    on_use = settings.get("client_id_metadata_document_dynamic_registration_supported")
    return ok(f"switched on in the tenant's settings{'' if on_use else ', for imported documents'}")


def _domain_connection(objects: Objects, _: Requirements) -> Finding | None:
    domain = _domain_level(objects)
    if domain is None or not _takes_strangers(objects):
        return None
    if domain:
        return ok(f"at the domain level: {_listed(domain)}")
    others = objects.connections or []
    names = _listed(str(each["name"]) for each in others) or "none"
    seen = f"No connection is at the domain level; the tenant has {names}."
    return wrong(seen, connection_id=str(others[0]["id"]) if others and others[0].get("id") else None)


def _third_party_grant(objects: Objects, needs: Requirements) -> Finding | None:
    api = objects.api(needs.resource)
    if api is None or objects.grants is None or not _takes_strangers(objects):
        return None
    grants = [each for each in objects.grants if each["audience"] == needs.resource]
    default = next((g for g in grants if g.get("default_for") and g.get("subject_type") == "user"), None)
    if _policy(api, "user") == "deny_all":
        return wrong("The API's policy for users is deny_all.")
    if default is None:
        return wrong("There is no default client grant for third-party clients.")
    return _scope_of(default, needs, "default for third-party clients")


CONFIGURED: Final[Mapping[str, tuple[tuple[str, ...], Configured]]] = {
    "application": ((), _application),
    "callback": (("application",), _callback),
    "connection": (("application",), _connection),
    "credentials": (("application",), _credentials),
    "grant-types": (("application",), _grant_types),
    "api": (("application",), _api),
    "permissions": (("api", "required-permission"), _permissions),
    "client-grant": (("api", "required-permission"), _client_grant),
    "token-algorithm": (("api",), _token_algorithm),
    "rbac": (("api",), _rbac),
    "role": (("api", "permissions", "rbac", "required-permission"), _role),
    "refresh-token": (("api", "grant-types"), _refresh_token),
    "resource-profile": ((), _resource_profile),
    "registration": ((), _registration),
    "client-metadata": ((), _client_metadata),
    "domain-connection": ((), _domain_connection),
    "third-party-grant": (("resource-metadata", "required-permission"), _third_party_grant),
}
"""By check: the checks that it stands on besides `management`, and the function that judges the objects."""


def _takes_strangers(objects: Objects) -> bool:
    """Whether clients can register themselves; also if the tenant's settings could not be read."""
    settings = objects.settings
    return settings is None or _registers(settings) or bool(settings.get("client_id_metadata_document_supported"))


def _algorithm(api: Document) -> str:
    return str(api.get("signing_alg", "RS256"))


def _dialect(api: Document) -> str:
    return str(api.get("token_dialect", "access_token"))


def _grant(grants: Iterable[Document], application: Document, audience: str, kind: str) -> Document | None:
    """The grant that applies: the application's own, else the third-party default (Auth0: Client Grants)."""
    fitting = [g for g in grants if g["audience"] == audience and g.get("subject_type", "client") == kind]
    own = next((g for g in fitting if g.get("client_id") == application["client_id"]), None)
    if own is not None or _is_first_party(application):
        return own
    return next((g for g in fitting if g.get("default_for")), None)


def _policy(api: Document, kind: str) -> str:
    """The API's access policy; users default to allow_all, machines to require_client_grant.

    Source: Auth0, API Access Policies for Applications.
    """
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
