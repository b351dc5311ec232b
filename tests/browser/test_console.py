"""The console in a real browser."""

from __future__ import annotations

from typing import Any

import httpx2

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
    assert "Unknown client: nobody" in page.inner_text("#log")
    assert messages == []


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
