"""Who may see what on the console.

It is read-only, and shows nothing that a script could steal: passwords only as offline.yaml publishes them, of codes,
tokens and secrets only what tells two of them apart. Even so nobody but the person at this machine should read along:

- A request must be for the tenant's own name, so that no other name can be made to point here (DNS rebinding).
- A browser must have been sent by a person or by the console's own script, never by another site's script or frame.
- What happens (log, sign-ins) is shown to this machine only, unless MOCK_IDP_CONSOLE=on: the container's own network
  counts as another machine. Where the control API asks for a token, what the journal holds is behind that token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

from ..web.sender import is_from_this_machine

Mode = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class ConsoleAccess:
    """`needs_token` says that the control API asks for one."""

    mode: Mode = "auto"
    needs_token: bool = False

    def shows_activity(self, request: Request) -> bool:
        if self.mode != "auto":
            return self.mode == "on"
        return not self.needs_token and is_from_this_machine(request)


def is_asked_by_a_person(request: Request) -> bool:
    """Whether another site's script or frame cannot have made the request (Fetch Metadata)."""
    headers = request.headers
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return headers.get("origin") in (None, f"{request.url.scheme}://{headers.get('host', '')}")
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
