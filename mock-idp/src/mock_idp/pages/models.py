"""The data of each page.

Scripts depend on the names and ids of the form fields `state`, `username`, `password` and `action`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..explanations import Case
from ..state.idp import Idp
from ..tenant.passwords import Rule
from .policy import content_security_policy, form_action

Message = Literal["device_connected", "device_denied", "logged_out", "still_logged_in", "password_changed"]


class Page:
    """A page, its template and its Content Security Policy."""

    template: ClassVar[str]

    @property
    def policy(self) -> str:
        return content_security_policy(form_action="'none'")

    @property
    def framed_by(self) -> str | None:
        """The origin whose pages may show this one in a frame; None: no page may."""
        return None


class _FormPage(Page):
    """A page with a form. The answer to the form can redirect the browser to `leads_to`, out of the tenant."""

    leads_to: str | None

    @property
    def policy(self) -> str:
        return content_security_policy(form_action=form_action(self.leads_to))


class _OwnFormPage(Page):
    """A page with a form. The answer to the form is another page of the tenant."""

    @property
    def policy(self) -> str:
        return content_security_policy(form_action="'self'")


@dataclass(frozen=True)
class PublishedUser:
    """A user whose password the pages may show, because offline.yaml publishes it."""

    email: str
    password: str
    roles: str


def published_users(idp: Idp) -> list[PublishedUser]:
    """The users that still have the email and the password of offline.yaml. Users made at run time are not included."""
    published = {(user.email, user.password) for user in idp.seed.configuration.offline_file.users}
    return [
        PublishedUser(user.email, user.password, ", ".join(user.roles))
        for user in idp.tenant.users.values()
        if (user.email, user.password) in published
    ]


@dataclass(frozen=True)
class ScopeLine:
    scope: str
    words: str


@dataclass(frozen=True)
class LoginPage(_FormPage):
    """`leads_to` is the callback of the sign-in, or empty for a device. `locked` is after too many wrong passwords."""

    state: str
    client_name: str
    leads_to: str
    username: str
    password: str
    failed: bool
    users: Sequence[PublishedUser]
    more_users: int = 0
    locked: bool = False
    offers_signup: bool = True
    offers_reset: bool = True
    template: ClassVar[str] = "login.html"


@dataclass(frozen=True)
class SignupPage(_FormPage):
    """`rules` are those of the database for passwords. `problem` is the key of a text."""

    state: str
    client_name: str
    leads_to: str
    email: str
    rules: Sequence[Rule]
    problem: str | None = None
    template: ClassVar[str] = "signup.html"


@dataclass(frozen=True)
class ResetRequestPage(_OwnFormPage):
    state: str
    client_name: str
    email: str
    failed: bool = False
    template: ClassVar[str] = "reset_request.html"


@dataclass(frozen=True)
class ResetSentPage(Page):
    """`ticket` is None if no user has the address. `is_shown` is whether the browser may see it."""

    state: str
    email: str
    ticket: str | None
    is_shown: bool
    template: ClassVar[str] = "reset_sent.html"


@dataclass(frozen=True)
class NewPasswordPage(_OwnFormPage):
    ticket: str
    email: str
    rules: Sequence[Rule]
    problem: str | None = None
    template: ClassVar[str] = "new_password.html"


@dataclass(frozen=True)
class OrganizationChoice:
    name: str
    display_name: str


@dataclass(frozen=True)
class OrganizationPage(_FormPage):
    """After the login `choices` are the user's organizations. Before it there are none, and the person types a name.

    `known` are the names of all organizations, which a real tenant does not show.
    """

    state: str
    client_name: str
    leads_to: str
    choices: Sequence[OrganizationChoice]
    known: Sequence[str]
    failed: bool = False
    template: ClassVar[str] = "organization.html"


@dataclass(frozen=True)
class ConsentPage(_FormPage):
    """`leads_to` is the callback, or empty for a device. `user_code` is the code on the device. `client_url` is the URL
    of the client's metadata document. `real_lines` are the permissions in a real tenant's words, if they differ.
    `registered_without_port` is the registered callback if it equals `leads_to` except for the port. `confirmation`
    means that no consent is needed, only a confirmation of the callback (Auth0: Measures Against Application
    Impersonation)."""

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
    registered_without_port: str | None = None
    confirmation: bool = False
    template: ClassVar[str] = "consent.html"


@dataclass(frozen=True)
class ActivatePage(_OwnFormPage):
    user_code: str
    ui_locales: str = ""
    failed: bool = False
    template: ClassVar[str] = "activate.html"


@dataclass(frozen=True)
class ErrorPage(Page):
    """`case` is the explanation, which a real tenant does not show. `kept_from` is the client that does not get the
    error at its callback because of its redirection policy."""

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
class WebMessagePage(Page):
    """OAuth 2.0 Web Message Response Mode: a script sends the answer to the window that opened or frames this one.

    Source: draft-sakimura-oauth-wmrm-00; the SDK auth0-spa-js reads the message.
    """

    origin: str
    fields: Mapping[str, str]
    template: ClassVar[str] = "web_message.html"

    @property
    def answer(self) -> str:
        return json.dumps(self.fields)

    @property
    def framed_by(self) -> str:
        return self.origin

    @property
    def policy(self) -> str:
        return content_security_policy(form_action="'none'", scripts=True, framed_by=self.origin)


@dataclass(frozen=True)
class MessagePage(Page):
    """`leads_to` is the address of the page that follows."""

    message: Message
    leads_to: str | None = None
    template: ClassVar[str] = "message.html"


@dataclass(frozen=True)
class LogoutPage(_FormPage):
    state: str
    leads_to: str | None
    template: ClassVar[str] = "logout.html"
