"""The authorization request and its response (RFC 6749 section 4.1, RFC 7636, RFC 8707, RFC 9207)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ...causes.catalogue import advice
from ...errors import SignInDenied, SignInError
from ...foreign_text import foreign
from .discovery import AuthorizationServer


class UnexpectedCallback(Exception):
    """A request to the callback that is not the response to this authorization request. It is ignored."""


def pkce_challenge(verifier: str) -> str:
    """The S256 code challenge (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


@dataclass(frozen=True)
class AuthorizationRequest:
    """One authorization request. The response is checked against it.

    Attributes:
        target: parameters that say what the token is for (see `SignInTask.target`).
        state, verifier: fresh secrets of this request.
    """

    server: AuthorizationServer
    client_id: str
    redirect_uri: str
    target: Mapping[str, str]
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(64), repr=False)

    @property
    def url(self) -> str:
        """The URL that the browser opens. A query of the endpoint itself is kept (RFC 6749 section 3.1)."""
        parts = urlsplit(self.server.authorization_endpoint)
        ours = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            **self.target,
            "state": self.state,
            "code_challenge": pkce_challenge(self.verifier),
            "code_challenge_method": "S256",
        }
        theirs = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in ours]
        return urlunsplit(parts._replace(query=urlencode([*theirs, *ours.items()]), fragment=""))

    def code_in(self, answer: Sequence[tuple[str, str]]) -> str:
        """The authorization code of a response, after all checks.

        Args:
            answer: names and values of the callback's query.

        Raises:
            UnexpectedCallback: the `state` is another one, or a parameter comes twice (RFC 6749 section 3.1).
            SignInError: the issuer is another one (RFC 9207 section 2.4; the rest of such a response is not shown), the
                authorization server reports an error, or there is no code.
            SignInDenied: the authorization server reports `access_denied`.
        """
        values, issuer = dict(answer), self.server.issuer
        state = values.get("state", "").encode("utf-8", "surrogateescape")
        if len(values) != len(answer) or not hmac.compare_digest(state, self.state.encode("ascii")):
            raise UnexpectedCallback
        self._check_issuer(values.get("iss"))
        if "error" in values:
            raise _refusal(values["error"], values.get("error_description", ""), issuer)
        if not values.get("code"):
            raise SignInError(f"{issuer} sent the browser back without a code and without an error.")
        return values["code"]

    def _check_issuer(self, iss: str | None) -> None:
        issuer = self.server.issuer
        if iss is None and self.server.authorization_response_iss_parameter_supported:
            raise SignInError(
                f"The response to the sign-in does not name its issuer, but {issuer} says that it always does (RFC"
                " 9207): the response is not used."
            )
        if iss is not None and iss != issuer:
            raise SignInError(f"The response to the sign-in is not from {issuer} (RFC 9207): it is not used.")


def _refusal(error: str, description: str, issuer: str) -> SignInError:
    said = f"{foreign(error, 80)}: {foreign(description)}" if description else foreign(error, 80)
    kind = SignInDenied if error == "access_denied" else SignInError
    return kind(f"{issuer} did not let you sign in ({said}).{advice(said)}")
