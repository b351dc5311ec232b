from __future__ import annotations

import pytest

from mock_idp.formats.masking import hidden, masked


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:5000/callback",
        "http://localhost:5000/callback?x&y=%2f&z=a+b",
        "com.example.app:/callback?next=%2Fhome#top",
        "http://[broken?x=1",
        "no url? code=1",
    ],
)
def test_a_url_without_secrets_is_not_changed(url: str) -> None:
    assert masked("redirect_uri", url) == url


def test_the_secrets_of_a_url_are_masked_in_every_member() -> None:
    complete = masked("verification_uri_complete", "http://localhost:9000/activate?user_code=WDJB-MJHT")
    assert "WDJB" not in complete
    assert complete.startswith("http://localhost:9000/activate?user_code=")
    assert "s3cret" not in masked("redirect_uris", ["http://a/#x=1&access_token=s3cret"])[0]
    assert masked("x", "http://[broken?code=s3cret") == hidden("http://[broken?code=s3cret")
