"""The models: what is missing is one line, and the offline model."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

from gatehouse_client.agent import models
from gatehouse_client.agent.failures import model_failures
from gatehouse_client.agent.offline_model import OfflineModel, choose_tool, fill_arguments, find_time_zones
from gatehouse_client.errors import ConfigurationError
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


def test_without_the_agent_extra_ask_and_chat_say_what_to_install(command: Command, not_installed: set[str]) -> None:
    not_installed |= {"langchain", "fastmcp"}
    for arguments in (("ask", "What time is it?"), ("chat",)):
        result = command(*arguments)
        assert result.exit_code == 2
        assert (
            result.stderr == "`ask` and `chat` need LangChain: install it with pip install 'gatehouse-client[agent]'.\n"
        )
    assert command("tools").exit_code == 0, "sign-in, tools and calls work without it"


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
def no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for variable in models.KEYS.values():
        monkeypatch.setenv(variable, "")
    return tmp_path


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


def test_failures_of_packages_that_are_not_loaded_are_no_failures() -> None:
    failures = model_failures()
    assert all(issubclass(failure, Exception) for failure in failures)
    assert not [failure for failure in failures if failure is Exception]
    assert "openai" in sys.modules or not [failure for failure in failures if failure.__module__.startswith("openai")]


GET_TIME = {
    "name": "get_time",
    "description": "The current time.",
    "parameters": {"properties": {"timezone": {"anyOf": [{"type": "string"}, {"type": "null"}]}}},
}
WHOAMI = {"name": "whoami", "description": "The person who is signed in, with their permissions.", "parameters": {}}
SEARCH = {
    "name": "searchNotes",
    "description": "Find notes by their words.",
    "parameters": {"properties": {"text": {"type": "string"}, "limit": {"type": "integer"}}, "required": ["text"]},
}
TOOLS = [GET_TIME, WHOAMI, SEARCH]


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("What time is it now?", "get_time"),
        ("Who am I?", "whoami"),
        ("Which permissions do I have?", "whoami"),
        ("search the notes for 'milk'", "searchNotes"),
        ("What is the meaning of life?", None),
        ("", None),
    ],
)
def test_the_tool_whose_words_fit_is_chosen(question: str, name: str | None) -> None:
    chosen = choose_tool(question, TOOLS)
    assert (chosen["name"] if chosen else None) == name


@pytest.mark.parametrize(
    ("question", "zone"),
    [
        ("What time is it in Asia/Tokyo?", "Asia/Tokyo"),
        ("the time in america/new_york please", "America/New_York"),
        ("time in New York", "America/New_York"),
        ("time in Buenos Aires?", "America/Argentina/Buenos_Aires"),
        ("the time in UTC", "UTC"),
        ("the time in Nowhere/Land", None),
        ("what time is it", None),
    ],
)
def test_a_time_zone_is_found_by_its_name_or_its_city(question: str, zone: str | None) -> None:
    found = next(iter(find_time_zones(question)), None)
    assert found == zone or (zone or "").endswith("Buenos_Aires")
    if (zone or "").endswith("Buenos_Aires"):
        assert found in ("America/Buenos_Aires", zone)


@pytest.mark.parametrize(
    ("question", "zones"),
    [
        ("convert 'x' from Asia/Tokyo to UTC", ["Asia/Tokyo", "UTC"]),
        ("from Paris to Asia/Tokyo", ["Europe/Paris", "Asia/Tokyo"]),
        ("from New York to Tokyo", ["America/New_York", "Asia/Tokyo"]),
    ],
)
def test_two_time_zones_are_taken_in_the_questions_order(question: str, zones: list[str]) -> None:
    assert find_time_zones(question) == zones
    schema = {"properties": {"from_timezone": {"type": "string"}, "to_timezone": {"type": "string"}}}
    assert fill_arguments(question, schema)[0] == {"from_timezone": zones[0], "to_timezone": zones[1]}


def test_arguments_are_taken_from_the_question() -> None:
    schema = {
        "properties": {
            "text": {"type": "string"},
            "limit": {"type": "integer"},
            "ratio": {"type": "number"},
            "unit": {"enum": ["metre", "foot"]},
            "timezone": {"type": "string"},
        },
        "required": ["text", "limit"],
    }
    question = "find 'fresh milk' 3 times at 0.5 in FOOT, Europe/Paris"
    assert fill_arguments(question, schema) == (
        {"text": "fresh milk", "limit": 3, "ratio": 0.5, "unit": "foot", "timezone": "Europe/Paris"},
        [],
    )
    assert fill_arguments("find it", schema) == ({}, ["text", "limit"])


@tool
def get_time(timezone: str | None = None) -> str:
    """The current time."""
    return f"noon in {timezone}"


@tool
def search_notes(text: str) -> str:
    """Find notes."""
    return text


MODEL = OfflineModel().bind_tools([get_time, search_notes], tool_choice="auto")


def test_it_calls_a_tool_and_repeats_what_the_tool_says() -> None:
    asked = HumanMessage("What time is it in Asia/Tokyo?")
    answer = MODEL.invoke([asked])
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("get_time", {"timezone": "Asia/Tokyo"})]
    said = ToolMessage("noon", name="get_time", tool_call_id=answer.tool_calls[0]["id"])
    assert MODEL.invoke([asked, answer, said]).text == "[offline model] get_time says: noon"
    said.status = "error"
    assert MODEL.invoke([asked, answer, said]).text == "[offline model] get_time failed: noon"


def test_it_says_that_it_is_offline_wherever_it_speaks() -> None:
    for question in ("the meaning of life", "find notes"):
        answer = MODEL.invoke([HumanMessage(question)])
        assert answer.tool_calls == []
        assert answer.text.startswith("[offline model] ")
    assert "get_time, search_notes" in MODEL.invoke([HumanMessage("the meaning of life")]).text
    assert "search_notes needs text" in MODEL.invoke([HumanMessage("find notes")]).text
    assert OfflineModel().invoke("hello").text.startswith("[offline model] ")


def test_it_looks_at_the_last_question_only() -> None:
    history = [HumanMessage("search notes"), AIMessage("[offline model] …"), HumanMessage("what time is it?")]
    assert [call["name"] for call in MODEL.invoke(history).tool_calls] == ["get_time"]
