"""A scripted browser: opens the sign-in URL, submits the tenant's real pages, follows the redirect to the agent.

`$BROWSER` names it as a command: `scripted_browser.py URL`. ROBOT_USER, ROBOT_PASSWORD and ROBOT_CONSENT (accept or
deny) say who signs in. If the sign-in ends before the agent's callback, the command prints where and the text of the
page, each line with the prefix `scripted browser: `, and then `scripted browser: end`.

It imports only the standard library, and little of that, because many tests start it.
"""

from __future__ import annotations

import os
import ssl
import sys
import time
from html.parser import HTMLParser
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.parse import parse_qs, parse_qsl, urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPHandler, HTTPSHandler, OpenerDirector, Request, UnknownHandler

PASSWORDS = {"alice@example.com": "Wonderland-1", "bob@example.com": "Builder-2"}
MAX_STEPS = 30
TIMEOUT = 20.0
RETRY_AFTER = (0, 0.5, 1)
PREFIX = "scripted browser: "
END = f"{PREFIX}end"


class Form(NamedTuple):
    """An HTML form: its action, fields and buttons."""

    action: str
    fields: dict[str, str]
    buttons: list[tuple[str, str]]


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), {}, []))
        elif self.forms and tag in ("input", "button") and "name" in values:
            if tag == "button" or values.get("type") == "submit":
                self.forms[-1].buttons.append((values["name"], values.get("value", "")))
            else:
                self.forms[-1].fields[values["name"]] = values.get("value", "")


class Page(NamedTuple):
    """The answer to a request.

    Attributes:
        redirect: the absolute URL of the next page, or None.
    """

    url: str
    status_code: int
    text: str
    redirect: str | None


class Browser:
    """Requests pages with the cookies of the earlier ones. It leaves redirects to the caller.

    The stack is on this machine: it uses no proxy, because a proxy does not lead to it.

    Args:
        trusted: whom it trusts. Without it, the system's authorities.
    """

    def __init__(self, trusted: ssl.SSLContext | None = None) -> None:
        trusted = trusted or ssl.create_default_context()
        self._opener = OpenerDirector()
        for handler in (HTTPHandler(), HTTPSHandler(context=trusted), HTTPCookieProcessor(), UnknownHandler()):
            self._opener.add_handler(handler)

    def open(self, url: str, form: dict[str, str] | None = None) -> Page:
        """GET the page, or POST the form.

        Raises:
            OSError: there is no answer.
            HTTPException: the answer is not HTTP.
        """
        body = None if form is None else urlencode(form).encode()
        request = Request(url, body, {"Accept": "text/html"})
        with self._answer(request) as answer:
            location = answer.headers["Location"] if 300 <= answer.status < 400 else None
            text = answer.read().decode(answer.headers.get_content_charset("utf-8"), "replace")
            return Page(url, answer.status, text, location and urljoin(url, location))

    def _answer(self, request: Request) -> Any:
        # Some clients open the browser a moment before their callback listens. A person is slower than that.
        for seconds in RETRY_AFTER:
            try:
                return self._opener.open(request, timeout=TIMEOUT)
            except URLError as error:
                if not isinstance(error.reason, ConnectionRefusedError):
                    raise
            time.sleep(seconds)
        return self._opener.open(request, timeout=TIMEOUT)


def sign_in(url: str, user: str, password: str, consent: str = "accept") -> Page:
    """Sign in as a user does.

    Returns:
        The last page: the agent's callback page, or the tenant's error page.
    """
    trusted = ssl.create_default_context()
    if authority := os.environ.get("AUTH0_CA_FILE"):
        trusted.load_verify_locations(authority)
    return _walk(Browser(trusted), url, user, password, consent)


class _Text(HTMLParser):
    """The text of a page, one line for each block."""

    HIDDEN = ("head", "script", "style", "svg")
    INLINE = ("a", "b", "bdi", "code", "em", "span", "strong")

    def __init__(self) -> None:
        super().__init__()
        self._hidden = 0
        self._text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in self.HIDDEN
        self._text += "" if tag in self.INLINE else "\n"

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in self.HIDDEN
        self._text += "" if tag in self.INLINE else "\n"

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._text += " ".join(data.split()) + " " if data.strip() else ""

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in self._text.split("\n") if line.strip()]


def lines_of(page: str) -> list[str]:
    """The text of a page, such as the tenant's error page: what is wrong, what was seen, what to do."""
    parser = _Text()
    parser.feed(page)
    return parser.lines


def callback_url(url: str, user: str, *, trusted: ssl.SSLContext | None = None) -> str:
    """Sign in without the last redirect. Returns its URL: the client's callback with the tenant's answer."""
    (callback,) = parse_qs(urlsplit(url).query)["redirect_uri"]
    page = _walk(Browser(trusted), url, user, PASSWORDS[user], "accept", stop=callback)
    if page.redirect is None:
        raise RuntimeError(f"no redirect to {callback}, but {page.url}: {page.text}")
    return page.redirect


def callback_parameters(url: str, user: str) -> dict[str, str]:
    """The parameters of the callback's URL."""
    return dict(parse_qsl(urlsplit(callback_url(url, user)).query))


def _walk(browser: Browser, url: str, user: str, password: str, consent: str, *, stop: str | None = None) -> Page:
    """Follow the pages to the last one, or to the redirect to a URL that starts with `stop`."""
    page = browser.open(url)
    for _ in range(MAX_STEPS):
        if page.redirect is not None:
            if stop is not None and page.redirect.startswith(stop):
                return page
            page = browser.open(page.redirect)
        elif page.status_code >= 400 or not (forms := forms_of(page.text)):
            return page
        else:
            form = forms[0]
            page = browser.open(urljoin(page.url, form.action), _filled(form, user, password, consent))
    raise RuntimeError(f"still at {page.url} after {MAX_STEPS} steps")


def forms_of(page: str) -> list[Form]:
    parser = _Forms()
    parser.feed(page)
    return parser.forms


def _filled(form: Form, user: str, password: str, consent: str) -> dict[str, str]:
    """The form's values as the user sends them."""
    values = dict(form.fields)
    typed = {"username": user, "login": user, "password": password}
    values |= {name: text for name, text in typed.items() if name in values}
    for decision in ("action", "allow"):
        choices = [value for name, value in form.buttons if name == decision]
        if choices:
            values[decision] = consent if consent in choices else choices[0]
    return values


def main() -> int:
    """Exit code 0 if the last page is no error page."""
    user = os.environ.get("ROBOT_USER", "alice@example.com")
    password = os.environ.get("ROBOT_PASSWORD", PASSWORDS.get(user, ""))
    url = sys.argv[1]
    callback = parse_qs(urlsplit(url).query).get("redirect_uri", [""])[0]
    try:
        page = sign_in(url, user, password, os.environ.get("ROBOT_CONSENT", "accept"))
    except (OSError, HTTPException, RuntimeError) as error:
        _report([f"the sign-in stopped: {error}"])
        return 1
    where = page.url.partition("?")[0]
    if where == callback:
        return 0 if page.status_code < 400 else 1  # the agent tells the rest
    _report([f"the sign-in stopped at {where} (HTTP {page.status_code}). The page says:", *lines_of(page.text)])
    return 1


def _report(lines: list[str]) -> None:
    sys.stderr.write("".join(f"{PREFIX}{line}\n" for line in lines) + f"{END}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
