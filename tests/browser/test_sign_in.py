"""Sign-ins with a real browser, and the effect of the pages' policy."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def parameters(page: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def fill_in(page: Any, password: str = "Wonderland-1") -> None:
    page.fill("#username", "alice@example.com")
    page.fill("#password", password)
    page.click("#action")


def recorded_errors(page: Any) -> list[str]:
    """The list of errors that the browser reports from now on."""
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors


@pytest.mark.parametrize("scripts", [True, False])
def test_a_user_signs_in_agrees_and_returns_to_the_application(site: Any, visit: Any, scripts: bool) -> None:
    page = visit(site.authorize(), java_script_enabled=scripts)
    fill_in(page)
    page.click("#action")
    page.wait_for_url(f"{site.app.callback}?**")
    assert parameters(page)["state"] == ["s-1"]
    assert len(parameters(page)["code"][0]) > 40


def test_the_keyboard_alone_is_enough(site: Any, visit: Any) -> None:
    page = visit(site.authorize())
    page.locator("#username:focus").wait_for()
    keys = page.keyboard
    keys.type("alice@example.com")
    keys.press("Tab")
    keys.type("wrong")
    keys.press("Enter")
    page.wait_for_selector("#error-element-password")
    page.locator("#password:focus").wait_for()
    keys.type("Wonderland-1")
    keys.press("Tab")
    assert page.evaluate("document.activeElement.pathname") == "/u/reset-password"
    keys.press("Tab")
    assert focused(page) == "action"
    keys.press("Enter")
    page.wait_for_selector("#action-deny")
    assert focused(page) == ""
    keys.press("Tab")
    assert focused(page) == "action"
    keys.press("Tab")
    assert focused(page) == "action-deny"
    keys.press("Shift+Tab")
    keys.press("Space")
    page.wait_for_url(f"{site.app.callback}?**")
    assert "code" in parameters(page)


def test_a_published_user_reaches_consent_with_two_actions(site: Any, visit: Any) -> None:
    page = visit(site.authorize())
    page.get_by_role("link", name="Fill in the form for bob@example.com").click()
    page.locator("#action:focus").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_selector("#action-deny")
    assert "bob@example.com" in page.inner_text("main")


def test_declining_tells_the_application(site: Any, visit: Any) -> None:
    page = visit(site.authorize())
    fill_in(page)
    page.click("#action-deny")
    page.wait_for_url(f"{site.app.callback}?**")
    assert parameters(page)["error"] == ["access_denied"]


def test_the_form_policy_allows_a_redirect_of_the_callback(start: Any, visit: Any) -> None:
    site, elsewhere = start(), start()
    site.app.next_url = f"{elsewhere.app.url}/welcome"
    page = visit(site.authorize())
    errors = recorded_errors(page)
    fill_in(page)
    page.click("#action")
    page.wait_for_url(site.app.next_url)
    assert errors == []
    assert "code=" in site.app.requests[0]


def test_the_form_policy_allows_an_oauth_proxy_to_redirect_to_an_editor(site: Any, visit: Any) -> None:
    site.app.next_url = "cursor://anysphere.cursor-mcp/oauth/callback?code=1"
    page = visit(site.authorize())
    errors = recorded_errors(page)
    fill_in(page)
    with page.expect_event("requestfailed", lambda request: request.url.startswith("cursor:")):
        page.click("#action", no_wait_after=True)
    assert [one for one in errors if "Content Security Policy" in one] == []


def test_the_form_policy_allows_a_callback_with_its_own_scheme(start: Any, visit: Any) -> None:
    callback = "com.example.app:/callback"
    site = start(lambda file: file["clients"][0]["callbacks"].append(callback))
    page = visit(site.authorize(redirect_uri=callback))
    errors = recorded_errors(page)
    fill_in(page)
    assert page.inner_text("#callback-host") == "com.example.app:"
    with page.expect_event("requestfailed", lambda request: request.url.startswith(callback)):
        page.click("#action", no_wait_after=True)
    assert [one for one in errors if "Content Security Policy" in one] == []


@pytest.mark.parametrize("scripts", [True, False])
def test_the_form_post_answer_arrives_with_and_without_scripts(site: Any, visit: Any, scripts: bool) -> None:
    page = visit(site.authorize(response_mode="form_post"), java_script_enabled=scripts)
    errors = recorded_errors(page)
    fill_in(page)
    page.click("#action")
    if not scripts:
        page.get_by_role("button", name="Continue").click()
    page.wait_for_url(site.app.callback)
    assert "code=" in site.app.requests[0]
    assert errors == []


def test_a_user_connects_a_device(start: Any, visit: Any) -> None:
    television = {"name": "Television", "app_type": "native", "grant_types": [DEVICE]}

    def change(file: dict[str, Any]) -> None:
        file["clients"].append(television)
        file["databases"][0]["enabled_clients"].append("Television")

    site = start(change)
    client_id = next(c.client_id for c in site.idp.tenant.clients.values() if c.name == "Television")
    answer = httpx2.post(f"{site.issuer}oauth/device/code", data={"client_id": client_id}).json()
    page = visit(answer["verification_uri"])
    errors = recorded_errors(page)
    page.locator("#user_code:focus").wait_for()
    page.keyboard.type(answer["user_code"].lower())
    page.keyboard.press("Enter")
    page.wait_for_selector("#username")
    fill_in(page)
    assert page.inner_text("#user_code") == answer["user_code"]
    page.click("#action")
    page.wait_for_selector("#device_connected")
    assert errors == []


def test_a_browser_without_the_cookie_gets_an_explanation(site: Any, visit: Any) -> None:
    page = visit(site.authorize())
    page.context.clear_cookies()
    fill_in(page)
    page.wait_for_selector("#explain")
    assert page.get_attribute("#explain", "data-code") == "other_browser"


def test_the_pages_cannot_be_framed(site: Any, visit: Any) -> None:
    page = visit(site.app.url)
    frame = "url => { const f = document.createElement('iframe'); f.src = url; document.body.append(f) }"
    with page.expect_console_message(lambda message: "frame-ancestors" in message.text or "Framing" in message.text):
        page.evaluate(frame, site.issuer)


def focused(page: Any) -> str:
    return str(page.evaluate("document.activeElement.id"))
