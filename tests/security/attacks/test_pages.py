"""Attacks on the person at the tenant's pages: CSRF, session fixation, clickjacking, consent under a false name."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest

from tests.security.attacks.browser import AGENT, ALICE, SECONDS, Browser, form_of
from tests.support.processes import TLS
from tests.support.scripted_browser import PASSWORDS, lines_of
from tests.support.stack import LocalStack

SESSION = "auth0_session"
DEVICE = "GatehouseDeviceDemoClient0000000"


def session_of(browser: Browser) -> str | None:
    return next((value for name, value in browser.http.cookies.items() if name.startswith(SESSION)), None)


def signed_in_as(browser: Browser) -> str:
    """The consent page of a new request in the browser, which names the user of its session."""
    page = browser.page(browser.authorize(prompt="consent"))
    assert urlsplit(str(page.url)).path == "/u/consent", page.url
    return "\n".join(lines_of(page.text))


def signed_in(stack: LocalStack) -> Browser:
    browser = Browser(stack)
    browser.sign_in()
    return browser


def test_a_foreign_page_cannot_sign_the_person_in_as_the_attacker(tenant: LocalStack) -> None:
    """Login CSRF: the attacker's own sign-in, sent from the person's browser, with the attacker's password."""
    attacker, victim = Browser(tenant), Browser(tenant)
    page = attacker.page(attacker.authorize())
    victim.authorize()
    password = PASSWORDS["bob@example.com"]
    answer = victim.http.post(
        str(page.url), data={**form_of(page).fields, "username": "bob@example.com", "password": password}
    )
    assert answer.status_code == 400
    assert session_of(victim) is None


@pytest.mark.parametrize("page", ["login", "signup", "consent", "organization", "reset-verify"])
def test_no_form_works_from_another_browser(tenant: LocalStack, page: str) -> None:
    attacker, victim = Browser(tenant), signed_in(tenant)
    state = urlsplit(str(attacker.page(attacker.authorize()).url)).query.removeprefix("state=")
    before = session_of(victim)
    form = {"state": state, "action": "accept", "username": "bob@example.com", "password": PASSWORDS["bob@example.com"]}
    answer = victim.http.post(f"/u/{page}", data=form)
    assert answer.status_code == 400, answer.text
    assert session_of(victim) == before
    assert ALICE in signed_in_as(victim)


def test_the_attacker_cannot_finish_the_sign_in_of_the_person(tenant: LocalStack) -> None:
    attacker, victim = Browser(tenant), signed_in(tenant)
    page = victim.page(victim.authorize(prompt="consent"))
    fields = {**form_of(page).fields, "action": "accept"}
    assert attacker.http.post("/u/consent", data=fields).status_code == 400
    stolen_query = urlsplit(str(page.url)).query
    answer = attacker.page(attacker.http.get(f"/authorize/resume?{stolen_query}"))
    assert answer.status_code == 400
    assert answer.next_request is None


def test_a_foreign_page_cannot_agree_for_the_person(tenant: LocalStack) -> None:
    """The cookies are SameSite=Lax, and the form needs a random state that no other page knows."""
    victim = signed_in(tenant)
    page = victim.page(victim.authorize(prompt="consent"))
    for state in (None, "", "x", secrets.token_urlsafe(24), form_of(page).fields["state"][:-1]):
        form = {"action": "accept", **({"state": state} if state is not None else {})}
        assert victim.http.post("/u/consent", data=form).status_code == 400
    cookies = victim.authorize().headers.get_list("set-cookie")
    assert cookies
    for cookie in cookies:
        assert "httponly" in cookie.lower()
        assert "samesite=lax" in cookie.lower()


def test_a_device_is_connected_only_by_the_page_that_shows_its_code(tenant: LocalStack) -> None:
    """A foreign page can send the code of the attacker's device; the person still has to agree to this device."""
    asked = {"client_id": DEVICE, "audience": tenant.audience, "scope": "access:mcp"}
    device = httpx2.post(f"{tenant.issuer}oauth/device/code", data=asked, timeout=SECONDS, verify=TLS).json()
    victim = signed_in(tenant)
    page = victim.page(victim.http.post("/activate", data={"user_code": device["user_code"]}))
    assert urlsplit(str(page.url)).path == "/u/consent"
    assert device["user_code"] in page.text
    answer = victim.token(
        {
            "client_id": DEVICE,
            "device_code": device["device_code"],
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        }
    )
    assert answer.json()["error"] == "authorization_pending"


@pytest.mark.parametrize("kind", ["a session of the attacker", "a key that the attacker chose"])
def test_a_session_that_was_planted_is_not_the_persons_session(tenant: LocalStack, kind: str) -> None:
    attacker, victim = signed_in(tenant), Browser(tenant)
    name = next(name for name in attacker.http.cookies if name.startswith(SESSION))
    planted = attacker.http.cookies[name] if kind == "a session of the attacker" else "c" * 43
    victim.http.cookies.set(name, planted, domain="localhost.local")
    page = victim.page(victim.authorize(prompt="login"))
    form = {**form_of(page).fields, "username": ALICE, "password": PASSWORDS[ALICE]}
    begun = victim.http.post(str(page.url), data=form).headers["set-cookie"]
    assert begun.startswith(f"{name}=")
    assert planted not in begun
    later = Browser(tenant)
    later.http.cookies.set(name, planted, domain="localhost.local")
    assert urlsplit(str(later.page(later.authorize()).url)).path == "/u/login", "the planted key leads to nobody"


