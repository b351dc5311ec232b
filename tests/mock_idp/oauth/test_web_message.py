"""response_mode=web_message: the answer goes to the window that opened or frames the tenant's page."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

CALLBACK = "http://localhost:5000/callback"
ORIGIN = "http://localhost:5000"


def web_origins(*origins: str) -> Callable[[dict[str, Any]], None]:
    def change(file: dict[str, Any]) -> None:
        file["clients"][0]["web_origins"] = list(origins)
        file["clients"][0]["skip_non_verifiable_callback_uri_confirmation_prompt"] = True

    return change


def silent(tenant: Any, **changes: Any) -> Any:
    return tenant.authorize(prompt="none", response_mode="web_message", **changes)


def message(page: Any) -> tuple[str, dict[str, str]]:
    """The origin that gets the message, and the message."""
    (found,) = re.findall(r'data-origin="([^"]*)" data-answer="([^"]*)"', page.text)
    return html.unescape(found[0]), json.loads(html.unescape(found[1]))


def test_with_a_session_the_window_gets_a_code(start: Any) -> None:
    tenant = start(web_origins(ORIGIN))
    tenant.sign_in()
    page = silent(tenant)
    origin, answer = message(page)
    assert page.status_code == 200
    assert origin == ORIGIN
    assert answer["state"] == "s-1"
    assert tenant.redeem(answer["code"]).status_code == 200


def test_without_a_session_the_window_gets_login_required(start: Any) -> None:
    origin, answer = message(silent(start(web_origins(ORIGIN))))
    assert origin == ORIGIN
    del answer["iss"]
    assert answer == {"error": "login_required", "error_description": "Login required", "state": "s-1"}


def test_only_the_applications_origin_may_frame_the_page(start: Any) -> None:
    page = silent(start(web_origins(ORIGIN)))
    assert f"frame-ancestors {ORIGIN}" in page.headers["content-security-policy"].split("; ")
    assert "x-frame-options" not in page.headers


def test_text_of_the_request_does_not_leave_the_attribute(start: Any) -> None:
    state = '"><script>alert(1)</script>'
    page = silent(start(web_origins(ORIGIN)), state=state)
    assert "<script>alert" not in page.text
    assert message(page)[1]["state"] == state


@pytest.mark.parametrize("registered", [(), ("http://localhost:5001",), ("https://localhost:5000",), (f"{ORIGIN}/",)])
def test_an_origin_that_is_not_in_web_origins_gets_nothing(start: Any, registered: tuple[str, ...]) -> None:
    tenant = start(web_origins(*registered))
    tenant.sign_in()
    page = silent(tenant)
    assert page.status_code == 400
    assert "does not have a registered origin" in page.text
    assert "data-answer" not in page.text
    assert page.headers["x-frame-options"] == "DENY"


def test_a_sign_in_in_a_popup_ends_with_the_message(start: Any) -> None:
    tenant = start(web_origins(ORIGIN))
    response = tenant.follow(tenant.log_in(tenant.authorize(response_mode="web_message")))
    if response.status_code == 302:
        response = tenant.follow(tenant.decide(response))
    assert message(response)[1]["code"]
