"""The model that `MODEL` names."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dotenv import load_dotenv

from .errors import ConfigurationError, foreign
from .settings import ENV_FILE, Settings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

OFFLINE: Final = "offline"

KEYS: Final = {
    "anthropic": "ANTHROPIC_API_KEY",
    "cohere": "COHERE_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "groq": "GROQ_API_KEY",
    "mistralai": "MISTRAL_API_KEY",
    "openai": "OPENAI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "xai": "XAI_API_KEY",
}
"""The variable that each provider's package reads its key from."""

_FAILURES: Final = (
    ("anthropic", "AnthropicError"),
    ("google.genai.errors", "APIError"),
    ("httpx", "HTTPError"),
    ("langchain_core.exceptions", "LangChainException"),
    ("langchain_google_genai.chat_models", "ChatGoogleGenerativeAIError"),
    ("langgraph.errors", "GraphRecursionError"),
    ("openai", "OpenAIError"),
    ("requests", "RequestException"),
)

_TIMEOUT: Final = 60.0  # seconds, for one answer of a model


def require_agent() -> None:
    """Check that the agent's libraries are there.

    Raises:
        ConfigurationError: says what to install.
    """
    if not all(find_spec(package) for package in ("langchain", "fastmcp")):
        raise ConfigurationError(
            "`ask` and `chat` need LangChain: install it with pip install 'gatehouse-client[agent]'."
        )


def chat_model(settings: Settings) -> BaseChatModel:
    """The chat model.

    Raises:
        ConfigurationError: names the variable to set or the package to install.
    """
    require_agent()
    if settings.model == OFFLINE:
        from .offline import OfflineModel

        return OfflineModel()
    provider = settings.model.partition(":")[0]
    return _gemini(settings) if provider == "google_genai" else _any(settings.model, provider)


def model_failures() -> tuple[type[Exception], ...]:
    """What the loaded providers' packages raise when a model does not answer: key, quota, network, bad request."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in _FAILURES)
    return tuple(failure for failure in found if isinstance(failure, type))


def _gemini(settings: Settings) -> BaseChatModel:
    key = settings.gemini_api_key or settings.google_api_key
    if key is None:
        raise ConfigurationError(f"MODEL={settings.model} needs a key: set GEMINI_API_KEY (or GOOGLE_API_KEY).")
    if find_spec("langchain_google_genai") is None:
        raise ConfigurationError(
            f"MODEL={settings.model} needs a package: install it with pip install 'gatehouse-client[gemini]'."
        )
    from langchain.chat_models import init_chat_model

    return init_chat_model(settings.model, google_api_key=key, timeout=_TIMEOUT, max_retries=2)


def _any(model: str, provider: str) -> BaseChatModel:
    """The provider's package reads its own variables, such as OPENAI_BASE_URL; they may be in `.env`, too."""
    load_dotenv(ENV_FILE, override=False, encoding="utf-8")
    variable = KEYS.get(provider)
    if variable and not os.environ.get(variable):
        os.environ[variable] = _key_from_file(model, variable)
    from langchain.chat_models import init_chat_model

    try:
        return init_chat_model(model)
    except ImportError as error:
        raise ConfigurationError(f"MODEL={model} needs a package: {foreign(str(error))}") from error
    except ValueError as error:
        raise ConfigurationError(f"MODEL={model} cannot be used: {foreign(str(error))}") from error


def _key_from_file(model: str, variable: str) -> str:
    path = os.environ.get(f"{variable}_FILE")
    if not path:
        raise ConfigurationError(f"MODEL={model} needs a key: set {variable}.")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{variable}_FILE={path} cannot be read ({error.strerror}).") from error
