"""Sign-in with an assertion of another issuer (RFC 7523 section 2.1): a workload's JWT, or an identity assertion of the
enterprise's identity provider (MCP extension "Enterprise-managed authorization")."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from ...errors import SignInError
from ..http.fetch import Fetcher
from ..protocol.client import OAuthClient
from ..protocol.tokens import TokenEndpoint, TokenResponse, refusal
from .flow import SignInTask

JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a grant type
ID_TOKEN: Final = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a token type
ID_JAG: Final = "urn:ietf:params:oauth:token-type:id-jag"

Assertion = Callable[[SignInTask], Awaitable[str]]
"""Gets the assertion for a task."""


@dataclass(frozen=True)
class AssertionFlow:
    """Sends the assertion to the tenant's token endpoint. A refusal is final: no other flow is tried."""

    tokens: TokenEndpoint
    assertion: Assertion

    grant_types = (JWT_BEARER,)

    async def sign_in(self, task: SignInTask) -> TokenResponse:
        form = {"grant_type": JWT_BEARER, "assertion": await self.assertion(task), **task.target}
        return await self.tokens.request(task.client, task.server, form)


@dataclass(frozen=True)
class EnterpriseAssertion:
    """Exchanges the person's ID token at the identity provider for an assertion for this tenant and server (RFC 8693).

    Attributes:
        token_endpoint: the token endpoint of the identity provider.
        client: the agent's client at the identity provider.
        id_token: the ID token of the person's sign-in at the identity provider.
    """

    fetch: Fetcher
    token_endpoint: str
    client: OAuthClient
    id_token: str

    async def __call__(self, task: SignInTask) -> str:
        scope = {"scope": task.scope} if task.scope else {}
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "requested_token_type": ID_JAG,
            "subject_token": self.id_token,
            "subject_token_type": ID_TOKEN,
            "audience": task.server.issuer,
            "resource": task.resource,
            "client_id": self.client.client_id,
            **scope,
        }
        reply = await self.fetch.post(self.token_endpoint, form)
        if reply.is_error:
            raise refusal(reply, self.token_endpoint, self.client)
        document = reply.json() or {}
        assertion = document.get("access_token")
        if document.get("issued_token_type") != ID_JAG or not isinstance(assertion, str) or not assertion:
            raise SignInError(f"{self.token_endpoint} did not answer with an identity assertion ({ID_JAG}).")
        return assertion
