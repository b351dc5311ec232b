"""The requirements of the MCP authorization specification for servers, and the tests of each.

Sources, revision 2026-07-28 unless said otherwise: AUTH = basic/authorization, DISC = its page on authorization server
discovery, SEC = its security considerations, HTTP = basic/transports/streamable-http, SBP = the tutorial "Security best
practices", MRTR = basic/patterns/mrtr, BASE = basic, DSC = server/discover. The row numbers are those of the
project's notes.

`@pytest.mark.requirement("S7")` marks a test of row S7; `test_requirements.py` compares the marks with this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Owner = Literal["ours", "sdk", "not applicable"]


@dataclass(frozen=True)
class Row:
    """One requirement.

    Args:
        level: the word of the specification, such as MUST.
        text: the requirement in our words.
        source: page of the specification or section of an RFC.
        tests: names of its main tests; other tests may also be marked.
        owner: `sdk` if the MCP SDK alone fulfils it, and our code cannot break it.
        why: the reason if the owner is not `ours`.
    """

    level: str
    text: str
    source: str
    tests: tuple[str, ...] = ()
    owner: Owner = "ours"
    why: str = ""


REQUIREMENTS: dict[str, Row] = {
    "S1": Row(
        "MUST",
        "Publish the protected resource metadata document.",
        "AUTH overview, DISC; RFC 9728 section 3",
        ("test_the_metadata_names_resource_issuer_and_scope",),
    ),
    "S2": Row(
        "MUST",
        "The document names at least one authorization server, with its exact issuer identifier.",
        "DISC; RFC 9728 section 2",
        ("test_the_metadata_names_resource_issuer_and_scope",),
    ),
    "S3": Row(
        "MUST",
        "The document is at the well-known URLs (path and root form); resource_metadata in the challenge is its URL.",
        "DISC; RFC 9728 sections 3.1 and 5.1",
        ("test_the_challenge_links_to_metadata_with_the_exact_url",),
    ),
    "S4": Row(
        "MUST",
        "resource in the document is the URL that clients use, and the endpoint is at that URL.",
        "RFC 9728 section 3.3; AUTH, canonical server URI",
        ("test_the_challenge_links_to_metadata_with_the_exact_url",),
    ),
    "S5": Row(
        "SHOULD",
        "The URL has no trailing slash; a URL with one is answered in the same way, without a redirect.",
        "AUTH, canonical server URI",
        (
            "test_the_default_public_url_has_no_trailing_slash",
            "test_a_url_with_a_trailing_slash_answers_like_the_url_without",
        ),
    ),
    "S6": Row(
        "MUST",
        "401 for a token that is missing, invalid or expired.",
        "AUTH, token handling and error table; OAuth 2.1 section 5.3",
        (
            "test_a_hostile_token_is_refused_with_its_reason",
            "test_without_credentials_the_challenge_has_no_error",
        ),
    ),
    "S7": Row(
        "SHOULD",
        "The challenge of a 401 names the scope to request.",
        "AUTH, scope selection; RFC 6750 section 3",
        ("test_without_credentials_the_challenge_has_no_error", "test_the_challenge_for_a_bad_token_has_the_reason"),
    ),
    "S8": Row(
        "SHOULD NOT",
        "The challenge has no error code if the request has no credentials.",
        "RFC 6750 section 3.1",
        ("test_without_credentials_the_challenge_has_no_error", "test_credentials_of_another_scheme_are_ignored"),
    ),
    "S9": Row(
        "SHOULD",
        "403 with insufficient_scope, the needed scope and the URL of the metadata.",
        "AUTH, runtime insufficient scope; RFC 6750 section 3.1",
        ("test_a_token_without_the_permission_is_forbidden",),
    ),
    "S10": Row(
        "SHOULD",
        "One challenge names every scope that the operation needs.",
        "AUTH, scope challenge handling",
        ("test_one_challenge_names_every_permission_of_the_operation",),
    ),
    "S11": Row(
        "design",
        "Each tool, prompt and resource may need its own scopes; a call without them is not executed.",
        "AUTH, scope challenge handling; SBP, scope minimization",
        (
            "test_the_declared_permission_is_necessary_and_sufficient_for",
            "test_each_executed_operation_was_allowed_for_its_token",
            "test_without_the_gate_a_call_without_its_permission_is_refused_and_logged",
        ),
    ),
    "S12": Row(
        "MUST",
        "A broad scope includes the narrow scopes that it implies.",
        "AUTH, scope challenge handling",
        (
            "test_a_broad_permission_allows_what_it_implies",
            "test_the_hierarchy_of_the_example_server_is_used",
        ),
    ),
    "S13": Row(
        "SHOULD NOT",
        "offline_access is neither in a challenge nor in scopes_supported.",
        "AUTH, refresh tokens",
        ("test_the_metadata_lists_exactly_the_needed_scopes",),
    ),
    "S14": Row(
        "SHOULD",
        "scopes_supported has exactly the scopes that the server uses.",
        "AUTH, scope selection",
        ("test_the_metadata_lists_exactly_the_needed_scopes",),
    ),
    "S15": Row(
        "MUST",
        "Signature, algorithm, issuer, times and type of a token are validated; without its key it is refused.",
        "AUTH, token handling; OAuth 2.1 section 5.2; RFC 8725; RFC 9068",
        (
            "test_a_hostile_token_is_refused_with_its_code",
            "test_a_hostile_token_is_refused_with_its_reason",
            "test_a_token_cannot_be_replayed_after_its_key_was_revoked",
        ),
    ),
    "S16": Row(
        "MUST",
        "Only tokens whose audience is this server are accepted.",
        "AUTH and SEC, token audience; RFC 8707 section 2",
        (
            "test_a_hostile_token_is_refused_with_its_code",
            "test_a_hostile_token_is_refused_with_its_reason",
        ),
    ),
    "S17": Row(
        "MUST NOT",
        "The caller's token is not passed on: another API gets its own token.",
        "AUTH and SEC, access token privilege restriction; SBP, token passthrough; RFC 8693",
        (
            "test_the_other_api_gets_its_own_token",
            "test_the_tenant_receives_a_callers_token_only_for_an_exchange",
        ),
    ),
    "S18": Row(
        "MUST NOT",
        "A token in the query is ignored.",
        "AUTH, token requirements; OAuth 2.1 section 5.1",
        ("test_a_token_in_the_query_is_ignored",),
    ),
    "S19": Row(
        "MUST",
        "Every request is verified, also those to custom routes.",
        "AUTH, token requirements; SBP, state handles",
        (
            "test_a_custom_route_is_behind_the_gate",
            "test_only_one_well_formed_header_with_a_good_token_is_accepted",
            "test_without_the_gate_an_anonymous_caller_is_refused",
        ),
    ),
    "S20": Row(
        "MUST",
        "A failed verification is neither a 500 nor accepted; an outage of the tenant is a 503 with Retry-After.",
        "OAuth 2.1 section 5.3; RFC 9110 section 15.6.4",
        (
            "test_without_keys_the_answer_is_503_until_the_tenant_answers",
            "test_with_cached_keys_good_tokens_are_accepted_if_the_tenant",
        ),
    ),
    "S21": Row(
        "MUST",
        "Origin (403) and Host (421) are checked on every connection.",
        "HTTP, security warning",
        ("test_only_known_origins_are_served", "test_only_known_hosts_are_served"),
    ),
    "S22": Row(
        "SHOULD",
        "By default the server listens only on this machine.",
        "HTTP, security warning",
        ("test_the_server_listens_only_on_this_machine_by_default",),
    ),
    "S23": Row(
        "interoperability",
        "Web pages of allowed origins may send MCP's headers and may read the challenge.",
        "Fetch standard, CORS protocol",
        (
            "test_a_browser_client_may_send_requests_and_read_the_challenge",
            "test_a_web_page_of_an_allowed_origin_may_send_the_header",
        ),
    ),
    "S24": Row(
        "MUST",
        "The authorization server is used over https, except on this machine.",
        "SEC, communication security; OAuth 2.1 section 1.5",
        ("test_the_server_does_not_start_with_unsafe_settings",),
    ),
    "S25": Row(
        "MUST",
        "Tokens and secrets are not logged.",
        "SEC, token theft",
        (
            "test_no_audit_line_contains_a_token_or_a_header_value",
            "test_the_server_wrote_no_part_of_a_token",
            "test_a_short_secret_is_refused_and_not_shown",
        ),
    ),
    "S26": Row(
        "MUST NOT",
        "A state handle is not authentication: its state is bound to the caller.",
        "SBP, state handle hijacking",
        ("test_a_call_cannot_be_resumed_by_another_caller", "test_a_call_is_resumed_only_with_a_good_token"),
    ),
    "S27": Row(
        "MUST",
        "A session id is not authentication. There are no sessions: each request is authenticated separately.",
        "SBP of revision 2025-11-25, session hijacking",
        ("test_no_session_is_created_and_a_session_id_gives_no_access",),
    ),
    "S28": Row(
        "MUST",
        "requestState is encrypted, bound to caller and call, and accepted by every replica.",
        "MRTR, server requirements",
        (
            "test_a_replica_with_the_same_secret_resumes_the_call",
            "test_a_changed_request_state_is_refused",
        ),
    ),
    "S29": Row(
        "MUST",
        "server/discover is served, also only to callers with a token.",
        "DSC",
        ("test_server_discovery_needs_a_token",),
    ),
    "S30": Row(
        "MUST",
        "If the headers of revision 2026-07-28 differ from the body, nothing is executed.",
        "HTTP, server validation",
        ("test_nothing_is_executed_if_headers_and_body_name_different_operations",),
    ),
    "S31": Row(
        "SHOULD",
        "In revision 2026-07-28 GET and DELETE are 405, session and event ids are ignored; streams are kept alive.",
        "HTTP",
        ("test_headers_of_earlier_revisions_are_ignored_in_the_newest",),
        owner="sdk",
        why="The SDK's transport answers; the test shows that the gate does not change that.",
    ),
    "S32": Row(
        "MUST",
        "Clients of earlier revisions get answers in their revision.",
        "HTTP, earlier revisions",
        (
            "test_a_client_of_that_revision_lists_and_calls",
            "test_every_handshake_revision_is_answered_with_the_same_revision",
        ),
    ),
    "S33": Row(
        "MUST",
        "Proxies with one client id at another server ask each person for consent first.",
        "SEC and SBP, confused deputy",
        owner="not applicable",
        why="The server issues no tokens and is not a proxy of an authorization server.",
    ),
    "S34": Row(
        "SHOULD",
        "400 for credentials that are malformed or sent more than once.",
        "AUTH, error table; RFC 6750 section 3.1",
        ("test_two_authorization_headers_are_a_bad_request", "test_a_malformed_bearer_header_is_a_bad_request"),
    ),
    "S35": Row(
        "SHOULD",
        "Answers that depend on the caller are not for shared caches.",
        "HTTP, caching",
        ("test_a_list_that_depends_on_the_caller_is_private_for_caches",),
    ),
    "S36": Row(
        "SHOULD NOT",
        "The name that a client states has no effect on decisions.",
        "BASE",
        ("test_the_client_name_in_the_audit_comes_from_the_token",),
    ),
}
