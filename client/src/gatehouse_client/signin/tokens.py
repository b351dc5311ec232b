"""Requests to the token and revocation endpoints (RFC 6749 sections 4.1.3, 5 and 6; RFC 7009)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final
from urllib.parse import quote_plus

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ConfigurationError, SignInError, TokenRefused, UnreachableError, foreign
from ..grant import ClientAuthentication, Grant
from .discovery import AuthorizationServer
from .fetch import Fetcher, Reply

INVALID_GRANT: Final = "invalid_grant"


@dataclass(frozen=True)
class OAuthClient:
    """A client that is registered with the tenant.

    Attributes:
        secret: None for a public client.
    """

    client_id: str
    secret: str | None = field(default=None, repr=False)

    def authentication(self, server: AuthorizationServer) -> ClientAuthentication:
        """How to authenticate at the token endpoint: `client_secret_post` where it may be, as Auth0 has it.

        Raises:
            ConfigurationError: the authorization server takes neither form of the secret.
        """
        if self.secret is None:
            return "none"
        allowed = server.token_endpoint_auth_methods_supported
        if allowed is None or "client_secret_post" in allowed:
            return "client_secret_post"
        if "client_secret_basic" in allowed:
            return "client_secret_basic"
        raise ConfigurationError(
            f"{server.issuer} takes no client secret at its token endpoint (it takes {foreign(', '.join(allowed))}):"
            " unset AUTH0_CLIENT_SECRET."
        )


class TokenResponse(BaseModel):
    """A successful answer of the token endpoint (RFC 6749 section 5.1). Tokens stay out of its repr."""

    model_config = ConfigDict(frozen=True)

    access_token: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", repr=False)]
    token_type: Annotated[str, Field(pattern=r"^(?i:bearer)$")]
    expires_in: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    refresh_token: Annotated[str | None, Field(pattern=r"^[\x20-\x7e]+$", repr=False)] = None
    scope: str | None = None


class TokenEndpoint:
    """The client's requests to a token endpoint."""

    def __init__(self, fetch: Fetcher, client: OAuthClient) -> None:
        self._fetch = fetch
        self._client = client

    async def exchange(
        self, server: AuthorizationServer, *, code: str, verifier: str, redirect_uri: str, resource: str
    ) -> TokenResponse:
        """Exchange an authorization code.

        Raises:
            TokenRefused: the tenant refuses.
            SignInError: its answer cannot be used.
            UnreachableError: it does not answer or fails.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "resource": resource,
        }
        method = self._client.authentication(server)
        return _token(await self._post(server.token_endpoint, form, method), server.issuer)

    async def refresh(self, grant: Grant) -> TokenResponse:
        """Renew a grant that has a refresh token.

        Raises: as `exchange`; `TokenRefused.code` is `invalid_grant` when only a new sign-in helps.
        """
        assert grant.refresh_token is not None
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token, "resource": grant.resource}
        return _token(await self._post(grant.token_endpoint, form, grant.token_endpoint_auth_method), grant.issuer)

    async def revoke(self, grant: Grant) -> bool:
        """Revoke the refresh token (RFC 7009); True when the tenant says that it is done.

        Raises:
            UnreachableError, SignInError: the tenant does not answer, or not within bounds.
        """
        if grant.refresh_token is None or grant.revocation_endpoint is None:
            return False
        form = {"token": grant.refresh_token, "token_type_hint": "refresh_token"}
        reply = await self._post(grant.revocation_endpoint, form, grant.token_endpoint_auth_method)
        return reply.status == 200

    async def _post(self, endpoint: str, form: Mapping[str, str], method: ClientAuthentication) -> Reply:
        credentials, headers = self._credentials(method)
        return await self._fetch.post(endpoint, {**form, **credentials}, headers)

    def _credentials(self, method: ClientAuthentication) -> tuple[dict[str, str], dict[str, str]]:
        """Form fields and headers that authenticate the client (RFC 6749 section 2.3.1)."""
        client_id, secret = self._client.client_id, self._client.secret
        if method == "none" or secret is None:
            return {"client_id": client_id}, {}
        if method == "client_secret_post":
            return {"client_id": client_id, "client_secret": secret}, {}
        pair = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
        return {}, {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _token(reply: Reply, issuer: str) -> TokenResponse:
    document = reply.json()
    if reply.status != 200:
        raise _refused(reply, document or {}, issuer)
    if document is None:
        raise SignInError(f"The token endpoint of {issuer} did not answer with a JSON object.")
    try:
        return TokenResponse.model_validate({name: value for name, value in document.items() if value is not None})
    except ValidationError as error:
        # The values are left out on purpose: they may be tokens.
        fields = ", ".join(sorted({str(problem["loc"][0]) for problem in error.errors()}))
        raise SignInError(f"The token endpoint of {issuer} answered with a wrong {fields}.") from None


def _refused(reply: Reply, document: Mapping[str, object], issuer: str) -> TokenRefused | UnreachableError:
    code = foreign(str(document.get("error") or f"HTTP {reply.status}"), 80)
    description = foreign(str(document.get("error_description") or ""))
    said = f"{code}: {description}" if description else code
    if reply.status >= 500 or reply.status == 429:
        return UnreachableError(f"The token endpoint of {issuer} cannot serve now ({reply.status}, {said}).")
    advice = ""
    if code == "invalid_client" or (reply.status == 401 and code == "access_denied"):
        advice = " Are AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET the application's?"
    elif code == "unauthorized_client":
        advice = " The application's settings in the tenant do not allow it (Advanced Settings > Grant Types)."
    return TokenRefused(f"The token endpoint of {issuer} refused ({said}).{advice}", code)
