"""The sign-in at one server, built from the settings."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from .errors import ConfigurationError, SignInError, UnreachableError
from .settings import Settings, load_settings
from .signin.auth import GatehouseAuth
from .signin.flows.assertion import Assertion, AssertionFlow, EnterpriseAssertion
from .signin.flows.browser import has_screen, open_private_window, open_system_browser
from .signin.flows.callback import CallbackAddress
from .signin.flows.client_credentials import ClientCredentialsFlow
from .signin.flows.code import CodeFlow
from .signin.flows.device import DeviceFlow
from .signin.flows.flow import Say, SignInFlow, SignInTask
from .signin.flows.paste import read_stdin_line
from .signin.http.fetch import Fetcher
from .signin.http.network import NetworkGuard
from .signin.http.trace import Trace
from .signin.protocol.client import OAuthClient
from .signin.protocol.registration import ClientStore, PreRegistered, Registration, SelfRegistered
from .signin.protocol.tokens import TokenEndpoint
from .signin.provider import Provider, SignInOptions
from .signin.ready_token import ReadyTokenAuth
from .storage.encryption import Encryption, NoEncryption, system_encryption
from .storage.grant import Grant
from .storage.token_store import TokenStore

SignedAuth = GatehouseAuth | ReadyTokenAuth
"""The auth object for an HTTP client: it signs in, or it has a ready token."""


@dataclass(frozen=True)
class Account:
    """The parts of a sign-in.

    Attributes:
        fetch: HTTP for the sign-in.
        token: a ready token, which is used in place of a sign-in.
    """

    options: SignInOptions
    fetch: Fetcher
    provider: Provider
    store: TokenStore
    permission: str
    say: Say
    token: str | None = None

    @classmethod
    def from_settings(cls, settings: Settings, say: Say, trace: Trace) -> Account:
        """Build the parts.

        Raises:
            ConfigurationError: the chosen sign-in flow lacks a setting.
        """
        options = SignInOptions(
            server=settings.mcp_public_url,
            issuer=settings.issuer,
            audience=settings.auth0_audience,
            scopes=tuple(settings.oauth_scope.split()),
            profile=settings.profile,
            pkce_unannounced=settings.oauth_pkce_unannounced,
        )
        fetch = fetcher_for(settings, trace)
        encryption = encryption_for(settings, say)
        registration = choose_registration(settings, fetch, ClientStore(settings.gatehouse_home, say, encryption))
        provider = Provider(options, fetch, choose_flow(settings, fetch, say, trace), registration, time.time)
        store = TokenStore(settings.gatehouse_home, say, settings.oauth_callback_timeout + 30, encryption)
        return cls(options, fetch, provider, store, settings.required_permission, say, _ready_token(settings))

    def auth(self, *, ignore_stored: bool = False, interactive: bool = True) -> SignedAuth:
        """The auth object for an HTTP client."""
        if self.token is not None:
            profile = self.options.profile
            return ReadyTokenAuth(self.options.server, self.token, permission=self.permission, profile=profile)
        return GatehouseAuth(
            self.options,
            self.provider,
            self.store,
            permission=self.permission,
            ignore_stored=ignore_stored,
            interactive=interactive,
        )

    def stored(self) -> Grant | None:
        """The grant of the ready token, else the stored one, which can have expired; None if there is none."""
        auth = self.auth(interactive=False)
        return (
            auth.grant if isinstance(auth, ReadyTokenAuth) else self.store.load(self.options.server, self.provider.owns)
        )

    async def sign_out(self) -> bool:
        """Remove the stored grants for the server, and revoke them at the tenant; False if none was stored.

        Raises:
            ConfigurationError: a file cannot be removed.
        """
        async with self.store.locked(self.options.server):
            grants = self.store.all(self.options.server, set_aside=False)
            try:
                removed = self.store.forget(self.options.server)
            except OSError as error:
                raise ConfigurationError(f"{error.filename} cannot be removed ({error.strerror}).") from error
        unread = removed - len(grants)
        if unread:
            self.say(
                f"{unread} stored sign-in{'s' if unread > 1 else ''} could not be read: deleted here, but a refresh"
                " token in it is not revoked. To revoke it, delete the user's grant in the tenant."
            )
        for grant in grants:
            if grant.refresh_token:
                try:
                    revoked = await self.provider.revoke(grant)
                except (SignInError, UnreachableError, ConfigurationError) as error:
                    revoked = False
                    self.say(str(error))
                if not revoked:
                    self.say(f"{grant.issuer} did not confirm that the refresh token is revoked. It is deleted here.")
        return removed > 0


def encryption_for(settings: Settings, say: Say) -> Encryption:
    """How the private files are encrypted."""
    return system_encryption(say) if settings.gatehouse_keyring else NoEncryption("GATEHOUSE_KEYRING is 0")


def fetcher_for(settings: Settings, trace: Trace) -> Fetcher:
    """HTTP for the sign-in, limited to the addresses that the settings allow."""
    configured = [settings.mcp_public_url, settings.issuer, settings.oauth_idp_token_endpoint]
    guard = NetworkGuard(filter(None, configured), private_network=settings.gatehouse_private_network)
    return Fetcher(trace, guard=guard, ca_file=settings.auth0_ca_file)


def _ready_token(settings: Settings) -> str | None:
    token = settings.gatehouse_token
    if settings.gatehouse_sign_in == "token" and token is None:
        raise ConfigurationError(
            "GATEHOUSE_SIGN_IN is token, but GATEHOUSE_TOKEN (or GATEHOUSE_TOKEN_FILE) is not set: set one of them."
        )
    return token.get_secret_value() if token and settings.gatehouse_sign_in in ("auto", "token") else None


def choose_registration(settings: Settings, fetch: Fetcher, store: ClientStore) -> Registration:
    """The configured application, else a client that registers itself.

    Raises:
        ConfigurationError: the chosen sign-in flow needs an application.
    """
    secret = settings.auth0_client_secret
    method = settings.oauth_token_endpoint_auth_method
    if settings.auth0_client_id is not None:
        return PreRegistered(
            OAuthClient(
                settings.auth0_client_id,
                secret.get_secret_value() if secret else None,
                settings.auth0_client_private_key,
                method,
            )
        )
    if method == "private_key_jwt" or settings.gatehouse_sign_in in ("machine", "assertion"):
        raise ConfigurationError(
            "AUTH0_CLIENT_ID is not set, but this sign-in needs an application in the tenant: create one and set it."
        )
    return SelfRegistered(
        fetch,
        store,
        settings.oauth_callback_uri,
        time.time,
        settings.oauth_client_metadata_url,
        settings.oauth_dynamic_registration,
        method,
    )


def expects_paste(settings: Settings) -> bool:
    """Whether the person can paste the last address of the browser into the terminal."""
    choice = settings.gatehouse_sign_in
    return choice == "paste" or (choice == "auto" and not has_screen() and sys.stdin.isatty())


def is_interactive(settings: Settings) -> bool:
    """Whether a sign-in is possible now: it needs no browser here, or a person can open one."""
    needs_browser = settings.gatehouse_sign_in in ("auto", "browser")
    return not needs_browser or has_screen() or sys.stdin.isatty() or sys.stderr.isatty()


def choose_flow(settings: Settings, fetch: Fetcher, say: Say, trace: Trace) -> SignInFlow:
    """The chosen sign-in flow. Without a choice: a browser, or on a terminal without a screen a pasted address.

    Raises:
        ConfigurationError: the chosen flow lacks a setting.
    """
    tokens, choice = TokenEndpoint(fetch), settings.gatehouse_sign_in
    if choice == "device":
        return DeviceFlow(tokens, say, show_qr=sys.stderr.isatty())
    if choice == "machine":
        return ClientCredentialsFlow(tokens)
    if choice == "assertion":
        return AssertionFlow(tokens, _assertion(settings, fetch))
    opener = open_private_window if settings.gatehouse_private_window else open_system_browser
    pasting = expects_paste(settings)
    return CodeFlow(
        tokens,
        CallbackAddress(settings.oauth_callback_uri, settings.callback_port, settings.oauth_callback_host),
        say,
        trace,
        settings.oauth_callback_timeout,
        fetch,
        None if pasting else opener,
        read_stdin_line if pasting else None,
    )


def _assertion(settings: Settings, fetch: Fetcher) -> Assertion:
    endpoint, id_token = settings.oauth_idp_token_endpoint, settings.oauth_idp_id_token
    if endpoint and id_token and settings.oauth_idp_client_id:
        client = OAuthClient(settings.oauth_idp_client_id)
        return EnterpriseAssertion(fetch, endpoint, client, id_token.get_secret_value())
    _workload_jwt(settings)

    async def read_again(_: SignInTask) -> str:
        return _workload_jwt(load_settings())  # platforms replace a workload's JWT

    return read_again


def _workload_jwt(settings: Settings) -> str:
    if settings.gatehouse_assertion is None:
        raise ConfigurationError(
            "GATEHOUSE_SIGN_IN is assertion, but there is no assertion: set GATEHOUSE_ASSERTION (or"
            " GATEHOUSE_ASSERTION_FILE), or all of OAUTH_IDP_TOKEN_ENDPOINT, OAUTH_IDP_CLIENT_ID and"
            " OAUTH_IDP_ID_TOKEN."
        )
    return settings.gatehouse_assertion.get_secret_value()
