"""The console in a real browser."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

NEWEST = "details.sign-in >> nth=0"


def fail_to_sign_in(site: Any) -> None:
    httpx2.get(site.authorize(client_id="nobody"))


def test_the_console_updates_without_a_reload(site: Any, visit: Any) -> None:
    page = visit(site.issuer)
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    assert page.locator("details.sign-in").count() == 0
    fail_to_sign_in(site)
    page.locator(NEWEST).wait_for()
    assert "Unknown client: nobody" in page.inner_text("#sign-ins")
    page.get_by_role("link", name="Log", exact=True).click()
    assert "Unknown client: nobody" in page.inner_text("#log")
    rows = page.locator("#log tbody tr")
    assert rows.count() == 1
    fail_to_sign_in(site)
    rows.nth(1).wait_for()
    assert messages == []


@pytest.mark.parametrize("scripts", [True, False])
def test_the_filters_work_with_the_keyboard_and_without_scripts(site: Any, visit: Any, scripts: bool) -> None:
    fail_to_sign_in(site)
    httpx2.get(site.authorize(prompt="none"))
    page = visit(site.issuer, java_script_enabled=scripts)
    assert page.locator("details.sign-in").count() == 2
    page.focus("#filter-text")
    page.keyboard.type("login_required")
    page.keyboard.press("Enter")
    page.wait_for_url("**text=login_required**")
    assert page.locator("details.sign-in").count() == 1
    page.get_by_role("link", name="Show all").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"\?tab=sign_ins&ui_locales=en$"))
    page.select_option("#filter-client", "nobody")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**client=nobody**")
    assert page.locator("details.sign-in").count() == 1


def test_an_update_keeps_the_filters(site: Any, visit: Any) -> None:
    fail_to_sign_in(site)
    page = visit(f"{site.issuer}?tab=sign_ins&client=nobody")
    httpx2.get(site.authorize(prompt="none"))
    fail_to_sign_in(site)
    page.locator("details.sign-in >> nth=1").wait_for()
    assert page.locator("details.sign-in").count() == 2


def test_without_scripts_a_link_reloads_it(site: Any, visit: Any) -> None:
    page = visit(site.issuer, java_script_enabled=False)
    assert page.locator("#pause").count() == 0
    fail_to_sign_in(site)
    page.click("#reload")
    page.locator(NEWEST).wait_for()


def test_opened_parts_stay_open_after_an_update(site: Any, visit: Any) -> None:
    fail_to_sign_in(site)
    fail_to_sign_in(site)
    page = visit(site.issuer)
    second = page.locator("details.sign-in").nth(1)
    second.locator("> summary").click()
    name = second.get_attribute("id")
    page.evaluate("document.activeElement.blur()")
    fail_to_sign_in(site)
    page.locator("details.sign-in >> nth=2").wait_for()
    assert page.locator(f"#{name}").get_attribute("open") is not None


def test_no_update_happens_while_the_focus_is_in_the_activity(site: Any, visit: Any) -> None:
    fail_to_sign_in(site)
    page = visit(site.issuer)
    page.locator("details.sign-in > summary").focus()
    fail_to_sign_in(site)
    page.locator("#fresh", has_text="There is new activity").wait_for()
    assert page.locator("details.sign-in").count() == 1
    page.evaluate("document.activeElement.blur()")
    page.locator("details.sign-in >> nth=1").wait_for()


def test_updates_can_be_paused(site: Any, visit: Any) -> None:
    page = visit(site.issuer)
    page.click("#pause")
    assert page.inner_text("#pause") == "Update again"
    fail_to_sign_in(site)
    page.click("#pause")
    page.evaluate("document.activeElement.blur()")
    page.locator(NEWEST).wait_for()


def test_the_console_continues_after_a_network_error(site: Any, visit: Any) -> None:
    page = visit(site.issuer)
    page.context.set_offline(True)
    with page.expect_event("requestfailed"):
        pass
    page.context.set_offline(False)
    fail_to_sign_in(site)
    page.locator(NEWEST).wait_for()


def test_another_site_cannot_read_it(start: Any, visit: Any) -> None:
    site = start()
    fail_to_sign_in(site)
    page = visit(site.app.url)
    read = "url => fetch(url).then(answer => answer.text()).catch(() => 'refused')"
    for address in (site.issuer, f"{site.issuer}u/console/activity"):
        assert page.evaluate(read, address) == "refused"
