"""Which URLs belong to a protected resource."""

from __future__ import annotations

import pytest

from gatehouse_client.signin.http.urls import browser_address, is_within

RESOURCE = "https://h.example/tenant-a/mcp"


@pytest.mark.parametrize(
    ("url", "resource"),
    [
        (RESOURCE, RESOURCE),
        ("https://H.example:443/tenant-a/mcp", RESOURCE),
        (f"{RESOURCE}/", RESOURCE),
        (RESOURCE, f"{RESOURCE}/"),
        (f"{RESOURCE}/messages?session=1", RESOURCE),
        ("https://h.example/anything", "https://h.example"),
        ("https://h.example/mcp?tenant=a", "https://h.example/mcp?tenant=a"),
    ],
)
def test_a_token_goes_to_the_resource_and_below(url: str, resource: str) -> None:
    assert is_within(url, resource)


@pytest.mark.parametrize(
    ("url", "resource"),
    [
        ("https://h.example/tenant-b/mcp", RESOURCE),
        ("https://h.example/", RESOURCE),
        (f"{RESOURCE}2", RESOURCE),
        ("http://h.example/tenant-a/mcp", RESOURCE),
        ("https://h.example:8443/tenant-a/mcp", RESOURCE),
        ("https://other.example/tenant-a/mcp", RESOURCE),
        (f"{RESOURCE}/../../tenant-b/mcp", RESOURCE),
        (f"{RESOURCE}/%2e%2E/x", RESOURCE),
        (f"{RESOURCE}/..%2fx", RESOURCE),
        (f"{RESOURCE}/..\\x", RESOURCE),
        ("https://h.example/mcp?tenant=b", "https://h.example/mcp?tenant=a"),
        ("https://h.example:x/", RESOURCE),
    ],
)
def test_a_token_goes_nowhere_else(url: str, resource: str) -> None:
    assert not is_within(url, resource)


@pytest.mark.parametrize(
    "url",
    [
        "https://h.example:x/",
        "https://h.example:99999999/",
        "https://[::1/",
        "https://xn--.example\x00/",
        "https://h.example\\@evil.example/",
        "https://user@h.example/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://h.example/",
    ],
)
def test_a_browser_opens_no_address_that_two_readers_read_in_two_ways(url: str) -> None:
    assert browser_address(url) is None


@pytest.mark.parametrize(
    ("url", "host", "unicode_host"),
    [
        ("https://h.example:443/a?b=c", "h.example", ""),
        ("https://h.example:8443/", "h.example:8443", ""),
        ("http://[::1]:9000/", "[::1]:9000", ""),
        ("https://b\xfccher.example/", "xn--bcher-kva.example", "b\xfccher.example"),
        ("https://xn--a.example/", "xn--a.example", "(unreadable)"),
    ],
)
def test_the_host_is_shown_as_it_is_opened_and_as_browsers_may_show_it(url: str, host: str, unicode_host: str) -> None:
    address = browser_address(url)
    assert address is not None
    assert (address.host, address.unicode_host) == (host, unicode_host)
    assert address.url.isascii()
