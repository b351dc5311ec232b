from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from ..explanations import Case, explain
from ..state.journal import note_page, note_refusal
from ..web.request import idp_of
from .languages import language_of
from .models import ErrorPage, Page
from .texts import Texts

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def static_files() -> StaticFiles:
    return StaticFiles(directory=Path(__file__).parent / "static")


def render(request: Request, page: Page, *, status: int = 200) -> HTMLResponse:
    """The page in the user's language. Its headers prevent framing, caching and foreign scripts.

    A template gets the data of the page as `page`, and the function `t` that returns texts.
    """
    language = language_of(request)
    note_page(request, page.template.removesuffix(".html"))
    if isinstance(page, ErrorPage):
        note_refusal(request, page.error, page.description, page.case)
    tenant_name = idp_of(request).tenant.settings.friendly_name
    context = {"page": page, "t": Texts(language), "language": language, "tenant_name": tenant_name}
    # A lazy import: the start renders no page.
    from .environment import environment

    html = environment().get_template(page.template).render(**context, **_explanation(page, language))
    headers = {**HEADERS, "Content-Language": language, "Content-Security-Policy": page.policy}
    if page.framed_by is not None:
        del headers["X-Frame-Options"]  # it cannot name an origin; frame-ancestors does
    return HTMLResponse(html, status_code=status, headers=headers)


def _explanation(page: Page, language: str) -> dict[str, Any]:
    """The explanation of an error page. `nearest` is the value that the request probably meant."""
    if not isinstance(page, ErrorPage) or page.case is None:
        return {"explanation": None}
    kept = Case("open_redirect_protection", client=page.kept_from) if page.kept_from else None
    return {
        "explanation": explain(page.case, language),
        "kept": explain(kept, language) if kept else None,
        "nearest": page.case.facts.get("nearest", ""),
    }
