"""What each page shows: plain data, no behaviour.

Names and ids of form fields are a contract with scripts: `state`, `username`, `password`, `action`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..explanations import Case
from .policy import content_security_policy, form_action

Message = Literal["device_connected", "device_denied", "logged_out", "still_logged_in"]


class Page:
    """Something to show: the template that shows it, and what it may load and where its forms may lead."""

    template: ClassVar[str]

    @property
    def policy(self) -> str:
        return content_security_policy(form_action="'none'")


class _LeadsOn(Page):
    """A page whose form can send the browser out of the tenant."""

    leads_to: str | None

    @property
    def policy(self) -> str:
        return content_security_policy(form_action=form_action(self.leads_to))


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
class LoginPage(_LeadsOn):
    """`leads_to` is the callback at which the sign-in may end; empty for a device."""

    state: str
    client_name: str
    leads_to: str
    username: str
    password: str
    failed: bool
    users: Sequence[SeededUser]
    more_users: int = 0
    template: ClassVar[str] = "login.html"


@dataclass(frozen=True)
class ConsentPage(_LeadsOn):
    """`leads_to` is the callback, empty for a device; `user_code` is what the device shows; `client_url` is where the
    client's metadata document is. `real_lines` are the
    permissions as a tenant of Auth0's with these settings would word them, where that is different."""

    state: str
    client_name: str
    third_party: bool
    email: str
    client_url: str | None
    leads_to: str
    callback_host: str
    callback_is_local: bool
    user_code: str | None
    api_name: str | None
    api_identifier: str | None
    scopes: Sequence[ScopeLine]
    real_lines: Sequence[str] = ()
    template: ClassVar[str] = "consent.html"


@dataclass(frozen=True)
class ActivatePage(Page):
    user_code: str
    ui_locales: str = ""
    failed: bool = False
    template: ClassVar[str] = "activate.html"

    @property
    def policy(self) -> str:
        return content_security_policy(form_action="'self'")


@dataclass(frozen=True)
class ErrorPage(Page):
    """`case` is the explanation that a real tenant does not give; `kept_from` the client that would have got the error
    at its callback if its redirection policy allowed it."""

    error: str
    description: str
    case: Case | None = None
    kept_from: str | None = None
    template: ClassVar[str] = "error.html"


@dataclass(frozen=True)
class FormPostPage(Page):
    """OAuth 2.0 Form Post Response Mode."""

    leads_to: str
    fields: Mapping[str, str]
    template: ClassVar[str] = "form_post.html"

    @property
    def policy(self) -> str:
        return content_security_policy(form_action=form_action(self.leads_to), scripts=True)


@dataclass(frozen=True)
class MessagePage(Page):
    message: Message
    template: ClassVar[str] = "message.html"


@dataclass(frozen=True)
class LogoutPage(_LeadsOn):
    state: str
    leads_to: str | None
    template: ClassVar[str] = "logout.html"
