from __future__ import annotations

import re
import tomllib
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

import mock_idp
from mock_idp.explanations import explanation_texts
from mock_idp.explanations.table import ENTRIES
from mock_idp.pages.languages import LANGUAGES, preferred
from mock_idp.pages.texts import texts

PACKAGE = Path(mock_idp.__file__).parent


@pytest.mark.parametrize(
    ("ui_locales", "accept_language", "expected"),
    [
        (None, "", "en"),
        (None, "ja", "ja"),
        (None, "ja-JP,en;q=0.8", "ja"),
        (None, "en;q=0.8, ja;q=0.9", "ja"),
        (None, "fr, ja;q=0.2, en;q=0.1", "ja"),
        (None, "fr, de;q=0.5", "en"),
        (None, "ja;q=0, en", "en"),
        (None, "*, ja;q=0.5", "en"),
        (None, "ja;q=high, en;q=0.1", "en"),
        (None, "ja;q=2, en;q=0.1", "en"),
        (None, ",;q=,;;,ja", "ja"),
        (None, "jam, english", "en"),
        (None, " " * 50_000 + ";x, a" + " " * 50_000 + ";x, ja ; q=0.5", "ja"),
        ("ja", "en", "ja"),
        ("fr ja-JP en", "en", "ja"),
        ("EN-us", "ja", "en"),
        ("fr", "ja", "ja"),
        ("", "ja", "ja"),
    ],
)
def test_ui_locales_come_first_then_accept_language_by_weight(
    ui_locales: str | None, accept_language: str, expected: str
) -> None:
    assert preferred([ui_locales], accept_language) == expected


def test_every_language_has_every_text_with_the_same_facts() -> None:
    english = texts("en")
    for language in LANGUAGES:
        translated = texts(language)
        assert translated.keys() == english.keys()
        for key, text in translated.items():
            assert text, key
            assert facts_of(text) == facts_of(english[key]), key


def test_every_language_has_every_explanation_with_the_same_facts() -> None:
    for language in LANGUAGES:
        explained = explanation_texts(language)
        assert explained.keys() == ENTRIES.keys()
        for code, parts in explained.items():
            assert parts.keys() == {"real", "why", "fix"}, code
            for part, text in parts.items():
                assert facts_of(text) == facts_of(explanation_texts("en")[code][part]), (code, part)


def test_every_text_is_used_and_every_used_text_exists() -> None:
    used = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*") if path.suffix in (".html", ".py"))
    named = set(re.findall(r"""\bt(?:\.has)?\(["']([a-z_.]+)["'][,)|]""", used)) - {"user_code"}
    assert named <= texts("en").keys()
    families = set(re.findall(r'"([a-z_]+(?:\.[a-z_]+)*\.)" ~', used))
    unused = [key for key in texts("en") if f'"{key}"' not in used and not key.startswith(tuple(families))]
    assert unused == []


def test_every_used_code_is_explained_and_every_explanation_is_used() -> None:
    used = set()
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name != "explanations":
            used |= set(re.findall(r'"([a-z0-9_]+)"', path.read_text(encoding="utf-8")))
    assert ENTRIES.keys() <= used
    raised = set()
    for path in PACKAGE.rglob("*.py"):
        raised |= set(re.findall(r'\bCase\(\s*"([a-z0-9_]+)"', path.read_text(encoding="utf-8")))
    assert raised <= ENTRIES.keys()


def test_all_pages_of_a_sign_in_have_its_language(tenant: Any) -> None:
    redirect = tenant.authorize(ui_locales="ja en")
    login = tenant.http.get(redirect.headers["location"], headers={"Accept-Language": "en"})
    assert '<html lang="ja">' in login.text
    assert login.headers["content-language"] == "ja"
    consent = tenant.follow(tenant.log_in(redirect))
    assert "アプリケーションの承認" in tenant.http.get(consent.headers["location"]).text


def test_error_pages_have_the_requested_language(tenant: Any) -> None:
    page = tenant.authorize(client_id="nobody", ui_locales="ja")
    assert '<html lang="ja">' in page.text
    assert "Unknown client: nobody" in page.text
    by_header = tenant.http.get("/authorize", headers={"Accept-Language": "fr, ja;q=0.5"})
    assert '<html lang="ja">' in by_header.text
    posted = tenant.http.post("/authorize", data={"ui_locales": "ja", "client_id": "nobody"})
    assert '<html lang="ja">' in posted.text


def test_the_device_pages_keep_the_language(tenant: Any) -> None:
    page = tenant.http.get("/activate", params={"ui_locales": "ja"})
    assert 'name="ui_locales" value="ja"' in page.text
    again = tenant.http.post("/activate", data={"ui_locales": "ja", "user_code": "XXXX"})
    assert '<html lang="ja">' in again.text


def test_the_japanese_files_contain_japanese() -> None:
    for path in PACKAGE.rglob("*ja.toml"):
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        plain = [text for _, text in leaves(document) if text]
        latin = [text for text in plain if not re.search(r"[぀-ヿ一-鿿]", text)]
        assert set(latin) <= {"API", "API：", "English", "en"}


# Names and abbreviations that are the same in Japanese.
NAMES = frozenset(
    """
    API Auth0 BEHAVIOURS.md Bearer CIMD Connect Cookie DCR DPoP English HS256 HTML HTTP ID IP JSON Management MCP
    Monitoring Logs mTLS OAuth OpenID PAR PKCE RBAC RFC RS256 SHA-256 URL UTC Unix Web a-z A-Z base64url en http https
    issuer
    """.split()  # noqa: SIM905 - readable as a text
)
WORD = re.compile(r"[A-Za-z][A-Za-z0-9'.-]*")


def test_the_japanese_texts_have_no_english_words_but_names() -> None:
    """Quotations in “…” are Auth0's own words, and `code` is not translated."""
    for path in PACKAGE.rglob("*ja.toml"):
        for key, text in leaves(tomllib.loads(path.read_text(encoding="utf-8"))):
            own = re.sub(r"`[^`]*`|“[^”]*”|\{\w+\}", "", text)
            assert set(WORD.findall(own)) <= NAMES, (path.name, key)


def test_the_japanese_texts_have_one_word_for_a_thing() -> None:
    """The words are those of Auth0's Japanese documentation."""
    others = ("リクエスト", "サインイン", "パーティー", "グラント", "アクセス トークン", "認証サーバー")
    for path in PACKAGE.rglob("*ja.toml"):
        for key, text in leaves(tomllib.loads(path.read_text(encoding="utf-8"))):
            assert [other for other in others if other in text] == [], (path.name, key)


def facts_of(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def leaves(document: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for name, value in document.items():
        found += leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return found
