"""What a tenant file names and the offline tenant does not play.

The fields of the sections (tenant_schema) are what is played. Every other key is listed here as soon as it says
something, so a key that nobody thought of is listed too. To play a key is to make it a field.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from .model import is_management
from .tenant_schema import PLAYED_TRIGGERS, Section, TenantFile

# Keys that change no answer of a real tenant to a client or a person: names of things, dates, orders to the Deploy CLI.
WITHOUT_ANSWER = frozenset(
    """
    description id owner_id is_system created_at updated_at expires_at client_id client_secret tenant global sso
    global_id client_aliases metadata form_template custom_login_page_preview signing_keys exclude
    include sandbox_version sandbox_versions_available legacy_sandbox_version encryption_key display_name
    credential_type secret_encoded resource_server_name support_email support_url picture_url logo_uri realms name
    external_metadata_created_by external_metadata_status external_metadata_type strategy_version migrations
    all_changes_deployed built_at deployed_version runtime status supported_triggers
    """.split()  # noqa: SIM905 - readable as a text
)
# Values that every export has. Only another value asks for something.
USUAL: Mapping[str, Any] = {
    "oidc_conformant": True,
    "custom_login_page_on": True,
    "enabled_locales": ["en"],
    "mfa": {"active": True, "return_enroll_settings": True},
    "guardianPhoneFactorSelectedProvider": {"provider": "auth0"},
}


def not_played(file: TenantFile) -> list[str]:
    """Paths in tenant.yaml, each once, with the number of entries if there are several: `actions (3)`.

    A key that is off or empty asks for nothing and is left out.
    """
    counts = Counter([*_paths(file, ""), *_unknown_clients(file), *_bindings(file), *_refresh_policies(file)])
    return [path if count == 1 else f"{path} ({count})" for path, count in counts.items()]


def played(section: Section) -> dict[str, Any]:
    """What the file states in the keys that are played, in file form."""
    without_value = {name: value for name, value in section.not_played.items() if name in type(section).model_fields}
    stated = [name for name in type(section).model_fields if name in section.model_fields_set]
    return {name: _played(getattr(section, name)) for name in stated} | without_value


def _played(value: Any) -> Any:  # noqa: ANN401 - a value of a section
    if isinstance(value, Section):
        return played(value)
    return [_played(entry) for entry in value] if isinstance(value, list) else value


def _paths(section: Section, prefix: str) -> Iterator[str]:
    for key, value in section.values_not_played():
        yield f"{prefix}{key}: {value}"
    for key, value in section.not_played.items():
        usual = value == USUAL[key] if key in USUAL else _is_off(value)
        if usual or key in WITHOUT_ANSWER or key in type(section).model_fields:
            continue
        entries = sum(not _is_off(entry) for entry in value) if not prefix and isinstance(value, list) else 1
        yield from [f"{prefix}{key}"] * entries
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _paths(value, f"{prefix}{name}.")
        for entry in value if isinstance(value, list) else ():
            if isinstance(entry, Section):
                yield from _paths(entry, f"{prefix}{name}[].")


def _unknown_clients(file: TenantFile) -> Iterator[str]:
    """References to applications that the file does not contain, as an export of some applications has them."""
    known = {client.name for client in file.clients}
    for database in file.databases:
        yield from (
            "databases[].enabled_clients: not in the file" for one in database.enabled_clients if one not in known
        )
    for grant in file.clientGrants:
        if grant.client_id is not None and grant.client_id not in known:
            yield "clientGrants[].client_id: not in the file"


def _refresh_policies(file: TenantFile) -> Iterator[str]:
    """Policies that a refresh ignores, as Auth0 does (Auth0: Multi-Resource Refresh Token)."""
    apis = {api.identifier: api for api in file.resourceServers}
    for client in file.clients:
        for policy in client.refresh_token.policies:
            where, api = f"clients[].refresh_token.policies: {client.name}", apis.get(policy.audience)
            if not client.is_first_party:
                yield f"{where} is a third-party application"
            elif is_management(policy.audience):
                yield f"{where} cannot have the Management API"
            elif api is None:
                yield f"{where}: there is no resource server {policy.audience}"
            elif not api.skip_consent_for_verifiable_first_party_clients:
                yield f"{where}: {policy.audience} does not skip consent"
            else:
                known = {scope.value for scope in api.scopes}
                yield from (f"{where}: {api.identifier} has no scope {one}" for one in policy.scope if one not in known)


def _bindings(file: TenantFile) -> Iterator[str]:
    """Triggers that the tenant does not have, and bound Actions that do not run."""
    runs = {action.name for action in file.actions if action.runs}
    deployed = {action.name for action in file.actions if action.deployed}
    for trigger, bindings in file.triggers.items():
        if trigger not in PLAYED_TRIGGERS and bindings:
            yield f"triggers.{trigger}"
            continue
        for binding in bindings or ():
            name = binding.action_name
            if name not in runs:
                yield f"triggers.{trigger}: {name} {'has no code' if name in deployed else 'is not deployed'}"


def _is_off(value: Any) -> bool:  # noqa: ANN401 - whatever YAML contains
    """Whether a value asks for nothing: it is empty, off, or contains only such values."""
    if isinstance(value, dict):
        return value.get("enabled") is False or all(map(_is_off, value.values()))
    if isinstance(value, list):
        return all(map(_is_off, value))
    return value in (None, False, "", 0)
