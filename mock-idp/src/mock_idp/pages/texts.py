"""The texts of the pages, by dotted key and language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ..formats.prose import Prose


@cache
def texts(language: str) -> Mapping[str, str]:
    """All texts of a language."""
    found: dict[str, str] = {}
    for path in sorted((Path(__file__).parent / "texts").glob(f"*.{language}.toml")):
        found.update(_flattened(tomllib.loads(path.read_text(encoding="utf-8"))))
    return found


class Texts:
    """The function `t` of the templates: `t("login.title", client=...)` is a text with facts filled in."""

    def __init__(self, language: str) -> None:
        self._texts = texts(language)

    def __call__(self, key: str, **facts: str) -> Prose:
        return Prose(self._texts[key], facts)

    def has(self, key: str) -> bool:
        return key in self._texts


def _flattened(document: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in document.items():
        key = f"{prefix}{name}"
        found += [(key, value)] if isinstance(value, str) else _flattened(value, f"{key}.")
    return found
