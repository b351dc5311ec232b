"""The answers of Auth0 that are not established. offline.yaml can replace each by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

# O: observed, but other sources contradict. S: secondary, from another emulator or an inference. ?: our own guess.
Certainty = Literal["O", "S", "?"]
OWN = "our own guess"


class Guess(NamedTuple):
    """The part of an answer that is a guess, how certain it is, and where it comes from (words as in BEHAVIOURS.md)."""

    certainty: Certainty
    about: str
    source: str = OWN


GUESSES: Mapping[str, Guess] = {
    # /authorize
    "unknown_client": Guess("S", "status 400 of the page; the text is observed", "another emulator"),
    "missing_redirect_uri": Guess(
        "S",
        "whether redirect_uri may be omitted for a single registered callback, and the text otherwise",
        "RFC 6749 section 3.1.2.3; inferred from `Missing required parameter`",
    ),
    "unsupported_response_type": Guess(
        "S",
        "the text; the error code is documented for third-party clients",
        "inferred from the answers to other parameters",
    ),
    "unsupported_parameter_value": Guess("?", "text for a wrong response_mode, prompt, max_age or code_challenge"),
    "parameter_not_allowed": Guess("?", "the text; that such a parameter is refused is documented"),
    "pkce_missing": Guess("?", "the text; that PKCE is mandatory for third-party clients is documented"),
    "several_resources": Guess("?", "the whole answer to more than one `resource`"),
    "third_party_without_grant": Guess(
        "S", "the text; the code unauthorized_client is documented", "inferred from the text for first-party clients"
    ),
    "login_required": Guess(
        "S",
        "the text: that of docs, *Configure Silent Authentication*; ref has another",
        "docs, *Configure Silent Authentication*; another emulator",
    ),
    "consent_required": Guess("S", "the text", "inferred from `Login required`"),
    "interaction_required": Guess("?", "code and text; that prompt=none is rejected is documented"),
    "consent_declined": Guess(
        "S", "the text; the code access_denied is documented", "programs that use Auth0 look for it"
    ),
    "authorize_grant_off": Guess(
        "S", "that it is a page with status 403, as observed for the implicit grant", "*probe*"
    ),
    "request_object": Guess("?", "the whole answer to `request` and `request_uri`; the codes are OpenID Connect's"),
    "par_off": Guess("?", "the whole answer to a pushed request, or its request_uri, in a tenant without PAR"),
    "par_refused": Guess("?", "that /oauth/par refuses with the codes and texts of /authorize, and its limits"),
    "par_required": Guess("?", "code and text; that a request without PAR is rejected is documented"),
    "par_unknown": Guess("?", "the whole answer; that a used or expired request_uri is rejected is documented"),
    "lost_transaction": Guess("S", "the text", "inferred from reports"),
    "lost_ticket": Guess(
        "S", "status 400 of the page; the text is documented", "inferred: other pages of this kind have it"
    ),
    "metadata_document": Guess("?", "how a client metadata document is refused on first use, or a missing one"),
    "connection_not_enabled": Guess(
        "S", "the text; an Auth0 employee reads `the connection was not found` so, too", "reports"
    ),
    "organization_third_party": Guess("?", "code and text; that a third-party application is denied is documented"),
    "organization_connections": Guess("?", "the whole answer to an organization without a connection of the client"),
    # /oauth/token
    "invalid_grant": Guess(
        "O",
        "status 400: observed in 2026 and in the API reference; go-auth0's recordings of 2023 have 403",
        "*probe* of 2026, ref; go-auth0's recordings of 2023",
    ),
    "proof_required": Guess("?", "the whole answer; that no token is issued without a proof is documented"),
    "password_blocked": Guess(
        "S", "status 401, that of an older endpoint; the code and the text are documented", "ref, an older endpoint"
    ),
    "password_connection": Guess("?", "the whole answer if the database is unknown or not enabled for the client"),
    "organization_membership": Guess("?", "that a refresh fails after the user left the organization; status and text"),
    "organization_grant": Guess("?", "the whole answer; that these grants cannot use organizations is documented"),
    "machine_organization": Guess("?", "the whole answer; that the client grant limits organizations is documented"),
    "client_authentication": Guess(
        "S",
        "401 access_denied/Unauthorized; the API reference has invalid_client",
        "widely quoted; log events of real tenants",
    ),
    "unsupported_grant_type": Guess("S", "the text", "ref has the code"),
    "machine_without_grant": Guess(
        "S", "status 403 and the text, which is widely quoted", "another emulator; widely quoted"
    ),
    "machine_scope": Guess("S", "the whole answer", "reports"),
    "invalid_device_code": Guess("?", "text and status"),
    "action_denied": Guess("?", "status 403 of a refresh that an Action denies; a report has 500"),
    "action_denied_exchange": Guess("?", "status 400, or 500 for server_error; the codes are documented"),
    "action_failed": Guess(
        "S",
        "status and code at /oauth/token; both are observed at /authorize",
        "inferred from the observed answer of /authorize",
    ),
    "custom_claims_size": Guess("?", "the whole answer; that more than 100 KB fail is documented"),
    "expired_device_code": Guess("?", "the text; code and status are documented"),
    "exchange_subject_token": Guess("?", "code and text; status 401 is documented"),
    "exchange_token_type": Guess("?", "the text"),
    "malformed_request": Guess("?", "text for repeated parameters, malformed bodies, contradictory credentials"),
    # the other endpoints
    "revoke_foreign_token": Guess("?", "the whole answer; that it is refused is documented"),
    "device_refused": Guess(
        "S", "that /oauth/device/code refuses with the codes of /authorize", "inferred: the same checks"
    ),
    "signup_request": Guess("?", "the whole answer to a sign-up with wrong or missing members"),
    "signup_disabled": Guess("?", "the code; the status and the text are observed"),
    "change_password": Guess("?", "the whole answer if people cannot change passwords themselves"),
    "registration_off": Guess("?", "the whole answer, status 403"),
    "registration_metadata": Guess("?", "the whole answer; RFC 7591's is used"),
    "logout_target": Guess("S", "status and text of the page", "inferred from reports"),
    "logout_hint": Guess("?", "status and text of the page"),
    "logout_third_party": Guess("?", "status and text of the page; that it is not supported is documented"),
    # the Management API
    "management_token": Guess("S", "texts and errorCode; status 401 is documented", "widely quoted"),
    "management_no_endpoint": Guess(
        "S",
        "the whole answer: the usual one of the framework hapi, which Auth0's form is",
        "inferred from the form of the other errors",
    ),
    "management_not_found": Guess(
        "S", "errorCode and text; both are observed for users", "inferred from the answers for users"
    ),
    "management_conflict": Guess("?", "errorCode and text; status 409 is documented"),
    "management_password": Guess("?", "the errorCode; the texts and the status are observed"),
    "management_reference": Guess("?", "the whole answer to a body with a reference to something that does not exist"),
    "management_key_in_use": Guess("?", "the whole answer; that only previous keys can be revoked is documented"),
}
