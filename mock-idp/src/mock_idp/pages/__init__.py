"""The pages: what each one shows (plain data, no behaviour) and how it is rendered.

A template sees exactly the fields of its page, as `page`. Names and ids of form fields are a contract with scripts:
`state`, `username`, `password`, `action`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

SUBMIT_SCRIPT = "document.forms[0].submit()"
SUBMIT_SCRIPT_HASH = base64.b64encode(hashlib.sha256(SUBMIT_SCRIPT.encode()).digest()).decode("ascii")
# No form-action: browsers apply it to the redirects after a form, too, and so to whatever the callback does next.
POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class SeededUser:
    email: str
    password: str
    roles: str


@dataclass(frozen=True)
class ScopeLine:
    scope: str
    words: str


@dataclass(frozen=True)
class LoginPage:
    state: str
    tenant_name: str
    client_name: str
    username: str
    failed: bool
    users: Sequence[SeededUser]
    template: str = "login.html"


@dataclass(frozen=True)
class ConsentPage:
    state: str
    tenant_name: str
    client_name: str
    third_party: bool
    email: str
    client_url: str | None
    callback_host: str
    callback_is_local: bool
    user_code: str | None
    api_name: str | None
    scopes: Sequence[ScopeLine]
    template: str = "consent.html"


@dataclass(frozen=True)
class ActivatePage:
    tenant_name: str
    user_code: str
    failed: bool = False
    template: str = "activate.html"


@dataclass(frozen=True)
class ErrorPage:
    """`why` and `fix` are the explanation that a real tenant does not give."""

    error: str
    description: str
    why: str = ""
    fix: str = ""
    template: str = "error.html"


@dataclass(frozen=True)
class FormPostPage:
    """OAuth 2.0 Form Post Response Mode."""

    url: str
    fields: Mapping[str, str]
    script: str = SUBMIT_SCRIPT
    template: str = "form_post.html"


@dataclass(frozen=True)
class MessagePage:
    title: str
    message: str
    template: str = "message.html"


@dataclass(frozen=True)
class LogoutPage:
    state: str
    tenant_name: str
    template: str = "logout.html"


@dataclass(frozen=True)
class HomePage:
    tenant_name: str
    issuer: str
    users: Sequence[SeededUser]
    clients: Sequence[tuple[str, str]]
    apis: Sequence[tuple[str, str]]
    discovery: Sequence[str] = field(default_factory=list)
    template: str = "home.html"


Page = LoginPage | ConsentPage | ActivatePage | ErrorPage | FormPostPage | MessagePage | LogoutPage | HomePage

_environment = Environment(
    loader=PackageLoader("mock_idp.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def render(page: Page, *, status: int = 200) -> HTMLResponse:
    """The page as an answer, with the headers that keep it from being framed, cached or scripted."""
    policy = POLICY
    if isinstance(page, FormPostPage):
        policy = f"{POLICY}; script-src 'sha256-{SUBMIT_SCRIPT_HASH}'"
    html = _environment.get_template(page.template).render(page=page)
    return HTMLResponse(html, status_code=status, headers={**HEADERS, "Content-Security-Policy": policy})


def static_files() -> StaticFiles:
    return StaticFiles(directory=Path(__file__).parent / "static")
