"""Authorization code with PKCE: a browser, and the answer by the callback or pasted by the person."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

import anyio

from ...errors import ConfigurationError
from ...foreign_text import foreign
from ..http.fetch import Fetcher
from ..http.trace import Trace, masked, masked_url
from ..protocol.authorization import AuthorizationRequest, UnexpectedCallback
from ..protocol.silent import Asker, require_possible
from ..protocol.tokens import TokenEndpoint, TokenResponse
from .browser import OpenBrowser, open_system_browser
from .callback import CallbackAddress, CallbackListener, query_of
from .flow import Say, SignInTask
from .paste import ReadLine


@dataclass(frozen=True)
class CodeFlow:
    """The person signs in with a browser, on this machine or on another.

    Attributes:
        timeout: seconds to wait for the person.
        fetch: asks the tenant before the browser opens whether the sign-in can succeed; None does not ask.
        open_browser: opens the browser; None lets the person open it.
        read_line: reads the last address of the browser, which the person pastes if the browser cannot reach this
            machine. The first valid answer counts, pasted or by the callback. None if nobody can paste.
    """

    tokens: TokenEndpoint
    callback: CallbackAddress
    say: Say
    trace: Trace
    timeout: float
    fetch: Fetcher | None = None
    open_browser: OpenBrowser | None = open_system_browser
    read_line: ReadLine | None = None

    grant_types = ("authorization_code", "refresh_token")

    async def sign_in(self, task: SignInTask) -> TokenResponse:
        if self.fetch is not None:
            asker = Asker(self.fetch, task.server, task.client.client_id, self.callback.uri)
            await require_possible(asker, task.target)
        request = AuthorizationRequest(
            task.server, client_id=task.client.client_id, redirect_uri=self.callback.uri, target=task.question
        )
        listener = CallbackListener(self.callback, partial(self._read, request))
        async with AsyncExitStack() as stack:
            listening = await self._listen(listener, stack)
            self._show(request.url)
            if self.read_line is not None:
                tasks = await stack.enter_async_context(anyio.create_task_group())
                stack.callback(tasks.cancel_scope.cancel)
                tasks.start_soon(self._take_pasted, listener, self.read_line, listening)
            await listener.wait(self.timeout)
        code = listener.code()  # outside the task group, which would wrap the error in a group
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.callback.uri,
            "code_verifier": request.verifier,
            **task.resource_parameter,
        }
        return await self.tokens.request(task.client, task.server, form)

    async def _listen(self, listener: CallbackListener, stack: AsyncExitStack) -> bool:
        """Whether the callback listens. If nobody can paste, a failure is an error."""
        try:
            await stack.enter_async_context(listener.listening())
        except ConfigurationError as error:
            if self.read_line is None:
                raise
            self.say(str(error))
            return False
        return True

    def _show(self, url: str) -> None:
        limit = f"waiting up to {_duration(self.timeout)}"
        if self.open_browser is None:
            self.say(f"Open this address in a browser and sign in ({limit}):")
        else:
            self.say(f"Sign in with your browser ({limit}). If it does not open:")
        self.say(url)
        self.trace.note("→", f"browser GET {masked_url(url)}")
        if self.open_browser is not None:
            self.open_browser(url, self._browser_failed)
        if self.read_line is not None:
            self.say("If the browser cannot reach this machine at the end, paste its last address here:")

    async def _take_pasted(self, listener: CallbackListener, read_line: ReadLine, listening: bool) -> None:
        """Give pasted lines to the listener until it takes one."""
        while (line := await read_line()) is not None:
            try:
                if line and listener.offer(query_of(line)):
                    return
            except UnexpectedCallback:
                self.say(
                    f"That is not the answer to this sign-in. Paste the address that begins with {self.callback.uri}."
                )
        if not listening:
            listener.give_up()

    def _read(self, request: AuthorizationRequest, answer: Sequence[tuple[str, str]]) -> str:
        self.trace.note("←", f"browser GET {self.callback.uri}?{foreign(masked(answer))}")
        return request.code_in(answer)

    def _browser_failed(self) -> None:
        self.say("No browser could be opened here: open the address above in a browser.")


def _duration(seconds: float) -> str:
    """`5 min` for whole minutes from two on, else `90 s`."""
    return f"{seconds / 60:.0f} min" if seconds >= 120 and seconds % 60 == 0 else f"{seconds:g} s"
