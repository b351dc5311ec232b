"""Device authorization (RFC 8628): the person signs in on another device, with a code that is shown here."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final

import anyio
from pydantic import BaseModel, ConfigDict, Field

from ...errors import ConfigurationError, SignInDenied, SignInError, TokenRefused, UnreachableError
from ...foreign_text import foreign
from ..http.fetch import validated
from ..http.urls import require_safe
from ..protocol.tokens import TokenEndpoint, TokenResponse, refusal
from .flow import Say, SignInTask

DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
SLOWER: Final = 5.0  # seconds more between two requests after `slow_down`
RETRIES: Final = 5  # failed requests in a row before the error is raised

Sleep = Callable[[float], Awaitable[None]]


class DeviceAuthorization(BaseModel):
    """A device authorization response (RFC 8628 section 3.2). Its repr has no device code."""

    model_config = ConfigDict(frozen=True)

    device_code: Annotated[str, Field(min_length=1, repr=False)]
    user_code: Annotated[str, Field(min_length=1, max_length=64)]
    verification_uri: str
    verification_uri_complete: str | None = None
    expires_in: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    interval: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5.0


@dataclass(frozen=True)
class DeviceFlow:
    """Shows an address and a code, and waits until the person has signed in with them on another device.

    Attributes:
        show_qr: whether the address is also shown as a QR code.
    """

    tokens: TokenEndpoint
    say: Say
    show_qr: bool = True
    sleep: Sleep = anyio.sleep

    grant_types = (DEVICE_CODE, "refresh_token")

    async def sign_in(self, task: SignInTask) -> TokenResponse:
        device = await self._authorization(task)
        self._show(device)
        with anyio.move_on_after(device.expires_in):
            return await self._token(task, device)
        raise _expired(task)

    async def _authorization(self, task: SignInTask) -> DeviceAuthorization:
        server = task.server
        endpoint = server.device_authorization_endpoint
        if endpoint is None:
            raise ConfigurationError(
                f"{server.issuer} does not support the device sign-in: set GATEHOUSE_SIGN_IN to browser or paste."
            )
        reply, _ = await self.tokens.authenticated(task.client, server, endpoint, task.target)
        if reply.is_error:
            raise refusal(reply, server.issuer, task.client)
        problem = f"{server.issuer} answered the device sign-in with a wrong"
        device = validated(DeviceAuthorization, reply.json() or {}, problem)
        for url in (device.verification_uri, device.verification_uri_complete or device.verification_uri):
            require_safe(url, "verification_uri", server.issuer)
        return device

    def _show(self, device: DeviceAuthorization) -> None:
        address = device.verification_uri_complete or device.verification_uri
        minutes = max(1, round(device.expires_in / 60))
        self.say(f"Sign in on any device with a browser, within {minutes} min:")
        self.say(address)
        if self.show_qr:
            self.say(qr_code(address))
        self.say(f"The page shows or asks for the code {foreign(device.user_code)}. Confirm only the same code.")

    async def _token(self, task: SignInTask, device: DeviceAuthorization) -> TokenResponse:
        form = {"grant_type": DEVICE_CODE, "device_code": device.device_code}
        interval, failures = device.interval, 0
        while True:
            await self.sleep(interval)
            try:
                return await self.tokens.request(task.client, task.server, form)
            except UnreachableError:
                failures += 1
                if failures >= RETRIES:
                    raise
                interval *= 2  # RFC 8628 section 3.5: exponential backoff
            except TokenRefused as error:
                failures = 0
                if error.code == "slow_down":
                    interval += SLOWER
                elif error.code == "access_denied":
                    raise SignInDenied(f"The sign-in was declined: {error}") from error
                elif error.code == "expired_token":
                    raise _expired(task) from error
                elif error.code != "authorization_pending":
                    raise


def qr_code(text: str) -> str:
    """A QR code in half blocks, in the terminal's colours. Readers also accept light on dark."""
    import segno  # only needed on a terminal

    drawn = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(drawn, border=2, compact=True)
    return drawn.getvalue().rstrip("\n")


def _expired(task: SignInTask) -> SignInError:
    return SignInError(f"Nobody signed in before the code of {task.server.issuer} expired. Run the command again.")
