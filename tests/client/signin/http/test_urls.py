"""Which URLs belong to a protected resource."""

from __future__ import annotations

import pytest

from gatehouse_client.signin.http.urls import is_within

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
