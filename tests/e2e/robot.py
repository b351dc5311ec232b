"""A scripted browser: opens the sign-in URL, fills in the tenant's real pages, follows the way back to the agent.

As a command it is what `$BROWSER` names: `robot.py URL`. ROBOT_USER, ROBOT_PASSWORD and ROBOT_CONSENT (accept or deny)
say who signs in.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx2

PASSWORDS = {"alice@example.com": "Wonderland-1", "bob@example.com": "Builder-2"}
MOST_PAGES = 10


@dataclass
class Form:
    """An HTML form: where it goes and what is in it."""

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


def forms_of(page: str) -> list[Form]:
    """The forms of an HTML page."""
    parser = _Forms()
    parser.feed(page)
    return parser.forms


def sign_in(url: str, user: str, password: str, consent: str = "accept") -> httpx2.Response:
    """Sign in as a person would.

    Returns:
        The page at which the way ends: the agent's callback page, or the tenant's error page.
    """
    with httpx2.Client(follow_redirects=True, timeout=20) as browser:
        page = browser.get(url, headers={"Accept": "text/html"})
        for _ in range(MOST_PAGES):
            form = next(iter(forms_of(page.text)), None)
            if form is None or page.status_code >= 400:
                return page
            page = browser.post(urljoin(str(page.url), form.action), data=filled(form, user, password, consent))
    raise RuntimeError(f"still at {page.url} after {MOST_PAGES} pages")


def filled(form: Form, user: str, password: str, consent: str) -> dict[str, str]:
    """What a person would send with the form."""
    values = dict(form.fields)
    if "username" in values:
        values |= {"username": user, "password": password}
    actions = [value for name, value in form.buttons if name == "action"]
    if actions:
        values["action"] = consent if consent in actions else actions[0]
    return values


def main() -> int:
    """Exit code 0 when the way ended without an error page."""
    user = os.environ.get("ROBOT_USER", "alice@example.com")
    password = os.environ.get("ROBOT_PASSWORD", PASSWORDS.get(user, ""))
    page = sign_in(sys.argv[1], user, password, os.environ.get("ROBOT_CONSENT", "accept"))
    if page.status_code >= 400:
        sys.stderr.write(f"robot: stopped at {page.url.copy_with(query=None)} with HTTP {page.status_code}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
