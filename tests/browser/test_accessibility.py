"""No page has a fault that axe-core calls serious or critical, and no page is cut or half translated."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import pytest

from tests.browser.every_page import every_page, television
from tests.mock_idp.pages.test_languages import NAMES, WORD

WIDTHS = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 800}}
AXE = "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
# The texts and labels in the language of the page. Code and parts in another language have a mark of their own.
OWN_TEXT = """() => {
  const found = [document.title];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const marked = node.parentElement.closest('[lang]:not(html), code, bdi, script, p.code');
    if (!marked && node.textContent.trim()) found.push(node.textContent.trim());
  }
  for (const name of ['aria-label', 'placeholder', 'alt'])
    for (const e of document.querySelectorAll(`[${name}]`))
      if (!e.closest('[lang]:not(html)')) found.push(e.getAttribute(name));
  return found;
}"""
FILES = {"tenant.yaml", "offline.yaml"}
WEB_ADDRESS = re.compile(r"https?://\S+|localhost:[0-9]+")
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


def test_no_japanese_page_has_english_words_but_names(start: Any, visit: Any) -> None:
    site = start(television)
    tenant = site.idp.tenant
    names = [tenant.settings.friendly_name, "nobody"]
    names += [each.name for each in (*tenant.clients.values(), *tenant.apis.values(), *tenant.organizations.values())]
    names += [name for user in tenant.users.values() for name in (user.email, *user.roles)]
    names.sort(key=len, reverse=True)

    def check(page: Any) -> None:
        own = page.evaluate(OWN_TEXT)
        assert own
        for text in own:
            # Quotations are Auth0's words.
            rest = re.sub("“.*?”", "", WEB_ADDRESS.sub("", text))
            for name in names:
                rest = rest.replace(name, "")
            assert set(WORD.findall(rest)) <= NAMES | FILES, (page.url, text)

    every_page(site, visit, check, locale="ja-JP")
