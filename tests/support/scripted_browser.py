"""A scripted browser: opens the sign-in URL, submits the tenant's real pages, follows the redirect to the agent.

`$BROWSER` names it as a command: `scripted_browser.py URL`. ROBOT_USER, ROBOT_PASSWORD and ROBOT_CONSENT (accept or
deny) say who signs in.
"""

from __future__ import annotations

import os
import ssl
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qs, parse_qsl, urljoin, urlsplit

import httpx2

PASSWORDS = {"alice@example.com": "Wonderland-1", "bob@example.com": "Builder-2"}
MAX_STEPS = 30


@dataclass
class Form:
    """An HTML form: its action, fields and buttons."""

    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(Form(values.get("action", "")))
        elif self.forms and tag in ("input", "button") and "name" in values:
            if tag == "button" or values.get("type") == "submit":
                self.forms[-1].buttons.append((values["name"], values.get("value", "")))
            else:
                self.forms[-1].fields[values["name"]] = values.get("value", "")


def sign_in(url: str, user: str, password: str, consent: str = "accept") -> httpx2.Response:
    """Sign in as a user does.

    Returns:
        The last page: the agent's callback page, or the tenant's error page.
    """
    trusted = httpx2.create_ssl_context()
    if authority := os.environ.get("AUTH0_CA_FILE"):
        trusted.load_verify_locations(authority)
    with httpx2.Client(timeout=20, verify=trusted) as browser:
        return _walk(browser, url, user, password, consent)


def callback_url(url: str, user: str, *, verify: ssl.SSLContext | bool = True) -> str:
    """Sign in without the last redirect. Returns its URL: the client's callback with the tenant's answer."""
    (callback,) = parse_qs(urlsplit(url).query)["redirect_uri"]
    with httpx2.Client(timeout=20, verify=verify) as browser:
        page = _walk(browser, url, user, PASSWORDS[user], "accept", stop=callback)
    if page.next_request is None:
        raise RuntimeError(f"no redirect to {callback}, but {page.url}: {page.text}")
    return str(page.next_request.url)


def callback_parameters(url: str, user: str) -> dict[str, str]:
    """The parameters of the callback's URL."""
    return dict(parse_qsl(urlsplit(callback_url(url, user)).query))


def _walk(
    browser: httpx2.Client, url: str, user: str, password: str, consent: str, *, stop: str | None = None
) -> httpx2.Response:
    """Follow the pages to the last one, or to the redirect to a URL that starts with `stop`."""
    page = browser.get(url, headers={"Accept": "text/html"})
    for _ in range(MAX_STEPS):
        if page.next_request is not None:
            if stop is not None and str(page.next_request.url).startswith(stop):
                return page
            page = browser.send(page.next_request)
        elif page.status_code >= 400 or not (forms := _forms_of(page.text)):
            return page
        else:
            form = forms[0]
            page = browser.post(urljoin(str(page.url), form.action), data=_filled(form, user, password, consent))
    raise RuntimeError(f"still at {page.url} after {MAX_STEPS} steps")


def _forms_of(page: str) -> list[Form]:
    parser = _Forms()
    parser.feed(page)
    return parser.forms


def _filled(form: Form, user: str, password: str, consent: str) -> dict[str, str]:
    """The form's values as the user sends them."""
    values = dict(form.fields)
    if "username" in values:
        values |= {"username": user, "password": password}
    actions = [value for name, value in form.buttons if name == "action"]
    if actions:
        values["action"] = consent if consent in actions else actions[0]
    return values


def main() -> int:
    """Exit code 0 if the last page is no error page."""
    user = os.environ.get("ROBOT_USER", "alice@example.com")
    password = os.environ.get("ROBOT_PASSWORD", PASSWORDS.get(user, ""))
    page = sign_in(sys.argv[1], user, password, os.environ.get("ROBOT_CONSENT", "accept"))
    if page.status_code >= 400:
        sys.stderr.write(
            f"scripted browser: stopped at {page.url.copy_with(query=None)} with HTTP {page.status_code}\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
