"""The tenant's immediate answers to authorization requests, without a person.

The requests have `prompt=none` (OpenID Connect Core section 3.1.2.1). If nothing is wrong, the answer is
`login_required`.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from ..causes.catalogue import ENTRIES, check_of
from ..foreign_text import foreign
from ..signin.http.fetch import Fetcher, Reply
from ..signin.protocol.authorization import AuthorizationRequest
from ..signin.protocol.discovery import AuthorizationServer

_NEEDS_PERSON: Final = frozenset(
    {"login_required", "consent_required", "interaction_required", "account_selection_required"}
)
_HIDDEN: Final = re.compile(r"<(script|style|svg)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """The tenant's answer.

    Attributes:
        error: the OAuth `error`; empty if a page does not show it.
        text: error and description, or the words of a page.
        on_page: whether the tenant answered with a page of its own, not at the callback.
    """

    error: str
    text: str
    on_page: bool

    @property
    def needs_only_the_person(self) -> bool:
        """Whether the tenant refused only because no person signed in."""
        if self.on_page:
            return self.check is None and bool(re.search(r"(login|consent|interaction)[_ ]required", self.text.lower()))
        return self.error in _NEEDS_PERSON

    @property
    def check(self) -> str | None:
        """The check that the refusal belongs to; None if the refusal is unknown."""
        return check_of(self.text) or ("grant-types" if self.error == "unauthorized_client" else None)

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


def _read(reply: Reply, redirect_uri: str) -> Answer:
    location = reply.headers.get("location", "")
    if location.startswith(redirect_uri):
        values = parse_qs(urlsplit(location).query)
        error, description = values.get("error", [""])[0], values.get("error_description", [""])[0]
        return Answer(error, f"{error}: {description}" if description else error, on_page=False)
    document = reply.json()
    if document is not None:
        error = str(document.get("error", ""))
        return Answer(error, f"{error}: {document.get('error_description', '')}", on_page=True)
    text = html.unescape(_HIDDEN.sub(" ", reply.body.decode("utf-8", "replace")))
    return Answer("", " ".join(text.split()) or f"HTTP {reply.status}", on_page=True)
