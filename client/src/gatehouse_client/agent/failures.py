"""Errors of the models' packages, as one message: what is wrong, the provider's text, what to do."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import ModelError
from ..foreign_text import foreign
from ..mcp.explain import causes_of, is_own_fault
from ..settings import Settings
from .models import key_variable


@contextmanager
def errors_of_the_model(settings: Settings) -> Generator[None]:
    """Replace every error of a model's package by a `ModelError`. A fault of this program stays."""
    try:
        yield
    except Exception as error:
        if is_own_fault(error):
            raise
        raise _model_error(settings, error) from error


def _model_error(settings: Settings, error: Exception) -> ModelError:
    """The error for the person. Secrets are masked in the provider's text."""
    causes = list(causes_of(error))
    status = next((status for cause in causes if (status := _status(cause))), None)
    said = _provider_text(causes)
    for secret in _secrets(settings):
        said = said.replace(secret, "***")
    detail, advice = _explained(settings, status, foreign(said, 500).rstrip(".") or type(error).__name__, causes)
    return ModelError(f"The model {settings.model} did not answer: {detail}.{f' {advice}' if advice else ''}")


def _explained(settings: Settings, status: int | None, said: str, causes: list[BaseException]) -> tuple[str, str]:
    names = {name for cause in causes for name in (kind.__name__ for kind in type(cause).__mro__)}
    variable = key_variable(settings) or "the provider's key"
    if status in (401, 403) or (status == 400 and "API key" in said):
        return f"the provider refuses the key ({status}: {said})", f"Is {variable} right?"
    if status == 404:
        return f"the provider does not know the model ({status}: {said})", "Is MODEL right?"
    if status == 429:
        return f"quota or rate limit ({status}: {said})", "Try later, or raise the limit at the provider."
    if status is not None and status >= 500:
        return f"the provider cannot serve now ({status}: {said})", "Try later."
    if status is not None:
        return f"{status}: {said}", ""
    if any("Timeout" in name for name in names):
        return f"there was no answer within {settings.model_timeout:g} s (MODEL_TIMEOUT)", ""
    if any(name in ("APIConnectionError", "TransportError", "ClientConnectionError") for name in names):
        reason = next((str(cause) for cause in reversed(causes) if isinstance(cause, OSError)), said)
        return f"the provider cannot be reached ({foreign(reason)})", ""
    return said, ""


def _provider_text(causes: list[BaseException]) -> str:
    """The provider's text, from the first error that has one."""
    for cause in causes:
        body: Any = getattr(cause, "body", None) or getattr(cause, "details", None)
        inner = body.get("error", body) if isinstance(body, dict) else None
        message = inner.get("message") if isinstance(inner, dict) else None
        if isinstance(message, str):
            return message
    return next((text for cause in causes if (text := str(cause))), "")


def _status(error: BaseException) -> int | None:
    found = getattr(error, "status_code", None) or getattr(error, "code", None)
    return found if isinstance(found, int) and 400 <= found < 600 else None


def _secrets(settings: Settings) -> Iterator[str]:
    keys = (settings.gemini_api_key, settings.google_api_key, settings.openai_api_key, settings.anthropic_api_key)
    yield from (key.get_secret_value() for key in keys if key)
    value = os.environ.get(key_variable(settings) or "")
    if value:
        yield value
