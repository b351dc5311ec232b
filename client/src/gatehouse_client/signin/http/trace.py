"""`--trace`: each HTTP exchange in one or two lines on stderr, without secrets."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from rich.console import Console
from rich.text import Text

from ...foreign_text import foreign

if TYPE_CHECKING:
    import httpx2

SECRET_PARAMETERS: Final = frozenset(
    {"access_token", "assertion", "client_assertion", "client_secret", "code", "code_challenge", "code_verifier"}
    | {"device_code", "id_token", "id_token_hint", "password", "refresh_token", "state", "subject_token", "token"}
)
MASK: Final = "***"


class Trace:
    """Writes the lines. Without a console it does nothing.

    Args:
        console: where the lines go (colour only if it is a terminal), or None.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console

    @property
    def enabled(self) -> bool:
        return self._console is not None

    def sent(self, request: httpx2.Request) -> None:
        """`→ POST http://localhost:5555/mcp tools/call get_time`."""
        if self.enabled:
            self._write("→", "cyan", f"{request.method} {masked_url(str(request.url))}", _summary(request))

    def received(self, response: httpx2.Response, summary: str = "") -> None:
        """`← 401 WWW-Authenticate: Bearer …`."""
        if self.enabled:
            details = [f"WWW-Authenticate: {value}" for value in response.headers.get_list("www-authenticate")]
            if response.headers.get("location"):
                details.append(f"Location: {masked_url(response.headers['location'])}")
            style = "green" if response.is_success else "yellow" if response.status_code < 500 else "red"
            self._write("←", style, str(response.status_code), " ".join([*details, summary]).strip())

    def note(self, arrow: str, text: str) -> None:
        """An exchange of the browser, which does not use this HTTP client."""
        if self.enabled:
            self._write(arrow, "magenta", text, "")

    def hooks(self) -> dict[str, list[Callable[..., Awaitable[None]]]]:
        """`sent` and `received` as `event_hooks` of an `httpx2.AsyncClient`."""

        async def sent(request: httpx2.Request) -> None:
            self.sent(request)

        async def received(response: httpx2.Response) -> None:
            self.received(response)

        return {"request": [sent], "response": [received]}

    def _write(self, arrow: str, style: str, head: str, tail: str) -> None:
        assert self._console is not None
        line = Text.assemble((f"{arrow} {foreign(head, 2000)}", style), f" {foreign(tail, 2000)}" if tail else "")
        self._console.print(line, soft_wrap=True)


def masked(pairs: Iterable[tuple[str, str]]) -> str:
    """A query or form with masked values of secret parameters."""
    return urlencode([(name, MASK if name in SECRET_PARAMETERS else value) for name, value in pairs], safe="*:/")


def masked_url(url: str) -> str:
    """`url` with masked values of secret parameters."""
    parts = urlsplit(url)
    query = masked(parse_qsl(parts.query, keep_blank_values=True)) if parts.query else ""
    return urlunsplit(parts._replace(query=query, fragment=""))


def _summary(request: httpx2.Request) -> str:
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind == "application/x-www-form-urlencoded":
        return masked(parse_qsl(request.content.decode(), keep_blank_values=True))
    return _operation(request.content) if kind == "application/json" else ""


def _operation(body: bytes) -> str:
    """The method of a JSON-RPC message, and the name or URI in its parameters."""
    try:
        message = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(message, dict) or not isinstance(message.get("method"), str):
        return "(reply)"
    parameters = message.get("params")
    target = parameters.get("name") or parameters.get("uri") if isinstance(parameters, dict) else None
    return f"{message['method']} {target}" if isinstance(target, str) else message["method"]
