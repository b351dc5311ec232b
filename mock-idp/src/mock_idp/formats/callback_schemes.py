"""The schemes of callbacks: the one list of those that an application may have, and of those that nobody may have.

After a sign-in the browser opens the callback. A URL of some schemes is then not passed to the application that waits
for it: the browser shows or runs its content, or the operating system starts a program with it.
"""

from __future__ import annotations

import re

# MCP clients whose scheme has no dot. Each is known from a callback that the client registers.
CLIENT_SCHEMES = ("cursor", "raycast", "vscode", "vscode-insiders", "warp", "windsurf")
# RFC 8252 section 7.1: an application's own scheme is a domain name of its owner, in reverse order.
REVERSE_DOMAIN = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")
_SHOWN_OR_RUN_BY_BROWSERS = (
    *("about", "blob", "chrome", "chrome-extension", "data", "edge", "file", "filesystem", "ftp", "intent", "jar"),
    *("javascript", "moz-extension", "mhtml", "resource", "vbscript", "view-source", "ws", "wss"),
)
_START_PROGRAMS = re.compile(r"ms-.*|search-ms|shell|ssh|telnet|tel|sms|mailto|smb|nfs|ldaps?|steam|itms.*")


def is_application_scheme(scheme: str) -> bool:
    """Whether an application that registers itself may have a callback of this scheme. Everything unknown is refused.

    http and https are no schemes of an application: other rules apply to them.
    """
    return scheme in CLIENT_SCHEMES or (REVERSE_DOMAIN.fullmatch(scheme) is not None and not is_dangerous(scheme))


def is_dangerous(scheme: str) -> bool:
    """Whether a browser or the operating system runs or shows URLs of this scheme. No page leads to such a URL."""
    return scheme in _SHOWN_OR_RUN_BY_BROWSERS or _START_PROGRAMS.fullmatch(scheme) is not None
