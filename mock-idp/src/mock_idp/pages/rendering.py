from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from ..explanations import Case, explain
from ..formats.urls import spans
from ..state.journal import note_page, note_refusal
from ..web.request import idp_of
from .languages import language_of
from .shapes import ErrorPage, Page
from .texts import Words

if TYPE_CHECKING:
    from jinja2 import Environment

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@cache
def _environment() -> Environment:
    # Imported here because a start renders nothing, and this is a tenth of the time it would take.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mock_idp.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["spans"] = spans
    return environment


def render(request: Request, page: Page, *, status: int = 200) -> HTMLResponse:
    """The page in the person's language, with the headers that keep it from being framed, cached or scripted.

    A template sees the fields of its page as `page`, and `t` to speak with.
    """
    language = language_of(request)
    _note(request, page)
    context = {"page": page, "t": Words(language), "language": language, "tenant_name": _tenant_name(request)}
    html = _environment().get_template(page.template).render(**context, **_explanation(page, language))
    headers = {**HEADERS, "Content-Language": language, "Content-Security-Policy": page.policy}
    return HTMLResponse(html, status_code=status, headers=headers)


def _note(request: Request, page: Page) -> None:
    note_page(request, page.template.removesuffix(".html"))
    if isinstance(page, ErrorPage):
        note_refusal(request, page.error, page.description, page.case)


def _tenant_name(request: Request) -> str:
    return idp_of(request).tenant.settings.friendly_name


def _explanation(page: Page, language: str) -> dict[str, Any]:
    """`nearest` is the string that the request probably meant."""
    if not isinstance(page, ErrorPage) or page.case is None:
        return {"explanation": None}
    kept = Case("open_redirect_protection", client=page.kept_from) if page.kept_from else None
    return {
        "explanation": explain(page.case, language),
        "kept": explain(kept, language) if kept else None,
        "nearest": page.case.facts.get("nearest", ""),
    }
