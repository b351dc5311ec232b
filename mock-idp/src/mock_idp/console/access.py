"""Access to the console.

The console is read-only. It shows only passwords that offline.yaml publishes, and digests of codes, tokens and secrets.
Access is limited nevertheless: a request must come from the user or from the console's own script, not from a script or
a frame of another site. web.activity_access says who sees the activity.
"""

from __future__ import annotations

from starlette.requests import Request


def is_from_user(request: Request) -> bool:
    """Whether the request cannot come from a script or a frame of another site (Fetch Metadata)."""
    headers = request.headers
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return headers.get("origin") in (None, f"{request.url.scheme}://{headers.get('host', '')}")
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
