"""Authorization requests without a person: the tenant answers at once whether the sign-in can succeed.

The requests have `prompt=none` (OpenID Connect Core section 3.1.2.1). If nothing is wrong, the answer is
`login_required`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

import anyio

from ...causes.catalogue import APPLICATION, ENTRIES, advice_on, check_of
from ...errors import SignInError, UnreachableError
from ...foreign_text import foreign
from ..http.fetch import Fetcher, Reply
from .authorization import AuthorizationRequest
from .discovery import AuthorizationServer

SECONDS: Final = 3.0
"""How long a sign-in waits for the tenant's answer before the browser opens."""

_REFUSALS: Final = frozenset({"unauthorized_client", "unsupported_response_type", "invalid_scope", "invalid_target"})
"""Errors that the same request with a person also gets (RFC 6749 section 4.1.2.1, RFC 8707 section 2).

`invalid_request` is not among them, because a provider without `prompt=none` answers it. `access_denied` counts only
with a known description.
"""

_NEEDS_PERSON: Final = frozenset(
    {"login_required", "consent_required", "interaction_required", "account_selection_required"}
)
_PASSWORD: Final = re.compile(rb"<input\b[^>]*\btype\s*=\s*[\"']?password\b", re.IGNORECASE)
_HIDDEN: Final = re.compile(r"<(script|style|svg)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """The tenant's answer.

    Attributes:
        error: the OAuth `error`; empty if a page does not show it.
        text: error and description, or the words of a page.
        on_page: whether the tenant answered with a page of its own, not at the callback.
        status: the HTTP status of the answer.
        asks_for_password: whether the answer is a sign-in page, of a provider that does not know `prompt=none`.
    """

    error: str
    text: str
    on_page: bool
    status: int = 302
    asks_for_password: bool = False

    @property
    def needs_only_the_person(self) -> bool:
        """Whether the tenant refused only because no person signed in."""
        if self.asks_for_password:
            return True
        if self.on_page:
            return self.check is None and bool(re.search(r"(login|consent|interaction)[_ ]required", self.text.lower()))
        return self.error in _NEEDS_PERSON

    @property
    def check(self) -> str | None:
        """The check that the refusal belongs to; None if the refusal is unknown."""
        return check_of(self.text) or ("grant-types" if self.error == "unauthorized_client" else None)

    @property
    def is_final(self) -> bool:
        """Whether the same request of a browser is certainly refused."""
        if self.on_page:
            return 400 <= self.status < 500 and self._is_about_application
        return self.error not in _NEEDS_PERSON and (self.error in _REFUSALS or self._is_about_application)

    @property
    def _is_about_application(self) -> bool:
        return self.check is not None and ENTRIES[self.check].group == APPLICATION

    def __str__(self) -> str:
        if not self.on_page:
            return foreign(self.text, 160)
        words = self.text.casefold()
        phrases = [words.find(part) for entry in ENTRIES.values() for part in entry.said]
        start = min((at for at in phrases if at >= 0), default=0)
        return f"on a page: {foreign(self.text[start:], 80)}"


@dataclass(frozen=True)
class Asker:
    """Sends authorization requests as one client.

    Attributes:
        redirect_uri: the client's callback. The redirect to it is read, not followed.
    """

    fetch: Fetcher
    server: AuthorizationServer
    client_id: str
    redirect_uri: str

    async def ask(self, **target: str) -> Answer:
        """Send the request of a sign-in, with `prompt=none`.

        Args:
            target: `scope`, `audience`, `resource`.

        Raises:
            UnreachableError, SignInError: as `Fetcher.get`.
        """
        request = AuthorizationRequest(
            self.server,
            client_id=self.client_id,
            redirect_uri=self.redirect_uri,
            target={**target, "prompt": "none"},
        )
        return _read(await self.fetch.get(request.url), self.redirect_uri)

    async def similar_api(self, audience: str) -> tuple[str, str] | None:
        """An API of the tenant with a similar Identifier, and the difference; None if there is none.

        Raises:
            UnreachableError, SignInError: as `Fetcher.get`.
        """
        for similar, difference in similar_identifiers(audience).items():
            if (await self.ask(audience=similar)).check != "api":
                return similar, difference
        return None

    def described(self, answer: Answer) -> str:
        """What a refusal says."""
        if answer.check == "application":
            return f"The tenant does not know the Client ID {self.client_id!r} ({answer})."
        if answer.check == "callback":
            return f"The application does not allow {self.redirect_uri!r} ({answer})."
        return f"The tenant answers {answer}."


class CannotSucceed(SignInError):
    """The tenant refuses the sign-in before a person is asked.

    Attributes:
        check: the check in `ENTRIES` that the refusal belongs to; None if it is not known.
    """

    error = "sign_in_denied"

    def __init__(self, message: str, check: str | None) -> None:
        super().__init__(message)
        self.check = check


async def require_possible(asker: Asker, target: Mapping[str, str]) -> None:
    """Send the request of a sign-in without a person. An answer that is not certain, or no answer, changes nothing.

    Args:
        target: the parameters of the sign-in (see `SignInTask.target`).

    Raises:
        CannotSucceed: the tenant would refuse the sign-in. The message has the doctor's cause and fix.
    """
    answer = similar = None
    with anyio.move_on_after(SECONDS):
        try:
            answer = await asker.ask(**target)
            if answer.is_final and answer.check == "api" and "audience" in target:
                similar = await asker.similar_api(target["audience"])
        except (UnreachableError, SignInError):
            pass
    if answer is None or not answer.is_final:
        return
    text = f"The sign-in at {asker.server.issuer} cannot succeed, so no browser opens. {asker.described(answer)}"
    if answer.check is not None:
        text += f" {ENTRIES[answer.check].cause}"
        if similar is not None:
            text += f" The tenant has the API {similar[0]!r} ({similar[1]})."
        text += f" {advice_on(answer.check)}"
    raise CannotSucceed(text, answer.check)


def similar_identifiers(identifier: str) -> dict[str, str]:
    """Identifiers that are often written by mistake, and what is different in each."""
    other_slash = identifier.rstrip("/") if identifier.endswith("/") else f"{identifier}/"
    similar = {other_slash: "the final slash"}
    scheme, colon, rest = identifier.partition("://")
    other = {"http": "https", "https": "http"}.get(scheme)
    return {**similar, f"{other}{colon}{rest}": f"{other}, not {scheme}"} if other else similar


def _read(reply: Reply, redirect_uri: str) -> Answer:
    location = reply.headers.get("location", "")
    if location.startswith(redirect_uri):
        values = parse_qs(urlsplit(location).query)
        error, description = values.get("error", [""])[0], values.get("error_description", [""])[0]
        return Answer(error, f"{error}: {description}" if description else error, on_page=False)
    document = reply.json()
    if document is not None:
        error = str(document.get("error", ""))
        return Answer(error, f"{error}: {document.get('error_description', '')}", True, reply.status)
    text = html.unescape(_HIDDEN.sub(" ", reply.body.decode("utf-8", "replace")))
    asks = reply.status == 200 and _PASSWORD.search(reply.body) is not None
    return Answer("", " ".join(text.split()) or f"HTTP {reply.status}", True, reply.status, asks)
