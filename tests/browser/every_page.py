"""All pages of the tenant, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2

from mock_idp.console.view import TABS

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
# Requests to /authorize that end on a page. The last one presents a metadata document that is not at hand.
ERRORS: tuple[dict[str, str | None], ...] = (
    {"client_id": "nobody"},
    {"redirect_uri": "http://localhost:1/elsewhere"},
    {"response_type": "token"},
    {"client_id": None},
    {"client_id": "https://unknown.example/oauth/client.json", "redirect_uri": "http://localhost:1/callback"},
)


def television(file: dict[str, Any]) -> None:
    """A tenant with a device, with an application that asks for the organization, and with what is not played."""
    portal = {**file["clients"][0], "name": "Portal", "organization_usage": "require"}
    file["clients"] += [
        {"name": "Television", "app_type": "native", "grant_types": [DEVICE]},
        {**portal, "organization_require_behavior": "pre_login_prompt"},
    ]
    database = file["databases"][0]
    database["enabled_clients"] += ["Television", "Portal"]
    file["organizations"] = [{"name": "acme", "connections": [{"name": database["name"]}]}]
    file["logStreams"] = [{"name": "a"}]


def follow(page: Any, selector: str) -> None:
    """Click a link or button, and wait until the page that it leads to is loaded. `click` waits for its start only."""
    with page.expect_navigation():
        page.click(selector)


def every_page(site: Any, visit: Any, check: Callable[[Any], None], **options: Any) -> None:
    """Open all pages as a user does, and check each."""
    page = visit(site.authorize(), **options)
    check(page)
    follow(page, ".signup a")
    check(page)
    page.fill("#email", "alice@example.com")
    page.fill("#password", "Wonderland-1")
    follow(page, "#action")
    check(page)
    follow(page, ".signup a")
    follow(page, ".forgot a")
    check(page)
    page.fill("#email", "alice@example.com")
    follow(page, "#action")
    check(page)
    follow(page, "#ticket")
    check(page)
    page.fill("#password-reset", "Wonderland-1")
    page.fill("#re-enter-password", "Wonderland-2")
    follow(page, "#action")
    check(page)
    page.fill("#password-reset", "Wonderland-1")
    page.fill("#re-enter-password", "Wonderland-1")
    follow(page, "#action")
    check(page)
    follow(page, "main a.button")
    page.fill("#username", "alice@example.com")
    page.fill("#password", "wrong")
    follow(page, "#action")
    check(page)
    page.fill("#password", "Wonderland-1")
    follow(page, "#action")
    check(page)
    follow(page, "#action")
    page.goto(site.authorize())
    page.locator("#confirmation").wait_for()
    check(page)
    page.goto(f"{site.issuer}oidc/logout")
    check(page)
    follow(page, "#action")
    check(page)
    ids = {client.name: client.client_id for client in site.idp.tenant.clients.values()}
    page.goto(site.authorize(client_id=ids["Portal"]))
    page.fill("#organization", "elsewhere")
    follow(page, "#action")
    check(page)
    code = httpx2.post(f"{site.issuer}oauth/device/code", data={"client_id": ids["Television"]}).json()["user_code"]
    page.goto(f"{site.issuer}activate?user_code=x")
    follow(page, "#action")
    check(page)
    page.fill("#user_code", code)
    follow(page, "#action")
    page.fill("#username", "alice@example.com")
    page.fill("#password", "Wonderland-1")
    follow(page, "#action")
    check(page)
    follow(page, "#action")
    check(page)
    for changes in ERRORS:
        page.goto(site.authorize(**changes))
        check(page)
    language = page.get_attribute("html", "lang")
    for tab in TABS:
        page.goto(f"{site.issuer}?tab={tab}&ui_locales={language}")
        check(page)
        if page.locator("details").count():
            page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")
            check(page)
