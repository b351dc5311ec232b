"""The chat model of a provider that `MODEL` names."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dotenv import load_dotenv
from pydantic import SecretStr

from ..errors import ConfigurationError
from ..foreign_text import foreign
from ..settings import ENV_FILE, Settings
from ..signin.http.proxies import require_usable_proxies

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

EXTRAS: Final = {
    "anthropic": ("langchain_anthropic", "anthropic"),
    "google_genai": ("langchain_google_genai", "gemini"),
    "openai": ("langchain_openai", "openai"),
}
"""The providers with an extra: the package that it installs, and the name of the extra."""

KEYS: Final = {
    "anthropic": "ANTHROPIC_API_KEY",
    "cohere": "COHERE_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "google_genai": "GEMINI_API_KEY",
    "groq": "GROQ_API_KEY",
    "mistralai": "MISTRAL_API_KEY",
    "openai": "OPENAI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "xai": "XAI_API_KEY",
}
"""The environment variable of each provider's key."""

_NO_KEY: Final = "none"  # servers such as Ollama and vLLM accept any key
_RETRIES: Final = 2


def chat_model(settings: Settings) -> BaseChatModel:
    """The chat model of a provider.

    Raises:
        ConfigurationError: names the variable to set or the package to install.
    """
    provider = _provider(settings)
    package, extra = EXTRAS.get(provider, (None, None))
    options = _options(settings, provider)
    if find_spec("langchain") is None:
        raise _missing_package(settings.model, "LangChain", f"agent,{extra}" if extra else "agent")
    if package and find_spec(package) is None:
        raise _missing_package(settings.model, "a package", str(extra))
    require_usable_proxies()
    from langchain.chat_models import init_chat_model

    try:
        model: BaseChatModel = init_chat_model(settings.model, **options)
    except ImportError as error:
        raise ConfigurationError(f"MODEL={settings.model} needs a package: {foreign(str(error))}") from error
    except ValueError as error:
        raise ConfigurationError(f"MODEL={settings.model} cannot be used: {foreign(str(error))}") from error
    return model


def key_variable(settings: Settings) -> str | None:
    """The environment variable of the model's key; None if it is not known."""
    return KEYS.get(_provider(settings))


def _provider(settings: Settings) -> str:
    return settings.model.partition(":")[0]


def _options(settings: Settings, provider: str) -> dict[str, Any]:
    """The options of the provider's class.

    Raises:
        ConfigurationError: names the key to set.
    """
    common: dict[str, Any] = {"timeout": settings.model_timeout, "max_retries": _RETRIES}
    match provider:
        case "google_genai":
            return common | {"google_api_key": _required(settings, settings.gemini_api_key or settings.google_api_key)}
        case "anthropic":
            return common | {
                "api_key": _required(settings, settings.anthropic_api_key),
                "base_url": settings.anthropic_base_url,
            }
        case "openai":
            key = settings.openai_api_key or (SecretStr(_NO_KEY) if settings.openai_base_url else None)
            return common | {"api_key": _required(settings, key), "base_url": settings.openai_base_url}
    _take_environment(settings.model, KEYS.get(provider))
    return {}


def _required(settings: Settings, key: SecretStr | None) -> SecretStr:
    if key is None:
        raise _missing_key(settings.model, str(key_variable(settings)))
    return key


def _missing_package(model: str, what: str, extra: str) -> ConfigurationError:
    return ConfigurationError(f"MODEL={model} needs {what}: install it with pip install 'gatehouse-client[{extra}]'.")


def _missing_key(model: str, variable: str) -> ConfigurationError:
    also = {
        "GEMINI_API_KEY": " (or GOOGLE_API_KEY)",
        "OPENAI_API_KEY": " (or the OPENAI_BASE_URL of your own server)",
    }
    return ConfigurationError(f"MODEL={model} needs a key: set {variable}{also.get(variable, '')}.")


def _take_environment(model: str, variable: str | None) -> None:
    """Put `.env` and the key of NAME_FILE into the environment, where other providers' packages read their settings."""
    load_dotenv(ENV_FILE, override=False, encoding="utf-8")
    if not variable or os.environ.get(variable):
        return
    path = os.environ.get(f"{variable}_FILE")
    if not path:
        raise _missing_key(model, variable)
    try:
        os.environ[variable] = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{variable}_FILE={path} cannot be read ({error.strerror}).") from error
