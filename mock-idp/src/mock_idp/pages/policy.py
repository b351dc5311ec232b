"""The Content Security Policy of the pages (CSP level 3)."""

from __future__ import annotations

import re

from ..formats.callback_schemes import CLIENT_SCHEMES, is_dangerous

CALLBACK_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):")


def content_security_policy(
    *, form_action: str, scripts: bool = False, fetches: bool = False, framed_by: str = "'none'"
) -> str:
    directives = [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        *(["script-src 'self'"] if scripts else []),
        *(["connect-src 'self'"] if fetches else []),
        f"form-action {form_action}",
        "base-uri 'none'",
        f"frame-ancestors {framed_by}",
    ]
    return "; ".join(directives)


def form_action(leads_to: str | None) -> str:
    """The `form-action` of a form whose answer can redirect the browser to `leads_to`.

    Chromium applies the directive to every redirect after a form: to the callback, and to redirects of the callback.
    The tenant does not know these. So the directive allows every web address, and the schemes of the MCP clients to
    which the callback of an OAuth proxy returns.
    """
    if not leads_to:
        return "'self'"
    found = CALLBACK_SCHEME.match(leads_to.lower())
    own = [found[1]] if found and not is_dangerous(found[1]) else []
    return " ".join(["'self'", *(f"{scheme}:" for scheme in dict.fromkeys(("http", "https", *own, *CLIENT_SCHEMES)))])
