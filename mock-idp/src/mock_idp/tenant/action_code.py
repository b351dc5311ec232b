"""The code of Actions: a path in a tenant file, as the Deploy CLI writes it, or the code itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..formats.parsing import not_utf8
from .keywords import with_keywords


def load_action_code(document: Any, folder: Path, keywords: Mapping[str, Any]) -> list[str]:  # noqa: ANN401 - YAML
    """Replace each path in `document` by the content of its file, with keywords replaced.

    A path is relative to `folder`, the tenant file's. Code that is more than one line is no path. An Action whose file
    cannot be read gets no code and does not run; the answer has a line for the first and one for the others.
    """
    problems = [problem for index, action in _actions(document) for problem in _load(index, action, folder, keywords)]
    if len(problems) > 1:
        problems[1:] = [f"actions: the code of {len(problems) - 1} more cannot be read; they do not run"]
    return problems


def _actions(document: Any) -> Iterator[tuple[int, dict[str, Any]]]:  # noqa: ANN401 - YAML
    listed = document.get("actions") if isinstance(document, dict) else None
    for index, action in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(action, dict) and isinstance(action.get("code"), str):
            yield index, action


def _load(index: int, action: dict[str, Any], folder: Path, keywords: Mapping[str, Any]) -> Iterator[str]:
    code = action["code"]
    if "\n" in code.strip() or "exports." in code:
        return
    try:
        text = (folder / code).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        problem = not_utf8(error) if isinstance(error, UnicodeDecodeError) else f"cannot be read: {error}"
        yield f"actions[{index}].code: {code} {problem}; the Action does not run"
        text = ""
    action["code"] = with_keywords(text, keywords)
