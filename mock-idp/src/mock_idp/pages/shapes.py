"""What each page shows: plain data, no behaviour.

Names and ids of form fields are a contract with scripts: `state`, `username`, `password`, `action`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ..explanations import Case

Message = Literal["device_connected", "device_denied", "logged_out", "still_logged_in"]


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
class ConsentPage:
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
class ActivatePage:
    user_code: str
    ui_locales: str = ""
    failed: bool = False
    template: ClassVar[str] = "activate.html"


@dataclass(frozen=True)
class ErrorPage:
    """`case` is the explanation that a real tenant does not give; `kept_from` the client that would have got the error
    at its callback if its redirection policy allowed it."""

    error: str
    description: str
    case: Case | None = None
    kept_from: str | None = None
    template: ClassVar[str] = "error.html"


@dataclass(frozen=True)
class FormPostPage:
    """OAuth 2.0 Form Post Response Mode."""

    leads_to: str
    fields: Mapping[str, str]
    template: ClassVar[str] = "form_post.html"


@dataclass(frozen=True)
class MessagePage:
    message: Message
    template: ClassVar[str] = "message.html"


@dataclass(frozen=True)
class LogoutPage:
    state: str
    leads_to: str | None
    template: ClassVar[str] = "logout.html"


@dataclass(frozen=True)
class HomePage:
    issuer: str
    users: Sequence[SeededUser]
    clients: Sequence[tuple[str, str]]
    apis: Sequence[tuple[str, str]]
    discovery: Sequence[str] = field(default_factory=list)
    template: ClassVar[str] = "home.html"


Page = LoginPage | ConsentPage | ActivatePage | ErrorPage | FormPostPage | MessagePage | LogoutPage | HomePage
