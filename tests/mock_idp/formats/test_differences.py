from __future__ import annotations

import pytest

from mock_idp.formats.urls import compare, differences, spans

KNOWN = "http://localhost:5000/callback"


@pytest.mark.parametrize(
    ("sent", "kinds"),
    [
        (KNOWN, ()),
        ("http://localhost:5000/callback/", ("trailing_slash",)),
        ("https://localhost:5000/callback", ("scheme",)),
        ("http://127.0.0.1:5000/callback", ("loopback_name",)),
        ("http://[::1]:5000/callback", ("loopback_name",)),
        ("http://localhost:5001/callback", ("port",)),
        ("http://localhost/callback", ("port",)),
        ("http://localhost:5000/Callback", ("case",)),
        ("http://LOCALHOST:5000/callback", ("case",)),
        (f" {KNOWN}", ("whitespace",)),
        ("http://localhost:5000/call%62ack", ("encoding",)),
        (f"{KNOWN}?x=1", ("query",)),
        (f"{KNOWN}#x", ("fragment",)),
        ("http://localhost:5000/cb", ("path",)),
        ("http://user@localhost:5000/callback", ("host",)),
        ("http://evil.example/callback", ("host", "port")),
        ("http://[broken/callback", ("other",)),
        ("http://localhost:99999/callback", ("other",)),
        ("", ("scheme", "host", "port", "path")),
    ],
)
def test_the_kinds_of_difference_are_named(sent: str, kinds: tuple[str, ...]) -> None:
    assert differences(sent, KNOWN) == kinds


def test_the_most_similar_url_has_the_fewest_differences() -> None:
    known = ["https://app.example/callback", KNOWN, "http://localhost:5000/other"]
    found = compare("http://localhost:5000/callback/", known)
    assert found is not None
    assert (found.nearest, found.kinds, found.is_similar) == (KNOWN, ("trailing_slash",), True)
    assert compare("x", []) is None


def test_another_host_is_not_similar() -> None:
    found = compare("https://evil.example/callback", [KNOWN])
    assert found is not None
    assert not found.is_similar


def test_the_part_that_differs_is_marked_and_long_texts_are_shortened() -> None:
    marked = [span.text for span in spans("http://localhost:5000/callback/", KNOWN) if span.differs]
    assert marked == ["/"]
    assert sum(len(span.text) for span in spans("x" * 5000, "y" * 5000)) == 301
