"""Ways to sign in. A way gets a token for a task, and knows nothing of stores, locks or the MCP server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from ..errors import foreign
from ..trace import Trace, masked, masked_url
from .authorization import AuthorizationRequest
from .browser import OpenBrowser, open_system_browser
from .callback import CallbackAddress, CallbackListener
from .discovery import AuthorizationServer
from .tokens import OAuthClient, TokenEndpoint, TokenResponse

Say = Callable[[str], None]
"""Tells the person something, in a line; maybe from another thread."""


@dataclass(frozen=True)
class SignInTask:
    """What to get a token for."""

    server: AuthorizationServer
    resource: str
    audience: str
    scope: str | None


class SignInWay(Protocol):
    """One way to sign in."""

    async def sign_in(self, task: SignInTask) -> TokenResponse:
        """Get a token.

        Raises:
            SignInError: the person or the tenant did not let it happen.
            UnreachableError: the tenant does not answer or fails.
            ConfigurationError: this way cannot be gone here as things are set.
        """
        ...


@dataclass(frozen=True)
class BrowserWay:
    """Authorization code with PKCE: the system's browser and a listener for the answer.

    Attributes:
        timeout: seconds to wait for the person.
    """

    client: OAuthClient
    tokens: TokenEndpoint
    callback: CallbackAddress
    say: Say
    trace: Trace
    timeout: float
    open_browser: OpenBrowser = open_system_browser

    async def sign_in(self, task: SignInTask) -> TokenResponse:
        request = AuthorizationRequest.to(
            task.server,
            client_id=self.client.client_id,
            redirect_uri=self.callback.uri,
            resource=task.resource,
            audience=task.audience,
            scope=task.scope,
        )
        listener = CallbackListener(self.callback, partial(self._read, request))
        async with listener.listening():
            self.say(f"Sign in with your browser (waiting up to {self.timeout / 60:.0f} min). If it does not open:")
            self.say(request.url)
            self.trace.note("→", f"browser GET {masked_url(request.url)}")
            self.open_browser(request.url, self._browser_failed)
            code = await listener.code(self.timeout)
        return await self.tokens.exchange(
            task.server,
            code=code,
            verifier=request.verifier,
            redirect_uri=self.callback.uri,
            resource=task.resource,
        )

    def _read(self, request: AuthorizationRequest, answer: Sequence[tuple[str, str]]) -> str:
        self.trace.note("←", f"browser GET {self.callback.uri}?{foreign(masked(answer))}")
        return request.code_in(answer)

    def _browser_failed(self) -> None:
        self.say("No browser could be opened here: open the address above in one.")
