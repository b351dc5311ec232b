"""What a page may load and where its forms may lead (Content Security Policy level 3)."""

from __future__ import annotations

import re

CALLBACK_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):")
# A form that led to one of these would run or show what somebody else wrote.
NEVER = frozenset({"javascript", "data", "blob", "filesystem", "about", "view-source", "vbscript", "file"})


def content_security_policy(*, form_action: str, scripts: bool = False, fetches: bool = False) -> str:
    directives = [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        *(["script-src 'self'"] if scripts else []),
        *(["connect-src 'self'"] if fetches else []),
        f"form-action {form_action}",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
    return "; ".join(directives)


def form_action(leads_to: str | None) -> str:
    """Where a form may go whose answer can send the browser on to `leads_to`.

    Chromium applies the directive to every redirect that follows a form: to the callback, and to wherever the
    callback goes next, which nobody here can know. So every web address must be allowed once the browser may leave.
    """
    if not leads_to:
        return "'self'"
    found = CALLBACK_SCHEME.match(leads_to.lower())
    if found is None or found[1] in NEVER or found[1] in ("http", "https"):
        return "'self' http: https:"
    return f"'self' http: https: {found[1]}:"
