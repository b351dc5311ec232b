"""What a request came to beyond its HTTP answer: the page that was shown, the refusal that was sent."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.types import Scope

from ..explanations import Case

OUTCOME = "mock_idp.outcome"


def note_page(request: Request, name: str) -> None:
    _outcome(request)["page"] = name


def note_refusal(request: Request, error: str, description: str, case: Case | None) -> None:
    refusal: dict[str, Any] = {"error": error, "error_description": description}
    if case is not None:
        refusal |= {"explanation": case.code, "facts": dict(case.facts)}
    _outcome(request).update(refusal)


def outcome_of(scope: Scope) -> dict[str, Any] | None:
    """For the journal: `page`, and of a refusal `error`, `error_description`, `explanation` (its code) and `facts`."""
    return scope.get(OUTCOME)


def _outcome(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = request.scope.setdefault(OUTCOME, {})
    return found
