"""No page has a fault that axe-core calls serious or critical, and no page is cut or half translated."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import pytest

from tests.browser.every_page import every_page, television

WIDTHS = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 800}}
AXE = "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
# The visible text in the language of the page. Parts in another language and data have a mark of their own.
OWN_TEXT = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const marked = node.parentElement.closest('[lang]:not(html), code, bdi, dd, strong, script, .brand');
    if (!marked && node.textContent.trim()) found.push(node.textContent.trim());
  }
  return found;
}"""
ENGLISH = re.compile(r"\b(the|this|that|and|or|not|is|are|of|to|for|with|your|you|what|only|here|real|writes)\b", re.I)
CUT = """() => [...document.querySelectorAll('main *')]
  .filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 1
            && getComputedStyle(e).overflowX !== 'visible' && !e.matches('input'))
  .map(e => e.outerHTML.slice(0, 120))"""
NARROW = """() => [...document.querySelectorAll('caption, td, th, dd, dt, h1, h2, h3, h4, p, summary')]
  .filter(e => e.textContent.trim().length > 12 && e.offsetWidth > 0 && e.offsetWidth < 48)
  .map(e => e.outerHTML.slice(0, 120))"""


def axe_core() -> str:
    package = pytest.importorskip("axe_playwright_python", reason="pip install -r tests/browser/requirements.in")
    return (files(package) / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("locale", ["en-GB", "ja-JP"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(start: Any, visit: Any, scheme: str, width: str, locale: str) -> None:
    source = axe_core()

    def check(page: Any) -> None:
        page.evaluate(source)
        found = [one for one in page.evaluate(AXE) if one["impact"] in ("serious", "critical")]
        shown = [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found]
        assert shown == [], f"{page.url}\n{json.dumps(shown, indent=1, ensure_ascii=False)}"

    options = {"color_scheme": scheme, "viewport": WIDTHS[width], "locale": locale}
    every_page(start(television), visit, check, **options)


@pytest.mark.parametrize("locale", ["en-GB", "ja-JP"])
def test_no_page_is_cut_or_shows_raw_backticks_at_the_width_of_a_phone(start: Any, visit: Any, locale: str) -> None:
    def check(page: Any) -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, page.url
        assert page.evaluate(CUT) == [], page.url
        assert page.evaluate(NARROW) == [], page.url
        assert "`" not in page.inner_text("body"), page.url

    every_page(start(television), visit, check, viewport=WIDTHS["phone"], locale=locale)


def test_no_japanese_page_has_english_sentences(start: Any, visit: Any) -> None:
    def check(page: Any) -> None:
        # Quotations are Auth0's words. The reason of a refused document is still in English.
        own = [re.sub("“.*?”|理由: .*", "", text) for text in page.evaluate(OWN_TEXT)]
        assert own
        assert [text for text in own if ENGLISH.search(text)] == [], page.url

    every_page(start(television), visit, check, locale="ja-JP")
