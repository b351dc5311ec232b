"""The tenant's configuration, judged by its objects, as the dashboard also shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..foreign_text import foreign
from ..signin.flows.device import DEVICE_CODE
from ..signin.protocol.silent import similar_identifiers
from .findings import Findings
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


def check_configuration(objects: Objects, needs: Requirements, findings: Findings) -> None:
    """Judge the objects that could be read. The tenant's answers decide about the others."""
    _check_application(objects, needs, findings)
    _check_connection(objects, needs, findings)
    if objects.apis is not None:
        _check_api(objects, needs, findings)
    _check_client_grant(objects, needs, findings)
    _check_role(objects, needs, findings)
    _check_refresh(objects, needs, findings)
    if objects.settings is not None:
        _check_settings(objects.settings, findings)
    _check_third_party(objects, needs, findings)


def _check_application(objects: Objects, needs: Requirements, findings: Findings) -> None:
    application = objects.application
    if application is None:
        return
    if not application:
        findings.wrong("application", "The tenant has no application with this Client ID.")
        return
    party = "" if _is_first_party(application) else ", third-party"
    findings.ok("application", f"{_quoted(application)}, {application.get('app_type') or 'without a type'}{party}")
    if "authorization_code" in needs.grant_types:
        callbacks = application.get("callbacks") or []
        if needs.callback in callbacks:
            findings.ok("callback", f"allowed: {_listed(callbacks)}")
        elif any("*" in each for each in callbacks):
            findings.unknown("callback", f"allowed: {_listed(callbacks)}, whose wildcard may match")
        else:
            findings.wrong("callback", f"Allowed: {_listed(callbacks) or 'none'}, not {needs.callback!r}.")
    allowed = application.get("grant_types") or []
    missing = [each for each in needs.grant_types if each not in allowed]
    if missing:
        kind = application.get("app_type")
        not_native = DEVICE_CODE in missing and kind != "native"
        hint = f" (a {kind} application cannot have Device Code)" if not_native else ""
        findings.wrong("grant-types", f"The application may not use {', '.join(missing)}{hint}.")
    elif needs.grant_types:
        findings.ok("grant-types", f"the application's: {_listed(allowed)}")
    _check_method(application, needs, findings)


def _check_method(application: Document, needs: Requirements, findings: Findings) -> None:
    """Compare the authentication methods. `none` is for an application without a secret (RFC 7591 section 2)."""
    method = application.get("token_endpoint_auth_method")
    if method is None or not needs.grant_types:
        return
    if method == "none" and needs.has_credentials:
        seen = "The application has no secret (token_endpoint_auth_method: none), but one is set."
        findings.wrong("credentials", seen, "AUTH0_CLIENT_SECRET=")
    elif method != "none" and not needs.has_credentials:
        findings.wrong("credentials", f"The application must authenticate ({method}), but no credentials are set.")
    else:
        findings.ok("credentials", f"the application's method: {method}")


def _check_connection(objects: Objects, needs: Requirements, findings: Findings) -> None:
    if not objects.application or needs.is_machine or not needs.grant_types:
        return
    if _is_first_party(objects.application):
        usable, what = objects.enabled, "enabled for the application"
    else:
        usable, what = _domain_level(objects), "at the domain level, which a third-party application needs"
    if usable is None:
        return
    if usable:
        findings.ok("connection", f"{what}: {_listed(usable)}")
    else:
        findings.wrong("connection", f"No connection is {what}.")


def _check_api(objects: Objects, needs: Requirements, findings: Findings) -> None:
    api = objects.api(needs.audience)
    if api is None:
        _check_similar_apis(objects, needs, findings)
        return
    algorithm, dialect = api.get("signing_alg", "RS256"), api.get("token_dialect", "access_token")
    findings.ok("api", f"{_quoted(api)}, {algorithm}, {dialect}")
    if algorithm == "RS256":
        findings.ok("token-algorithm", "the API signs with RS256")
    else:
        findings.wrong("token-algorithm", f"The API signs with {algorithm}.")
    defined = _values(api)
    missing = [each for each in needs.permissions if each not in defined]
    if missing:
        has = f"it has {_listed(defined)}" if defined else "it has none"
        findings.wrong("permissions", f"The API does not define {', '.join(missing)}; {has}.")
    else:
        findings.ok("permissions", _listed(needs.permissions))
    if needs.is_machine:
        return
    off = [
        *([] if api.get("enforce_policies") else ["Enable RBAC (enforce_policies)"]),
        *([] if dialect.endswith("_authz") else [f"Add Permissions in the Access Token (token_dialect: {dialect})"]),
    ]
    if off:
        findings.wrong("rbac", f"Off: {' and '.join(off)}.")
    else:
        findings.ok("rbac", "both switches of the API are on")


def _check_similar_apis(objects: Objects, needs: Requirements, findings: Findings) -> None:
    for similar, difference in similar_identifiers(needs.audience).items():
        if objects.api(similar) is not None:
            findings.wrong_api(needs.audience, similar, difference)
            return
    others = [api["identifier"] for api in objects.apis or () if not api.get("is_system")]
    findings.wrong("api", f"The tenant has no API {needs.audience!r}; it has {_listed(others) or 'none'}.")


