"""The models: what is missing is one line."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from gatehouse_client.agent import models
from gatehouse_client.agent.failures import errors_of_the_model
from gatehouse_client.errors import ConfigurationError, ModelError, Party
from gatehouse_client.settings import Settings
from tests.client.run_command import Command


def configured(**values: Any) -> Settings:
    return Settings(auth0_client_id="id", **values)


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Packages that are to look as if they were not installed."""
    missing: set[str] = set()

    def find_spec(name: str) -> ModuleSpec | None:
        return None if name in missing else importlib.util.find_spec(name)

    monkeypatch.setattr(models, "find_spec", find_spec)
    return missing


def test_without_the_agent_extra_the_offline_model_answers_and_another_says_what_to_install(
    command: Command, not_installed: set[str]
) -> None:
    not_installed.add("langchain")
    assert command("ask", "add 1 and 2").stdout == "The result of add is 3.\n"
    for arguments in (("ask", "What time is it?"), ("chat",)):
        result = command(*arguments, MODEL="openai:gpt-5", OPENAI_API_KEY="k")
        assert result.exit_code == 2
        assert result.stderr == (
            "MODEL=openai:gpt-5 needs LangChain: install it with pip install 'gatehouse-client[agent,openai]'.\n"
        )


def test_gemini_without_a_key_says_which_variable_to_set(command: Command) -> None:
    result = command("ask", "hello", MODEL="google_genai:gemini-2.5-flash")
    assert (result.exit_code, result.stderr) == (
        2,
        "MODEL=google_genai:gemini-2.5-flash needs a key: set GEMINI_API_KEY (or GOOGLE_API_KEY).\n",
    )


def test_gemini_without_its_extra_says_what_to_install(not_installed: set[str]) -> None:
    not_installed.add("langchain_google_genai")
    with pytest.raises(ConfigurationError, match=r"pip install 'gatehouse-client\[gemini\]'"):
        models.chat_model(configured(model="google_genai:gemini-2.5-flash", gemini_api_key="k"))


@pytest.mark.parametrize("value", ["http://[::1", "http://proxy.example:port", "socks5://127.0.0.1:1080", "ftp://x"])
@pytest.mark.parametrize("model", ["openai:gpt-5", "anthropic:claude-sonnet-4-5", "google_genai:gemini-2.5-flash"])
def test_a_proxy_that_the_providers_package_cannot_use_is_one_line(command: Command, model: str, value: str) -> None:
    keys = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": "k"}
    result = command("ask", "hello", MODEL=model, ALL_PROXY=value, **keys)
    assert result.exit_code == 2
    assert result.stderr.startswith("ALL_PROXY is ")


@pytest.mark.parametrize("variable", ["gemini_api_key", "google_api_key"])
def test_gemini_takes_either_key(variable: str) -> None:
    model = models.chat_model(configured(model="google_genai:gemini-2.5-flash", **{variable: "k3y"}))
    assert type(model).__name__ == "ChatGoogleGenerativeAI"
    assert "k3y" not in repr(model)


@pytest.fixture
def no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, without keys. What the program puts into the environment is removed after the test."""
    monkeypatch.chdir(tmp_path)
    with patch.dict(os.environ, dict.fromkeys(models.KEYS.values(), "")):
        yield tmp_path


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("google_genai:gemini-2.5-flash", "set GEMINI_API_KEY (or GOOGLE_API_KEY)."),
        ("openai:gpt-5", "set OPENAI_API_KEY (or the OPENAI_BASE_URL of your own server)."),
        ("anthropic:claude-sonnet-4-5", "set ANTHROPIC_API_KEY."),
        ("mistralai:large", "set MISTRAL_API_KEY."),
    ],
)
def test_a_provider_without_a_key_says_which_variable_to_set(model: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        models.chat_model(configured(model=model))
    assert str(raised.value) == f"MODEL={model} needs a key: {said}"


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_provider_without_its_extra_says_what_to_install(provider: str, not_installed: set[str]) -> None:
    not_installed.add(f"langchain_{provider}")
    with pytest.raises(ConfigurationError, match=rf"pip install 'gatehouse-client\[{provider}\]'"):
        models.chat_model(configured(model=f"{provider}:x", **{f"{provider}_api_key": "k"}))


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_key_is_not_in_the_models_repr(provider: str) -> None:
    assert "k3y" not in repr(models.chat_model(configured(model=f"{provider}:x", **{f"{provider}_api_key": "k3y"})))


def test_another_provider_without_its_package_says_what_to_install(no_keys: Path) -> None:
    (no_keys / "key").write_text("k3y", encoding="utf-8")
    (no_keys / ".env").write_text("MISTRAL_API_KEY_FILE=key\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="langchain-mistralai"):
        models.chat_model(configured(model="mistralai:large"))


@pytest.mark.usefixtures("no_keys")
def test_an_unknown_provider_is_named() -> None:
    with pytest.raises(ConfigurationError, match="MODEL=nonsense:1 cannot be used"):
        models.chat_model(configured(model="nonsense:1"))


@pytest.mark.parametrize("error", [ValueError("odd"), KeyError("odd"), OSError("odd"), TimeoutError("odd")])
def test_every_error_of_a_model_is_one_of_the_model(error: Exception) -> None:
    with (
        pytest.raises(ModelError, match=r"^The model offline did not answer: ") as raised,
        errors_of_the_model(configured()),
    ):
        raise error
    assert raised.value.party is Party.MODEL


def test_an_interrupted_model_is_no_error_of_the_model() -> None:
    with pytest.raises(asyncio.CancelledError), errors_of_the_model(configured()):
        raise asyncio.CancelledError
