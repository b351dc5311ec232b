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
from urllib.parse import urlsplit

from starlette.requests import Request

from ..loopback import is_loopback_name
from ..web import issuer_of

Mode = Literal["auto", "on", "off"]
FORWARDED = ("x-forwarded-for", "x-forwarded-host", "forwarded", "via")


@dataclass(frozen=True)
class ConsoleAccess:
    """`needs_token` says that the control API asks for one."""

    mode: Mode = "auto"
    needs_token: bool = False

    def shows_activity(self, request: Request) -> bool:
        if self.mode != "auto":
            return self.mode == "on"
        return not self.needs_token and _is_this_machine(request)


def is_for_this_tenant(request: Request) -> bool:
    """Whether the Host is the issuer's, or a name that is always this machine."""
    host = request.headers.get("host", "")
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return host == urlsplit(issuer_of(request)).netloc or is_loopback_name(name)


def is_asked_by_a_person(request: Request) -> bool:
    """Whether another site's script or frame cannot have made the request (Fetch Metadata)."""
    headers = request.headers
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return headers.get("origin") in (None, f"{request.url.scheme}://{headers.get('host', '')}")
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


def _is_this_machine(request: Request) -> bool:
    if request.client is None or not is_loopback_name(request.client.host):
        return False
    return not any(name in request.headers for name in FORWARDED)
