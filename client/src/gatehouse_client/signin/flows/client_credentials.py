"""Client credentials (RFC 6749 section 4.4), for agents without a person."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import ConfigurationError
from ..protocol.tokens import TokenEndpoint, TokenResponse
from .flow import SignInTask


@dataclass(frozen=True)
class ClientCredentialsFlow:
    """The application signs in as itself, with its secret or its key. There is no refresh token: it signs in again."""

    tokens: TokenEndpoint

    grant_types = ("client_credentials",)

    async def sign_in(self, task: SignInTask) -> TokenResponse:
        if task.client.authentication(task.server) == "none":
            raise ConfigurationError(
                "An agent without a person signs in with the application's secret or key: set AUTH0_CLIENT_SECRET or"
                " AUTH0_CLIENT_PRIVATE_KEY."
            )
        return await self.tokens.request(task.client, task.server, {"grant_type": "client_credentials", **task.target})
