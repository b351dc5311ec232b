"""The grants of the token endpoint, one module each. A grant turns a request into what a token answer is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ....errors import MissingParameter
from ....state.idp import Idp
from ....tenant.model import Client
from ..minting import Authorization


@dataclass(frozen=True)
class TokenRequest:
    """A request to the token endpoint from a client that proved who it is."""

    idp: Idp
    issuer: str
    client: Client
    parameters: Mapping[str, str]

    def required(self, name: str) -> str:
        """The parameter; MissingParameter when it was not sent."""
        value = self.parameters.get(name)
        if value is None:
            raise MissingParameter(name)
        return value


@dataclass(frozen=True)
class Granted:
    """What a grant allows, the refresh token that goes with it, and the scopes that were asked for."""

    authorization: Authorization
    refresh_token: str | None = None
    issued_token_type: str | None = None
    requested: tuple[str, ...] = ()
