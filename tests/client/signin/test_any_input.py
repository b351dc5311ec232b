"""Any challenge, address and answer of another party: read, or refused with one of the client's own errors."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatehouse_client.errors import SignInError
from gatehouse_client.signin.flows.callback import query_of
from gatehouse_client.signin.http.urls import browser_address, is_secure, is_within, require_safe, same_url
from gatehouse_client.signin.protocol.authorization import AuthorizationRequest, UnexpectedCallback
from gatehouse_client.signin.protocol.challenge import parse_challenges
from gatehouse_client.signin.protocol.discovery import AuthorizationServer
from tests.support.fuzzing import fuzz

TEXTS = st.text(max_size=30)
PIECES = st.sampled_from(
    [
        *(
            "https",
            "http",
            "javascript",
            "file",
            ":",
            "//",
            "/",
            "\\",
            "@",
            "#",
            "?",
            "..",
            "%2e",
            "%2f",
            ".",
            "[",
            "]",
        ),
        *(
            "localhost",
            "127.0.0.1",
            "::1",
            "evil.example",
            "tools.example",
            "mcp",
            ":80",
            ":x",
            " ",
            "\t",
            "\n",
            "\u2025",
            "é",
        ),
    ]
)
URLS = st.lists(PIECES | st.text(max_size=3), max_size=9).map("".join)
CHALLENGES = st.lists(
    st.sampled_from(["Bearer", "Basic", " ", ",", "=", '"', "\\", "scope", "error", "resource_metadata", "abc==", "\t"])
    | st.text(max_size=3),
    max_size=12,
).map("".join)
SERVER = AuthorizationServer(
    issuer="https://tenant.example/",
    authorization_endpoint="https://tenant.example/authorize",
    token_endpoint="https://tenant.example/token",
)


@fuzz(100)
@given(headers=st.lists(CHALLENGES, max_size=3))
def test_any_challenge_is_read(headers: list[str]) -> None:
    for challenge in parse_challenges(headers):
        assert challenge.scheme == challenge.scheme.lower()
        assert challenge.scheme
        assert challenge.scopes is None or challenge.scopes
        assert all(name == name.lower() for name in challenge.parameters)


@fuzz(100)
@given(url=URLS)
def test_an_address_that_may_be_used_means_the_same_to_everybody(url: str) -> None:
    if is_secure(url):
        parts = urlsplit(url)
        assert parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1"), url
        assert "@" not in parts.netloc
        assert not set(url) & set(" \t\r\n")
    shown = browser_address(url)
    if shown is not None:
        assert shown.url.isascii()
        assert is_secure(shown.url)
        assert "\\" not in shown.url
    with suppress(SignInError):
        assert require_safe(url, "URL", "https://tools.example/") == url
        assert urlsplit(url).scheme == "https", "a public server named an address on this machine"


@fuzz(100)
@given(rest=URLS)
def test_a_token_goes_only_to_the_resource_and_below(rest: str) -> None:
    resource = "https://tools.example/mcp"
    for url in (rest, f"https://tools.example{rest}", f"{resource}{rest}"):
        if is_within(url, resource):
            parts = urlsplit(url)
            assert (parts.scheme, parts.hostname, parts.port or 443) == ("https", "tools.example", 443), url
            assert parts.path.rstrip("/") == "/mcp" or parts.path.startswith("/mcp/"), url
            assert ".." not in parts.path.split("/"), url
        if same_url(url, resource):
            assert urlsplit(url).hostname == "tools.example"


@fuzz(100)
@given(
    pairs=st.lists(
        st.tuples(st.sampled_from(["code", "state", "iss", "error", "error_description"]), TEXTS), max_size=5
    )
)
def test_no_answer_without_the_state_of_the_request_ends_it(pairs: list[tuple[str, str]]) -> None:
    request = AuthorizationRequest(SERVER, "client", "http://localhost:1/callback", {})
    with pytest.raises(UnexpectedCallback):
        request.code_in(pairs)
    with suppress(SignInError, UnexpectedCallback):
        answer = [*pairs, ("state", request.state)]
        assert request.code_in(answer) == dict(pairs)["code"]
        assert "error" not in dict(pairs)
        assert dict(pairs).get("iss", SERVER.issuer) == SERVER.issuer


@fuzz(100)
@given(text=URLS | TEXTS)
def test_any_pasted_text_is_read_as_a_query(text: str) -> None:
    assert query_of(f"https://x/callback?{text}#y") == parse_qsl(text.partition("#")[0], keep_blank_values=True)
