"""The person's sign-in at one server, put together from settings."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .errors import ConfigurationError, SignInError, UnreachableError
from .settings import Settings
from .signin.auth import GatehouseAuth
from .signin.callback import CallbackAddress
from .signin.fetch import Fetcher
from .signin.provider import Provider, SignInOptions
from .signin.tokens import OAuthClient, TokenEndpoint
from .signin.way import BrowserWay, Say
from .store import TokenStore
from .trace import Trace


@dataclass(frozen=True)
class Account:
    """The parts of a sign-in."""

    options: SignInOptions
    provider: Provider
    store: TokenStore
    permission: str
    say: Say

    @classmethod
    def from_settings(cls, settings: Settings, say: Say, trace: Trace) -> Account:
        secret = settings.auth0_client_secret
        client = OAuthClient(settings.auth0_client_id, secret.get_secret_value() if secret else None)
        options = SignInOptions(
            server=settings.mcp_public_url,
            client=client,
            issuer=settings.issuer,
            audience=settings.auth0_audience,
            scopes=tuple(settings.oauth_scope.split()),
        )
        callback = CallbackAddress(settings.oauth_callback_uri, settings.callback_port, settings.oauth_callback_host)
        fetch = Fetcher(trace)
        patience = settings.oauth_callback_timeout
        way = BrowserWay(client, TokenEndpoint(fetch, client), callback, say, trace, patience)
        store = TokenStore(settings.gatehouse_home, say, lock_timeout=patience + 30)
        return cls(options, Provider(options, fetch, way, time.time), store, settings.required_permission, say)

    def auth(self, *, ignore_stored: bool = False) -> GatehouseAuth:
        """The auth object for an HTTP client."""
        return GatehouseAuth(
            self.options, self.provider, self.store, permission=self.permission, ignore_stored=ignore_stored
        )

    async def sign_out(self) -> bool:
        """Remove what is stored for the server and revoke it at the tenant; False when nothing was stored.

        Raises:
            ConfigurationError: a file cannot be removed.
        """
        async with self.store.locked(self.options.server):
            grants = self.store.all(self.options.server)
            try:
                removed = self.store.forget(self.options.server)
            except OSError as error:
                raise ConfigurationError(f"{error.filename} cannot be removed ({error.strerror}).") from error
        for grant in grants:
            if self.options.owns(grant) and grant.refresh_token:
                try:
                    revoked = await self.provider.revoke(grant)
                except (SignInError, UnreachableError) as error:
                    revoked = False
                    self.say(str(error))
                if not revoked:
                    self.say(f"{grant.issuer} did not confirm that the refresh token is revoked; it is forgotten here.")
        return removed > 0
