"""The look of the pages: languages, small screens, both colour schemes, contrast, focus."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.every_page import every_page, television

PHONE = {"viewport": {"width": 360, "height": 740}}

# Every visible text, with its colour and its background. Both are [red, green, blue] from 0 to 255.
TEXTS = """() => {
  const parse = c => { const n = c.match(/[\\d.]+/g).map(Number); return n.length > 3 ? n : [...n, 1] };
  const background = e => {
    for (let n = e; n; n = n.parentElement) {
      const c = parse(getComputedStyle(n).backgroundColor);
      if (c[3] === 1) return c.slice(0, 3);
    }
    return parse(getComputedStyle(document.body).backgroundColor).slice(0, 3);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const e = node.parentElement, box = e.getBoundingClientRect();
    if (!node.textContent.trim() || !box.width || e.closest('script')) continue;
    const color = parse(getComputedStyle(e).color).slice(0, 3);
    found.push({text: node.textContent.trim(), color, background: background(e)});
  }
  return found;
}"""

FOCUS = """() => {
  const e = document.activeElement, s = getComputedStyle(e);
  return [e.outerHTML.slice(0, 80), e === document.body, s.outlineStyle, parseFloat(s.outlineWidth)];
}"""


def luminance(color: list[float]) -> float:
    channels = [value / 255 for value in color]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: list[float], other: list[float]) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_of_wcag_aa(start: Any, visit: Any, scheme: str) -> None:
    def check(page: Any) -> None:
        texts = page.evaluate(TEXTS)
        assert texts
        for entry in texts:
            assert contrast(entry["color"], entry["background"]) >= 4.5, (page.url, entry)

    every_page(start(television), visit, check, color_scheme=scheme)


@pytest.mark.parametrize("locale", ["en-GB", "ja-JP"])
def test_every_page_fits_a_phone_and_has_one_language(start: Any, visit: Any, locale: str) -> None:
    def check(page: Any) -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, page.url
        assert page.get_attribute("html", "lang") == locale[:2]
        assert page.locator(".band").is_visible()
        assert page.locator("h1").count() == 1

    every_page(start(television), visit, check, locale=locale, **PHONE)


def test_every_field_and_button_has_a_visible_focus(start: Any, visit: Any) -> None:
    def check(page: Any) -> None:
        stops = page.locator("a[href], button, input:not([type=hidden]), summary, [tabindex='0']").count()
        page.evaluate("document.activeElement.blur()")
        reached = set()
        for _ in range(stops + 1):
            page.keyboard.press("Tab")
            element = page.evaluate(FOCUS)
            if not element[1]:
                reached.add(element[0])
                assert element[2] == "solid", element
                assert element[3] >= 2, element
        assert len(reached) >= min(stops, 1)

    every_page(start(television), visit, check)


def test_no_page_causes_a_browser_message(start: Any, visit: Any) -> None:
    site = start(television)
    messages: list[str] = []
    watched: set[Any] = set()

    def check(page: Any) -> None:
        if page not in watched:
            watched.add(page)
            page.on("console", lambda message: messages.append(message.text))

    every_page(site, visit, check)
    # The browser also reports every answer of 400 and above. These answers are correct here.
    assert [one for one in messages if "status of 4" not in one] == []
