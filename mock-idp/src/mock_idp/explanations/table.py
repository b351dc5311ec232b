"""The part of the explanations that is the same in all languages: certainty, setting, snippet, facts to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# D documented, O observed, S secondary, ? not established (see BEHAVIOURS.md).
Certainty = Literal["D", "O", "S", "?"]

APPLICATION = "Applications > Applications > {client} > Settings"
API = "Applications > APIs > {api} > Settings"
DATABASES = "Authentication > Database"
TENANT = "Settings > Advanced"

CALLBACKS = "clients:\n  - name: {client}\n    callbacks:\n      - {sent}\n"
CLIENT_GRANT = """\
clientGrants:
  - client_id: {client}
    audience: {api}
    subject_type: user
    scope: [{scopes}]
"""
MACHINE_GRANT = CLIENT_GRANT.replace("subject_type: user", "subject_type: client")
DEFAULT_GRANT = """\
clientGrants:
  - default_for: third_party_clients
    audience: {api}
    subject_type: user
    scope: [{scopes}]
"""
# What a client with a metadata document presents, and why the document is not there.
PRESENTED = ("sent", "redirect_uri", "scope", "resource", "problem")


@dataclass(frozen=True)
class Entry:
    """`dashboard` is the place of the setting in Auth0's dashboard, `setting` its key in `file`, `snippet` an example
    for that file. `details` names the facts to list. Braces contain names of facts."""

    certainty: Certainty
    dashboard: str = ""
    setting: str = ""
    snippet: str = ""
    details: tuple[str, ...] = ()
    file: Literal["tenant.yaml", "offline.yaml"] = "tenant.yaml"


ENTRIES: dict[str, Entry] = {
    "client_id_missing": Entry("S"),
    "unknown_client": Entry("O", "Applications > Applications", "clients[].name", details=("sent", "clients")),
    "unknown_registered_client": Entry("O", "Applications > Applications", details=("sent",)),
    "unknown_metadata_client": Entry(
        "D",
        f"{TENANT} > Client ID Metadata Document Registration",
        "tenant.client_id_metadata_document_supported",
        "tenant:\n  client_id_metadata_document_supported: true\n"
        "  client_id_metadata_document_dynamic_registration_supported: true\n",
        ("sent",),
    ),
    "metadata_document_refused": Entry("?", details=("sent", "problem")),
    "metadata_document_missing": Entry("?", details=PRESENTED),
    "metadata_document_unknown": Entry(
        "?",
        setting="client_metadata_documents",
        snippet="client_metadata_documents:\n  {sent}:\n    client_name: {name}\n"
        "    redirect_uris: [{callback}]\n    grant_types: [authorization_code, refresh_token]\n",
        details=PRESENTED,
        file="offline.yaml",
    ),
    "callback_missing": Entry(
        "S", f"{APPLICATION} > Allowed Callback URLs", "clients[].callbacks", details=("registered",)
    ),
    "callback_mismatch": Entry(
        "O",
        f"{APPLICATION} > Allowed Callback URLs",
        "clients[].callbacks",
        CALLBACKS,
        ("sent", "registered", "difference"),
    ),
    # github.com/github/copilot-cli/issues/4793 (2026-09), anthropics/claude-code/issues/37747 (2026-04).
    "callback_port": Entry(
        "O",
        f"{APPLICATION} > Allowed Callback URLs",
        "clients[].callbacks",
        CALLBACKS,
        ("sent", "registered", "difference"),
    ),
    "response_type_missing": Entry("O"),
    "response_type_unsupported": Entry("D", details=("sent",)),
    "response_type_unavailable": Entry("D", details=("sent",)),
    "response_mode_unsupported": Entry("S", details=("sent", "possible")),
    # github.com/auth0/auth0.js/issues/520, chanzuckerberg/single-cell-data-portal/issues/221.
    "web_origin_missing": Entry(
        "O", f"{APPLICATION} > Allowed Web Origins", "clients[].web_origins", details=("sent", "registered")
    ),
    "implicit_not_allowed": Entry("O", f"{APPLICATION} > Advanced Settings > Grant Types", details=("allowed",)),
    "grant_type_not_allowed": Entry(
        "O",
        f"{APPLICATION} > Advanced Settings > Grant Types",
        "clients[].grant_types",
        "clients:\n  - name: {client}\n    grant_types: [{grant}]\n",
        ("grant", "allowed"),
    ),
    "parameter_not_allowed": Entry("D", details=("parameter",)),
    "parameter_unavailable": Entry("?", details=("parameter",)),
    "dpop_unavailable": Entry("D"),
    "proof_required": Entry("D", f"{APPLICATION} > Token Sender-Constraining", "clients[].require_proof_of_possession"),
    "par_off": Entry(
        "D",
        f"{TENANT} > Allow Pushed Authorization Requests (PAR)",
        "tenant.pushed_authorization_requests_supported",
        "tenant:\n  pushed_authorization_requests_supported: true\n",
    ),
    "par_unknown": Entry("D"),
    "par_required": Entry(
        "D",
        f"{APPLICATION} > Require Pushed Authorization Requests (PAR)",
        "clients[].require_pushed_authorization_requests",
        "clients:\n  - name: {client}\n    require_pushed_authorization_requests: false\n",
    ),
    "parameter_repeated": Entry("S", details=("parameter",)),
    "parameter_malformed": Entry("S", details=("parameter", "sent")),
    "form_malformed": Entry("S"),
    "no_connections": Entry(
        "O",
        "Applications > Applications > {client} > Connections",
        "databases[].enabled_clients",
        "databases:\n  - name: {database}\n    enabled_clients:\n      - {client}\n",
        ("connections",),
    ),
    "no_domain_connection": Entry(
        "O",
        f"{DATABASES} > {{database}} > Settings > Promote Connection to Domain Level",
        "databases[].is_domain_connection",
        "databases:\n  - name: {database}\n    is_domain_connection: true\n",
        ("connections",),
    ),
    "connection_unknown": Entry("O", "Authentication", "databases[].name", details=("sent", "connections")),
    "connection_unavailable": Entry("D", details=("sent", "connections")),
    "connection_not_enabled": Entry(
        "S",
        "Applications > Applications > {client} > Connections",
        "databases[].enabled_clients",
        "databases:\n  - name: {database}\n    enabled_clients:\n      - {client}\n",
    ),
    "signup_disabled": Entry(
        "O",
        f"{DATABASES} > {{database}} > Settings > Disable Sign Ups",
        "databases[].options.disable_signup",
        "databases:\n  - name: {database}\n    options:\n      disable_signup: false\n",
        ("connections",),
    ),
    "password_change_disabled": Entry("?", DATABASES, "databases[].options.disable_self_service_change_password"),
    "ticket_lost": Entry("S"),
    "pkce_missing": Entry("D"),
    "pkce_incomplete": Entry("S"),
    "pkce_malformed": Entry("S", details=("sent",)),
    "pkce_method_unsupported": Entry("S", details=("sent", "possible")),
    "service_not_found": Entry(
        "O",
        "Applications > APIs > (the API) > Settings > Identifier",
        "resourceServers[].identifier",
        "resourceServers:\n  - name: My API\n    identifier: {sent}\n",
        ("sent", "apis"),
    ),
    "service_near_miss": Entry(
        "O",
        "Applications > APIs > (the API) > Settings > Identifier",
        "resourceServers[].identifier",
        "resourceServers:\n  - identifier: {nearest}\n",
        ("sent", "nearest", "difference"),
    ),
    "several_resources": Entry("?", details=("sent",)),
    "no_client_grant": Entry(
        "O", "Applications > APIs > {api_name} > Application Access", "clientGrants[]", CLIENT_GRANT, ("api",)
    ),
    "no_client_grant_third_party": Entry(
        "D",
        "Applications > APIs > {api_name} > Settings > Default Permissions for Third Party Apps",
        "clientGrants[].default_for",
        DEFAULT_GRANT,
        ("api",),
    ),
    "user_access_denied": Entry(
        "D",
        "Applications > APIs > {api_name} > Settings > Application Access Policy > User-Delegated Access",
        "resourceServers[].subject_type_authorization.user.policy",
        "resourceServers:\n  - identifier: {api}\n    subject_type_authorization:\n"
        "      user:\n        policy: allow_all\n",
        ("api",),
    ),
    "organization_not_allowed": Entry(
        "O",
        "Applications > Applications > {client} > Login Experience > Type of Users",
        "clients[].organization_usage",
        "clients:\n  - name: {client}\n    organization_usage: allow\n",
    ),
    "organization_unknown": Entry("D", "Organizations", "organizations[].name", details=("sent", "organizations")),
    "organization_by_name": Entry(
        "O",
        f"{TENANT} > Allow Organization Names in Authentication API",
        "tenant.allow_organization_name_in_authentication_api",
        "tenant:\n  allow_organization_name_in_authentication_api: true\n",
        ("sent",),
    ),
    "organization_required": Entry(
        "O",
        "Applications > Applications > {client} > Login Experience > Login Flow",
        "clients[].organization_require_behavior",
        "clients:\n  - name: {client}\n    organization_require_behavior: post_login_prompt\n",
    ),
    "organization_third_party": Entry(
        "D",
        "Organizations > {organization} > Overview > Third-Party Application Access",
        "organizations[].third_party_client_access",
        "organizations:\n  - name: {organization}\n    third_party_client_access: allow\n",
    ),
    "organization_without_connection": Entry(
        "?",
        "Organizations > {organization} > Connections",
        "organizations[].connections",
        "organizations:\n  - name: {organization}\n    connections:\n      - name: {database}\n",
    ),
    "organization_not_member": Entry("O", "Organizations > {organization} > Members"),
    "organization_none": Entry("O", "Organizations"),
    "organization_choice_required": Entry("?"),
    "invitation_unknown": Entry("O"),
    "user_blocked": Entry(
        "D", "User Management > Users > Details > Block user", "users[].blocked", file="offline.yaml"
    ),
    "too_many_attempts": Entry(
        "D",
        "Security > Attack Protection > Brute-force Protection",
        "attackProtection.bruteForceProtection.max_attempts",
        "attackProtection:\n  bruteForceProtection:\n    max_attempts: 100\n",
    ),
    "action_denied": Entry("D", "Actions > Library > {action}", "triggers.post-login"),
    "action_failed": Entry("O", "Actions > Library", "triggers.post-login", details=("problem",)),
    "login_required": Entry("S"),
    "consent_required": Entry("S"),
    "confirmation_required": Entry(
        "?",
        "Applications > Applications > {client} > Settings",
        "clients[].skip_non_verifiable_callback_uri_confirmation_prompt",
        "clients:\n  - name: {client}\n    skip_non_verifiable_callback_uri_confirmation_prompt: true\n",
    ),
    "consent_declined": Entry("D"),
    "removed_meanwhile": Entry("?"),
    "transaction_lost": Entry("S"),
    "other_browser": Entry("S"),
    "not_signed_in": Entry("S"),
    "action_unknown": Entry("S", details=("sent",)),
    "logout_url_not_allowed": Entry(
        "D", f"{APPLICATION} > Allowed Logout URLs", "clients[].allowed_logout_urls", details=("sent", "registered")
    ),
    "logout_url_not_allowed_tenant": Entry(
        "D", f"{TENANT} > Allowed Logout URLs", "tenant.allowed_logout_urls", details=("sent", "registered")
    ),
    "logout_third_party": Entry("D"),
    "logout_hint_invalid": Entry("S"),
    "logout_hint_contradicts": Entry("S", details=("parameter",)),
    "logout_lost": Entry("S"),
    "device_code_expired": Entry("D"),
    "code_refused": Entry("D"),
    "verifier_refused": Entry("O"),
    "refresh_refused": Entry("D", f"{APPLICATION} > Refresh Token Rotation", "clients[].refresh_token"),
    # auth0/auth0-java-mvc-common #242, auth0/auth0-spa-js #414.
    "refresh_other_api": Entry(
        "D",
        f"{APPLICATION} > Multi-Resource Refresh Token",
        "clients[].refresh_token.policies",
        "clients:\n  - name: {client}\n    refresh_token:\n      policies:\n        - audience: {sent}\n"
        "          scope: []\n",
        ("sent",),
    ),
    "client_refused": Entry(
        "S", "Applications > Applications > {client} > Credentials", "clients[].token_endpoint_auth_method"
    ),
    "machine_no_grant": Entry(
        "S", "Applications > APIs > {api_name} > Application Access", "clientGrants[]", MACHINE_GRANT, ("api",)
    ),
    "machine_no_audience": Entry("O"),
    "machine_scope_refused": Entry("S", "Applications > APIs", "clientGrants[].scope", details=("sent",)),
    "device_waiting": Entry("D"),
    "device_too_fast": Entry("D"),
    "registration_off": Entry(
        "?",
        f"{TENANT} > Dynamic Client Registration (DCR)",
        "tenant.flags.enable_dynamic_client_registration",
        "tenant:\n  flags:\n    enable_dynamic_client_registration: true\n",
    ),
    "registration_refused": Entry("?", details=("problem",)),
    "userinfo_refused": Entry("S"),
    "grant_type_unknown": Entry("S", details=("sent",)),
    "grant_type_unavailable": Entry("D", details=("sent",)),
    "parameter_missing": Entry("D", details=("parameter",)),
    "opaque_token": Entry("O", "Settings > General > Default Audience", "tenant.default_audience"),
    "opaque_token_profile": Entry(
        "O",
        f"{TENANT} > Resource Parameter Compatibility Profile",
        "tenant.resource_parameter_profile",
        "tenant:\n  resource_parameter_profile: compatibility\n",
    ),
    "hs256_token": Entry(
        "D",
        "Applications > APIs > (the API) > Settings > Signing Algorithm",
        "resourceServers[].signing_alg",
        "resourceServers:\n  - identifier: {api}\n    signing_alg: RS256\n",
        ("api",),
    ),
    "no_permissions": Entry(
        "D", "User Management > Users > {user} > Roles", "roles[].permissions", details=("api", "user")
    ),
    "open_redirect_protection": Entry("D", f"{APPLICATION} > Open Redirect Protection", "clients[].redirection_policy"),
}
