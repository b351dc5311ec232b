"""Building the tenant that answers requests from tenant.yaml and offline.yaml."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace

from .model import (
    MANAGEMENT_PATH,
    Action,
    Api,
    BruteForceProtection,
    ClaimsByHolder,
    Client,
    ClientGrant,
    Connection,
    Organization,
    PublicKey,
    RefreshPolicy,
    Role,
    SubjectType,
    Tenant,
    TenantSettings,
    is_management,
)
from .offline_schema import ClaimsSection, IssuedClient, IssuedOrganization, ManagementClient, OfflineFile
from .passwords import ALL_CHARACTERS, LEVELS, MAX_BYTES, PERSONAL_DATA, PasswordPolicy
from .tenant_schema import (
    APP_TYPE_GRANTS,
    PLAYED_TRIGGERS,
    PUBLIC_APP_TYPES,
    STRICT_GRANTS,
    BruteForceSection,
    ClientGrantSection,
    ClientSection,
    DatabaseOptionsSection,
    DatabaseSection,
    FlexiblePolicySection,
    OrganizationSection,
    ResourceServerSection,
    RoleSection,
    TenantFile,
    TenantSection,
)

# Seconds (Auth0: Authorization Code Flow with Pushed Authorization Requests).
PAR_LIFETIME = 30
ON_BEHALF = "on_behalf_of_token_exchange"


def build_tenant(tenant_file: TenantFile, offline_file: OfflineFile) -> Tenant:
    """A new tenant as the files describe it."""
    issued = offline_file.clients
    clients = [_client(section, issued.get(section.name)) for section in tenant_file.clients]
    ids = {client.name: client.client_id for client in clients}
    managers = offline_file.management_clients
    clients += [_management_client(entry) for entry in managers]
    organizations = [
        _organization(each, offline_file.organizations.get(each.name)) for each in tenant_file.organizations
    ]
    return Tenant(
        settings=_settings(tenant_file.tenant),
        apis={section.identifier: _api(section) for section in tenant_file.resourceServers},
        clients={client.client_id: client for client in clients},
        client_grants=[
            *(
                _client_grant(section, ids, kind)
                for section in tenant_file.clientGrants
                if (kind := section.subject_type) != "anonymous_user"
            ),
            *(_management_grant(entry) for entry in managers),
        ],
        roles={section.name: _role(section) for section in tenant_file.roles},
        connections={section.name: _connection(section) for section in tenant_file.databases},
        users={user.user_id: user for user in offline_file.users},
        brute_force=_brute_force(tenant_file.attackProtection.bruteForceProtection),
        claims=_claims(offline_file.claims),
        organizations={each.org_id: each for each in organizations},
        actions=_actions(tenant_file),
    )


def _settings(section: TenantSection) -> TenantSettings:
    """The settings without their nesting in the file."""
    values = vars(section) | vars(section.flags) | vars(section.oidc_logout)
    values["default_audience"] = section.default_audience or None
    values["allowed_logout_urls"] = tuple(section.allowed_logout_urls)
    confirmation = "skip_non_verifiable_callback_uri_confirmation_prompt"
    values[confirmation] = bool(values[confirmation])
    return TenantSettings(**{field.name: values[field.name] for field in fields(TenantSettings)})


def _api(section: ResourceServerSection) -> Api:
    proof = section.proof_of_possession
    return Api(
        identifier=section.identifier,
        name=section.name,
        signing_alg=section.signing_alg,
        signing_secret=section.signing_secret or _derived("signing secret", section.identifier, 32),
        token_dialect=section.token_dialect,
        token_lifetime=section.token_lifetime,
        enforce_policies=section.enforce_policies,
        allow_offline_access=section.allow_offline_access,
        skip_consent=section.skip_consent_for_verifiable_first_party_clients,
        user_policy=section.subject_type_authorization.user.policy,
        client_policy=section.subject_type_authorization.client.policy,
        scopes={scope.value: scope.description for scope in section.scopes},
        proof_required_for=proof.required_for if proof is not None and proof.required else "nobody",
    )


def _client(section: ClientSection, issued: IssuedClient | None) -> Client:
    grants = section.grant_types
    if grants is None:
        grants = list(_default_grants(section))
    if section.is_strict:
        grants = [grant for grant in grants if grant in STRICT_GRANTS]
    default_policy = "allow_always" if section.is_first_party else "open_redirect_protection"
    prefix = "tpc_" if section.is_strict else ""
    issued_id = issued.client_id if issued else prefix + _derived("client id", section.name, 32)
    return Client(
        client_id=section.external_client_id or issued_id,
        name=section.name,
        secret=issued.client_secret if issued else _derived("client secret", section.name, 64),
        app_type=section.app_type,
        first_party=section.is_first_party,
        strict=section.is_strict,
        callbacks=tuple(section.callbacks),
        logout_urls=tuple(section.allowed_logout_urls),
        allowed_origins=tuple(section.allowed_origins),
        web_origins=tuple(section.web_origins),
        grant_types=frozenset(grants),
        auth_method=_auth_method(section),
        redirection_policy=section.redirection_policy or default_policy,  # type: ignore[arg-type]
        id_token_alg=section.jwt_configuration.alg,
        id_token_lifetime=section.jwt_configuration.lifetime_in_seconds,
        refresh=_refresh_policy(section),
        refresh_apis=_refresh_apis(section),
        public_keys=_public_keys(section, issued),
        exchanges_on_behalf=ON_BEHALF in section.token_exchange.allow_any_profile_of_type,
        resource_server_identifier=section.resource_server_identifier,
        organization_usage=section.organization_usage,
        organization_prompt=section.organization_require_behavior,
        default_organization=section.default_organization.organization_id if section.default_organization else None,
        metadata=section.client_metadata,
        skip_confirmation=section.skip_non_verifiable_callback_uri_confirmation_prompt,
        trusts_ip_header=section.is_token_endpoint_ip_header_trusted,
        requires_par=section.require_pushed_authorization_requests,
        par_lifetime=section.par_request_expiry or PAR_LIFETIME,
        requires_proof=section.require_proof_of_possession,
    )


def _management_client(entry: ManagementClient) -> Client:
    return Client(
        client_id=entry.client_id,
        name=entry.name,
        secret=entry.client_secret,
        app_type="non_interactive",
        grant_types=frozenset({"client_credentials"}),
        auth_method="client_secret_post",
        registration="management",
    )


def _management_grant(entry: ManagementClient) -> ClientGrant:
    return ClientGrant(
        entry.client_id, f"/{MANAGEMENT_PATH}", "client", tuple(entry.scope or ()), all_scopes=entry.scope is None
    )


def _default_grants(section: ClientSection) -> tuple[str, ...]:
    return APP_TYPE_GRANTS.get(section.app_type, ("authorization_code",))


def _auth_method(section: ClientSection) -> str:
    if section.client_authentication_methods.private_key_jwt is not None:
        return "private_key_jwt"
    default = "none" if section.app_type in PUBLIC_APP_TYPES else "client_secret_post"
    return section.token_endpoint_auth_method or default


def _refresh_policy(section: ClientSection) -> RefreshPolicy:
    """Strict clients: public ones rotate by default, and tokens always expire (Auth0: Security Controls)."""
    policy = section.refresh_token
    public = _auth_method(section) == "none"
    rotates = section.is_strict and public if policy.rotation_type is None else policy.rotation_type == "rotating"
    expires = policy.expiration_type == "expiring" or rotates or section.is_strict
    return RefreshPolicy(
        rotates=rotates,
        leeway=policy.leeway,
        lifetime=policy.token_lifetime if expires and not policy.infinite_token_lifetime else None,
        idle=policy.idle_token_lifetime if expires and not policy.infinite_idle_token_lifetime else None,
    )


def _refresh_apis(section: ClientSection) -> dict[str, frozenset[str]]:
    """The policies of a first-party client, without the Management API (Auth0: Multi-Resource Refresh Token)."""
    if not section.is_first_party:
        return {}
    scopes: dict[str, set[str]] = {}
    for policy in section.refresh_token.policies:
        if not is_management(policy.audience):
            scopes.setdefault(policy.audience, set()).update(policy.scope)
    return {audience: frozenset(names) for audience, names in scopes.items()}


def _public_keys(section: ClientSection, issued: IssuedClient | None) -> tuple[PublicKey, ...]:
    method = section.client_authentication_methods.private_key_jwt
    stated = [PublicKey(key.pem, key.alg, key.kid) for key in (method.credentials if method else ()) if key.pem]
    if issued is not None and issued.public_key is not None:
        stated.append(PublicKey(issued.public_key))
    return tuple(stated)


def _client_grant(section: ClientGrantSection, ids: dict[str, str], subject_type: SubjectType) -> ClientGrant:
    return ClientGrant(
        client_id=None if section.client_id is None else ids.get(section.client_id, section.client_id),
        audience=section.audience,
        subject_type=subject_type,
        scopes=tuple(section.scope),
        all_scopes=section.allow_all_scopes,
        organization_usage=section.organization_usage,
        any_organization=section.allow_any_organization,
    )


def _role(section: RoleSection) -> Role:
    permissions: dict[str, set[str]] = {}
    for entry in section.permissions:
        permissions.setdefault(entry.resource_server_identifier, set()).add(entry.permission_name)
    return Role(section.name, {api: frozenset(names) for api, names in permissions.items()})


def _connection(section: DatabaseSection) -> Connection:
    return Connection(
        section.name,
        section.is_domain_connection,
        frozenset(section.enabled_clients),
        password_policy=_password_policy(section.options),
        signup=not section.options.disable_signup,
        changes_password=not section.options.disable_self_service_change_password,
        brute_force=section.options.brute_force_protection,
    )


def _password_policy(options: DatabaseOptionsSection) -> PasswordPolicy:
    if options.password_options is not None:
        return _flexible_policy(options.password_options)
    level = LEVELS[options.passwordPolicy]
    words = options.password_dictionary.dictionary if options.password_dictionary.enable else ()
    return replace(
        level,
        min_length=options.password_complexity_options.min_length or level.min_length,
        history=options.password_history.size if options.password_history.enable else 0,
        words=frozenset(word.casefold() for word in words),
        personal=PERSONAL_DATA if options.password_no_personal_info.enable else (),
    )


def _flexible_policy(options: FlexiblePolicySection) -> PasswordPolicy:
    """Three or more identical or sequential characters are blocked (Auth0: Configure the Flexible Password Policy)."""
    rules = options.complexity
    three = rules.character_type_rule == "three_of_four"
    named = ALL_CHARACTERS if three else tuple(name for name in ALL_CHARACTERS if name in rules.character_types)
    return PasswordPolicy(
        min_length=rules.min_length,
        characters=named,
        at_least=3 if three else len(named),
        max_identical=2 if rules.identical_characters == "block" else None,
        max_sequential=2 if rules.sequential_characters == "block" else None,
        max_bytes=MAX_BYTES if rules.max_length_exceeded == "error" else None,
        history=options.history.size if options.history.active else 0,
        words=frozenset(word.casefold() for word in options.dictionary.custom if options.dictionary.active),
        personal=tuple(options.profile_data.blocked_fields) if options.profile_data.active else (),
    )


def _brute_force(section: BruteForceSection) -> BruteForceProtection:
    return BruteForceProtection(
        enabled=section.enabled,
        blocks="block" in section.shields,
        per_ip=section.mode == "count_per_identifier_and_ip",
        max_attempts=section.max_attempts,
        allowlist=tuple(section.allowlist),
    )


def _organization(section: OrganizationSection, issued: IssuedOrganization | None) -> Organization:
    stated = issued.members if issued else []
    members = stated if isinstance(stated, dict) else {email: [] for email in stated}
    return Organization(
        org_id=(issued and issued.id) or f"org_{_derived('organization', section.name, 16)}",
        name=section.name,
        display_name=section.display_name or section.name,
        metadata=section.metadata,
        connections={each.name: each.assign_membership_on_login for each in section.connections if each.is_enabled},
        client_grants=frozenset(each.client_id for each in section.client_grants),
        members={email.strip().casefold(): tuple(roles) for email, roles in members.items()},
        third_party_access=section.third_party_client_access == "allow",
    )


def _actions(file: TenantFile) -> dict[str, tuple[Action, ...]]:
    """The deployed Actions of each trigger, in the order of their bindings."""
    deployed = {
        section.name: Action(section.name, section.code, {secret.name: secret.value for secret in section.secrets})
        for section in file.actions
        if section.runs
    }
    bound = {
        trigger: [binding.action_name for binding in file.triggers.get(trigger) or ()] for trigger in PLAYED_TRIGGERS
    }
    return {trigger: tuple(deployed[name] for name in names if name in deployed) for trigger, names in bound.items()}


def _claims(section: ClaimsSection) -> ClaimsByHolder:
    users = {email.strip().casefold(): stated for email, stated in section.users.items()}
    return ClaimsByHolder(users, section.clients, section.apis)


def _derived(purpose: str, name: str, length: int) -> str:
    """An id or secret that offline.yaml does not name. It is the same at every start, so that clients can use it."""
    return hashlib.sha256(f"offline tenant, {purpose}, {name}".encode()).hexdigest()[:length]
