"""The pages for a forgotten password."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mock_idp.console import ConsoleAccess
from mock_idp.oauth.authorize.password_reset import TICKET_LIFETIME

ALICE, NEW = "alice@example.com", "New-Password-1"


def options(**options: Any) -> Any:
    return lambda file: file["databases"][0].update(options=options)


def ask(tenant: Any, email: str = ALICE) -> Any:
    """Ask for a new password at the login page."""
    location = tenant.authorize().headers["location"]
    state = parse_qs(urlsplit(location).query)["state"][0]
    found = re.search(r'href="(/u/reset-password[^"]+)"', tenant.http.get(location).text)
    assert found is not None
    assert "Forgot Your Password?" in tenant.http.get(found[1]).text
    return tenant.http.post(found[1], data={"state": state, "email": email, "action": "default"})


def ticket(page: Any) -> str | None:
    found = re.search(r'href="/u/reset-verify\?ticket=([^"]+)"', page.text)
    return found[1] if found else None


def change(tenant: Any, key: str | None, password: str = NEW, again: str | None = None) -> Any:
    repeated = password if again is None else again
    form = {"ticket": key, "password-reset": password, "re-enter-password": repeated, "action": "default"}
    return tenant.http.post("/u/reset-verify", data=form)


def can_log_in(tenant: Any, password: str) -> bool:
    browser = tenant.browser()
    return bool(browser.log_in(browser.authorize(), ALICE, password).status_code == 302)


def test_the_link_of_the_missing_mail_sets_a_new_password_once(tenant: Any) -> None:
    sent = ask(tenant)
    assert "Check Your Email" in sent.text
    key = ticket(sent)
    assert "Change Your Password" in tenant.http.get("/u/reset-verify", params={"ticket": key}).text
    changed = change(tenant, key)
    assert changed.status_code == 200
    assert "Password Changed!" in changed.text
    back = re.search(r'href="(/u/login\?state=[^"]+)"', changed.text)
    assert back is not None
    assert tenant.http.get(back[1]).status_code == 200
    assert can_log_in(tenant, NEW)
    assert not can_log_in(tenant, "Wonderland-1")
    assert change(tenant, key, "Other-Password-1").status_code == 400
    assert can_log_in(tenant, NEW)
    types = [event.type for event in tenant.idp.log.events]
    assert {"scpr", "scp"} <= set(types)


def test_another_machine_gets_no_link_and_cannot_tell_who_exists(start: Any) -> None:
    tenant = start(peer=("192.0.2.7", 4711))
    known, unknown = ask(tenant), ask(tenant, "nobody@example.com")
    for page in (known, unknown):
        assert ticket(page) is None
        assert "only to those who see the activity" in page.text
    assert shown(known, ALICE) == shown(unknown, "nobody@example.com")
    assert tenant.idp.store.password_tickets.items() == []


def test_the_setting_of_the_console_shows_the_link_to_everybody(start: Any) -> None:
    elsewhere = ("192.0.2.7", 4711)
    assert ticket(ask(start(peer=elsewhere, console=ConsoleAccess("on")))) is not None
    assert ticket(ask(start(console=ConsoleAccess("off")))) is None
    assert ticket(ask(start(control_token="s3cret-s3cret"))) is None


def shown(page: Any, email: str) -> str:
    """The page without the address and the state of its sign-in."""
    return re.sub(r"state=[^\"]+", "", page.text).replace(email, "")


def test_nobody_gets_a_link_for_an_address_without_a_user(tenant: Any) -> None:
    page = ask(tenant, "nobody@example.com")
    assert "Check Your Email" in page.text
    assert ticket(page) is None


@pytest.mark.parametrize(
    ("password", "again", "words"),
    [
        ("", "", "Password is required"),
        (NEW, "New-Password-2", "Passwords don&#39;t match"),
        ("short", "short", "The password is too weak"),
        ("Wonderland-1", "Wonderland-1", "Password has previously been used"),
    ],
)
def test_a_refused_password_says_why_and_the_link_still_works(
    start: Any, password: str, again: str, words: str
) -> None:
    tenant = start(options(passwordPolicy="good", password_history={"enable": True, "size": 1}))
    key = ticket(ask(tenant))
    page = change(tenant, key, password, again)
    assert page.status_code == 400
    assert words in page.text
    assert change(tenant, key).status_code == 200


@pytest.mark.parametrize("key", ["", "x", "../u/login", "x" * 5000])
def test_a_wrong_ticket_is_refused(tenant: Any, key: str) -> None:
    ask(tenant)
    assert tenant.http.get("/u/reset-verify", params={"ticket": key}).status_code == 400
    assert change(tenant, key).status_code == 400
    assert can_log_in(tenant, "Wonderland-1")


def test_a_ticket_expires_and_ends_with_its_user(tenant: Any) -> None:
    key = ticket(ask(tenant))
    tenant.idp.clock.shift(TICKET_LIFETIME + 1)
    assert change(tenant, key).status_code == 400
    tenant.idp.clock.shift(0)
    del tenant.idp.tenant.users[tenant.idp.tenant.user_by_email(ALICE).user_id]
    assert change(tenant, key).status_code == 400


def test_a_database_can_forbid_it(start: Any) -> None:
    tenant = start(options(disable_self_service_change_password=True))
    location = tenant.authorize().headers["location"]
    assert "/u/reset-password" not in tenant.http.get(location).text
    address = location.replace("/u/login", "/u/reset-password")
    assert tenant.http.get(address).status_code == 400
    state = parse_qs(urlsplit(location).query)["state"][0]
    assert tenant.http.post(address, data={"state": state, "email": ALICE}).status_code == 400


def test_a_form_from_another_browser_is_refused(tenant: Any) -> None:
    location = tenant.authorize().headers["location"]
    state = parse_qs(urlsplit(location).query)["state"][0]
    answer = tenant.browser().http.post("/u/reset-password", data={"state": state, "email": ALICE})
    assert answer.status_code == 400
    assert ticket(answer) is None


def test_neither_the_ticket_nor_the_password_is_in_the_journal_the_log_or_the_console(tenant: Any) -> None:
    key = ticket(ask(tenant))
    tenant.http.get("/u/reset-verify", params={"ticket": key})
    change(tenant, key)
    shown = tenant.http.get("/__mock__/requests").text + tenant.http.get("/__mock__/logs").text
    shown += "".join(tenant.http.get("/", params={"tab": tab}).text for tab in ("sign_ins", "log", "requests"))
    assert str(key) not in shown
    assert NEW not in shown