def test_a_planted_mark_does_not_give_the_attacker_the_persons_sign_in(tenant: LocalStack) -> None:
    """The attacker plants the cookie of a sign-in, the person signs in there, and the attacker tries to go on."""
    attacker, victim = Browser(tenant), Browser(tenant)
    page = attacker.page(attacker.authorize())
    for cookie in attacker.http.cookies.jar:
        victim.http.cookies.set(cookie.name, str(cookie.value), domain="localhost.local")
    after_login = victim.log_in(page)
    assert after_login.next_request is not None or urlsplit(str(after_login.url)).path == "/u/consent"
    state = form_of(page).fields["state"]
    answer = attacker.page(attacker.http.get("/authorize/resume", params={"state": state}))
    assert answer.next_request is None, "only the browser with the session gets on"
    assert answer.status_code == 400 or urlsplit(str(answer.url)).path == "/u/login"


PAGES: dict[str, Callable[[Browser], httpx2.Response]] = {
    "login": lambda browser: browser.page(browser.authorize(prompt="login")),
    "consent": lambda browser: browser.page(browser.authorize(prompt="consent")),
    "device": lambda browser: browser.http.get("/activate"),
    "logout": lambda browser: browser.http.get("/oidc/logout"),
    "console": lambda browser: browser.http.get("/"),
    "unknown client": lambda browser: browser.authorize(client_id="nobody"),
    "lost sign-in": lambda browser: browser.http.get("/u/login?state=x"),
    "wrong password": lambda browser: browser.submit(
        browser.page(browser.authorize(prompt="login")), username=ALICE, password="wrong"
    ),
    "answer as a form": lambda browser: _answer_page(browser),
}


def _answer_page(browser: Browser) -> httpx2.Response:
    page = browser.page(browser.authorize(prompt="consent", response_mode="form_post"))
    return browser.submit(page, action="accept")


@pytest.mark.parametrize("name", PAGES)
def test_no_page_can_be_framed_or_run_foreign_scripts(tenant: LocalStack, name: str) -> None:
    page = PAGES[name](signed_in(tenant))
    assert page.headers["content-type"].startswith("text/html"), page.headers
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["referrer-policy"] == "no-referrer"


NAMES = {
    "the same name": "Gatehouse agent",
    "the name with blanks": "  Gatehouse   agent ",
    "the name with an invisible letter": "Gatehouse\u200b agent",
    "a name that turns the text around": "Gatehouse agent\u202e evil.example.com",
    "a name with line breaks": "Gatehouse agent\n\nVerified by Auth0",
    "a name with markup": "<b>Gatehouse agent</b><script>alert(1)</script>",
    "a name that is a URL": "https://localhost/ Gatehouse agent",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_client_with_a_borrowed_name_is_shown_as_a_strangers(tenant_reset_after: LocalStack, name: str) -> None:
    stack = tenant_reset_after
    evil = "https://evil.example.com/callback"
    metadata = {
        "client_name": NAMES[name],
        "redirect_uris": [evil],
        "token_endpoint_auth_method": "none",
        "application_type": "web",
    }
    registered = httpx2.post(f"{stack.issuer}oidc/register", json=metadata, timeout=SECONDS, verify=TLS)
    if registered.status_code == 400:
        assert registered.json()["error"] == "invalid_client_metadata"
        return
    client = registered.json()["client_id"]
    browser = signed_in(stack)
    page = browser.page(browser.authorize(client_id=client, redirect_uri=evil, scope="access:mcp", prompt="consent"))
    assert urlsplit(str(page.url)).path == "/u/consent", "a stranger never gets a token without a question"
    text = "\n".join(lines_of(page.text))
    assert "evil.example.com" in text, "the page shows where the answer goes"
    assert "This is a third-party application." in text
    assert "<b>" not in page.text
    assert not set(text) & set("\u200b\u202e")
    assert "Verified by Auth0" not in text.splitlines()


def test_a_stranger_never_gets_an_answer_silently(tenant_reset_after: LocalStack) -> None:
    """The consent that the person gave to the real application is not that of a client with its name."""
    stack = tenant_reset_after
    browser = signed_in(stack)
    evil = "https://evil.example.com/callback"
    metadata = {"client_name": "Gatehouse agent", "redirect_uris": [evil], "token_endpoint_auth_method": "none"}
    client = httpx2.post(f"{stack.issuer}oidc/register", json=metadata, timeout=SECONDS, verify=TLS).json()["client_id"]
    for scope in ("openid", "access:mcp", "openid access:mcp"):
        answer = browser.page(browser.authorize(client_id=client, redirect_uri=evil, scope=scope, prompt="none"))
        location = answer.headers.get("location", "")
        assert "code=" not in location
        assert urljoin(stack.issuer, location).startswith((stack.issuer, f"{evil}?error=")), location


def test_the_agents_secret_does_not_open_pages(tenant: LocalStack) -> None:
    """Credentials of a client are no session: without one, the tenant asks for a sign-in."""
    browser = Browser(tenant)
    browser.http.auth = httpx2.BasicAuth(AGENT["client_id"], AGENT["client_secret"])
    assert urlsplit(str(browser.page(browser.authorize()).url)).path == "/u/login"
