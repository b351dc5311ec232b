"""MCP elicitation: a server asks the person something during a call, and the person answers on the terminal."""

from __future__ import annotations

import anyio
from mcp_types import ElicitRequestParams, ElicitRequestURLParams, ElicitResult

from ..foreign_text import foreign, printable
from ..signin.flows.browser import open_system_browser
from ..signin.http.urls import browser_address
from ..terminal.output import Terminal
from .elicitation_form import Field, NotValid, Value, fields_of

_DECLINE = "!decline"
_CANCEL = "!cancel"


class Elicitation:
    """Asks the person at the terminal. Without a terminal every question is declined, with a message.

    Args:
        server: the URL of the server, which is shown with each question.
    """

    def __init__(self, terminal: Terminal, server: str) -> None:
        self._terminal = terminal
        self._server = server
        self._lock = anyio.Lock()  # several questions can come at once; the person answers one at a time

    async def answer(self, params: ElicitRequestParams) -> ElicitResult:
        """The person's answer to one question."""
        async with self._lock:
            self._terminal.say(f"{self._server} asks: {foreign(params.message, 1000)}", "bold")
            if not self._terminal.is_conversation:
                self._terminal.say("Declined: nobody is at a terminal to answer.")
                return ElicitResult(action="decline")
            try:
                if isinstance(params, ElicitRequestURLParams):
                    return await self._visit(params.url)
                return await self._fill_in(fields_of(params.requested_schema))
            except _Refused as refused:
                return ElicitResult(action="cancel" if refused.cancelled else "decline")

    async def _fill_in(self, fields: list[Field]) -> ElicitResult:
        self._terminal.say(f"({_DECLINE} declines the question, {_CANCEL} or Ctrl-D cancels the call)", "dim")
        if not fields and not await self._agreed("Agree? (yes or no): "):
            raise _Refused(cancelled=False)
        answers = [(field.name, await self._value(field)) for field in fields]
        return ElicitResult(action="accept", content={name: value for name, value in answers if value is not None})

    async def _visit(self, url: str) -> ElicitResult:
        address = browser_address(url)
        if address is None:
            self._terminal.say(
                f"Declined: the server asks you to open {foreign(url)!r}. Only an https address (http only on this"
                " machine) without unusual characters is opened.",
                "yellow",
            )
            raise _Refused(cancelled=False)
        self._terminal.say(f"The server asks you to open this address in your browser:\n{address.url}")
        self._terminal.say(f"Its host is:\n    {address.host}", "bold")
        if address.unicode_host:
            self._terminal.say(
                f"The host is written with other letters ({printable(address.unicode_host)}), which can look like"
                " those of another host.",
                "yellow",
            )
        if not await self._agreed("Open it? (yes or no): "):
            raise _Refused(cancelled=False)
        open_system_browser(
            address.url, lambda: self._terminal.say("No browser could be opened: open the address yourself.")
        )
        return ElicitResult(action="accept")

    async def _agreed(self, prompt: str) -> bool:
        return await self._value(Field("", {"type": "boolean"}, required=True), prompt) is True

    async def _value(self, field: Field, prompt: str = "") -> Value:
        """The person's value. The question is repeated until the value is valid."""
        while True:
            reply = await self._terminal.reply(f"  {prompt or field.prompt}")
            if reply is None or reply in (_DECLINE, _CANCEL):
                raise _Refused(cancelled=reply != _DECLINE)
            try:
                return field.parse(reply)
            except NotValid as problem:
                self._terminal.say(f"  {problem}", "yellow")


class _Refused(Exception):
    """The person declined or cancelled."""

    def __init__(self, *, cancelled: bool) -> None:
        super().__init__()
        self.cancelled = cancelled
