"""The offline model: a chat model without intelligence, so that the agent runs without a key or a network.

It matches words of the question to a tool, takes arguments from the question, and repeats the tool's result. Each
answer is marked as the offline model's.
"""

from __future__ import annotations

import re
import uuid
import zoneinfo
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from ..mcp.schema import choices_of, properties_of, required_of, types_of

NAME: Final = "offline model"

_WORD: Final = re.compile(r"[^\W_]+")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_QUOTED: Final = re.compile(r"[\"“'`]([^\"”'`]+)[\"”'`]")
_NUMBER: Final = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])")
_ZONE: Final = re.compile(r"[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)+|\b(?:UTC|GMT)\b")
_ZONE_PARAMETER: Final = re.compile(r"(^|_)(tz|time_?zone|zone)($|_)", re.IGNORECASE)
_EMPTY_WORDS: Final = frozenset(
    """
    a about all am an and any are as at be by call can could do does for from get give has have how i if in into is it
    its me my now of on one or our please run s say show so tell that the their them there this to tool us use what
    when where which will with would you your
    """.split()  # noqa: SIM905  # a list of 60 lines says no more
)


class OfflineModel(BaseChatModel):
    """Answers with a tool call, or with the result of the tool."""

    @property
    def _llm_type(self) -> str:
        return NAME

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        **kwargs: Any,  # noqa: ANN401  # the base class's signature
    ) -> Runnable[LanguageModelInput, AIMessage]:
        kwargs.pop("tool_choice", None)
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401  # the base class's signature
    ) -> ChatResult:
        functions = [tool["function"] for tool in kwargs.get("tools", ())]
        return ChatResult(generations=[ChatGeneration(message=_answer(messages, functions))])


def choose_tool(question: str, functions: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The function whose name and description share most words with the question; None if none shares a word."""
    asked = _words(question)
    squashed = "".join(_WORD.findall(question.lower()))

    def score(function: dict[str, Any]) -> int:
        name = str(function["name"])
        whole = 5 if "".join(_WORD.findall(name.lower())) in squashed else 0
        described = _words(str(function.get("description") or "")) - _words(name)
        return whole + 3 * len(asked & _words(name)) + len(asked & described)

    best = max(functions, key=score, default=None)
    return best if best is not None and score(best) > 0 else None


def fill_arguments(question: str, schema: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The arguments that the question contains, and the names of the missing required arguments."""
    numbers, quotes = iter(_NUMBER.findall(question)), iter(_QUOTED.findall(question))
    zones = iter(find_time_zones(question))
    arguments: dict[str, Any] = {}
    required = required_of(schema)
    for name, parameter in properties_of(schema).items():
        value = _value(question, name, parameter, numbers, quotes, zones)
        if value is not None:
            arguments[name] = value
    return arguments, [name for name in required if name not in arguments]


def find_time_zones(question: str) -> list[str]:
    """The IANA time zones that the question names, in order. A zone can be named by its city."""
    zones = zoneinfo.available_timezones()
    by_spelling = {zone.lower(): zone for zone in zones}
    cities = {zone.rpartition("/")[2].replace("_", " ").lower(): zone for zone in sorted(zones) if _is_place(zone)}
    found: list[tuple[int, str]] = []
    rest = question.lower()
    for written in _ZONE.finditer(question):
        zone = by_spelling.get(written[0].lower(), None if zones else written[0])
        if zone is not None:
            found.append((written.start(), zone))
            rest = rest[: written.start()] + " " * len(written[0]) + rest[written.end() :]
    words = list(re.finditer(r"[^\W\d_]+", rest))
    while words:
        names = [(count, " ".join(word[0] for word in words[:count])) for count in (3, 2, 1)]
        count, city = next(((count, name) for count, name in names if name in cities), (1, ""))
        if city:
            found.append((words[0].start(), cities[city]))
        del words[:count]
    return [zone for _, zone in sorted(found)]


def _answer(messages: list[BaseMessage], functions: Sequence[dict[str, Any]]) -> AIMessage:
    last = messages[-1]
    if isinstance(last, ToolMessage):
        verb = "failed" if last.status == "error" else "says"
        return _message(f"{last.name or 'The tool'} {verb}: {last.text}")
    questions = [message for message in messages if isinstance(message, HumanMessage)]
    question = questions[-1].text if questions else ""
    function = choose_tool(question, functions)
    if function is None:
        names = ", ".join(str(function["name"]) for function in functions) or "none"
        return _message(f"No tool matches the words of your question. The tools are: {names}. I only match words.")
    arguments, missing = fill_arguments(question, function.get("parameters") or {})
    if missing:
        return _message(
            f"{function['name']} needs {', '.join(missing)}: write the value in the question (text in quotes)."
        )
    call = {"name": function["name"], "args": arguments, "id": f"offline-{uuid.uuid4().hex[:12]}", "type": "tool_call"}
    return AIMessage(content="", tool_calls=[call])


def _message(text: str) -> AIMessage:
    return AIMessage(content=f"[{NAME}] {text}")


def _value(
    question: str,
    name: str,
    parameter: dict[str, Any],
    numbers: Iterator[str],
    quotes: Iterator[str],
    zones: Iterator[str],
) -> str | float | None:
    types = types_of(parameter)
    choices = choices_of(parameter)
    for choice in choices:
        if isinstance(choice, str) and re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", question, re.IGNORECASE):
            return choice
    if choices:
        return None
    if _ZONE_PARAMETER.search(name) and "string" in types:
        return next(zones, None)
    if types & {"integer", "number"}:
        number = next(numbers, None)
        return None if number is None else int(float(number)) if "integer" in types else float(number)
    return next(quotes, None) if "string" in types else None


def _is_place(zone: str) -> bool:
    areas = ("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
    return zone.startswith(areas)


def _words(text: str) -> set[str]:
    words = (word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text)))
    return {word.removesuffix("s") if len(word) > 3 else word for word in words} - _EMPTY_WORDS