def _check_client_grant(objects: Objects, needs: Requirements, findings: Findings) -> None:
    api, application = objects.api(needs.audience), objects.application
    if api is None or not application or objects.grants is None or not needs.grant_types:
        return
    kind = "client" if needs.is_machine else "user"
    policy = _policy(api, kind)
    grant = _grant(objects.grants, application, needs.audience, kind)
    policy_text = f"the API's policy for {kind}s: {policy}"
    if policy == "deny_all":
        findings.wrong("client-grant", f"No application gets a token: {policy_text}.")
    elif grant is not None:
        _check_scope(grant, needs, "client-grant", policy_text, findings)
    elif policy == "allow_all" and _is_first_party(application):
        findings.ok("client-grant", f"{policy_text}, which needs no client grant")
    else:
        findings.wrong(
            "client-grant", f"The application has no client grant of the type {kind}, but needs one ({policy_text})."
        )


def _check_scope(grant: Document, needs: Requirements, check: str, policy_text: str, findings: Findings) -> None:
    scope = [str(each) for each in grant.get("scope") or []]
    if grant.get("allow_all_scopes"):
        findings.ok(check, f"{policy_text}; the grant has all permissions")
    elif needs.required_permission in scope:
        findings.ok(check, f"{policy_text}; the grant has {_listed(scope)}")
    else:
        findings.wrong(
            check, f"The client grant lacks {needs.required_permission}; it has {_listed(scope) or 'no permission'}."
        )


def _check_role(objects: Objects, needs: Requirements, findings: Findings) -> None:
    if objects.permissions is None or needs.is_machine:
        return
    api = objects.api(needs.audience)
    if objects.apis is not None and not (api and api.get("enforce_policies")):
        return  # the tenant does not use the roles
    roles = f"roles: {_listed(objects.roles or []) or 'none'}"
    if needs.required_permission in objects.permissions:
        findings.ok("role", f"{roles}; they allow {_listed(objects.permissions)}")
    else:
        allowed = _listed(objects.permissions) or "nothing"
        findings.wrong("role", f"The person has {roles}. They allow {allowed} of this API.")


def _check_refresh(objects: Objects, needs: Requirements, findings: Findings) -> None:
    api, application = objects.api(needs.audience), objects.application
    if api is None or not application or "refresh_token" not in needs.grant_types:
        return
    if not api.get("allow_offline_access"):
        findings.wrong("refresh-token", "Allow Offline Access is off for the API.")
    elif "refresh_token" not in (application.get("grant_types") or []):
        findings.wrong("refresh-token", "The application may not use the grant type refresh_token.")
    else:
        findings.ok("refresh-token", "the API and the application allow it")


def _check_settings(settings: Document, findings: Findings) -> None:
    profile = settings.get("resource_parameter_profile") or "audience"
    if profile == "compatibility":
        findings.ok("resource-profile", f"resource_parameter_profile: {profile}")
    else:
        default = settings.get("default_audience")
        then = f"a token for the default audience, {default}" if default else "an opaque token"
        findings.wrong(
            "resource-profile",
            f"resource_parameter_profile: {profile}. A client that sends only `resource` gets {then}.",
        )
    if _registers(settings):
        findings.ok("registration", "switched on in the tenant's settings")
    else:
        findings.wrong("registration", "Dynamic Client Registration is off in the tenant's settings.")
    if settings.get("client_id_metadata_document_supported"):
        on_use = settings.get("client_id_metadata_document_dynamic_registration_supported")
        then = "" if on_use else ", for imported documents"
        findings.ok("client-metadata", f"switched on in the tenant's settings{then}")
    else:
        findings.unknown("client-metadata", "off in the tenant's settings; it is optional")


def _check_third_party(objects: Objects, needs: Requirements, findings: Findings) -> None:
    """Checks for clients that register themselves; skipped if the tenant allows no such client."""
    settings = objects.settings
    if settings is not None and not _registers(settings) and not settings.get("client_id_metadata_document_supported"):
        return
    domain = _domain_level(objects)
    if domain:
        findings.ok("domain-connection", f"at the domain level: {_listed(domain)}")
    elif domain is not None:
        names = _listed(str(each["name"]) for each in objects.connections or ())
        findings.wrong("domain-connection", f"No connection is at the domain level; the tenant has {names or 'none'}.")
    api = objects.api(needs.resource)
    if api is None or objects.grants is None:
        return
    policy = _policy(api, "user")
    grants = [each for each in objects.grants if each["audience"] == needs.resource]
    default = next((g for g in grants if g.get("default_for") and g.get("subject_type") == "user"), None)
    if policy == "deny_all":
        findings.wrong("third-party-grant", "The API's policy for users is deny_all.")
    elif default is None:
        findings.wrong("third-party-grant", "There is no default client grant for third-party clients.")
    else:
        _check_scope(default, needs, "third-party-grant", "default for third-party clients", findings)


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
