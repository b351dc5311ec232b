"""The offline model: it calls a tool only if the tool fits, asks back otherwise, and tells results as sentences."""

from __future__ import annotations

import asyncio
import json
import tomllib
import zoneinfo
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from mcp.server.mcpserver import MCPServer

from gatehouse_client.agent import offline_reading
from gatehouse_client.agent.model import Message, Question, Reply, ToolCall, ToolResult
from gatehouse_client.agent.offline_model import OfflineModel
from gatehouse_client.agent.offline_reading import WORDS, read
from gatehouse_example.tools import booking, clock, identity, slow
from gatehouse_example.tools.calendar import CalendarTools

QUESTIONS: dict[str, dict[str, list[str]]] = tomllib.loads(
    Path(__file__).with_name("offline_questions.toml").read_text(encoding="utf-8")
)


def function(name: str, description: str, required: tuple[str, ...] = (), **parameters: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": parameters, "required": list(required)}
    return {"name": name, "description": description, "parameters": schema}


def example_functions() -> list[dict[str, Any]]:
    """The example server's tools, with their real schemas."""
    mcp = MCPServer("example")
    for module in (clock, identity, slow, booking):
        module.register(mcp)
    CalendarTools(cast("Any", None), cast("Any", None), "", "").register(mcp)
    return [
        {"name": tool.name, "description": tool.description, "parameters": tool.input_schema}
        for tool in asyncio.run(mcp.list_tools())
    ]


EXAMPLE = example_functions()
STRING = {"type": "string"}
OTHERS = [
    function("get_weather", "The weather in a city.", ("city",), city=STRING),
    function("searchNotes", "Find notes by their words.", ("text",), text=STRING, limit={"type": "integer"}),
    function("add", "Add two whole numbers.", ("a", "b"), a={"type": "integer"}, b={"type": "integer"}),
    function("measure", "Convert a length.", ("value", "unit"), value={"type": "number"}, unit={"enum": ["m", "foot"]}),
    function("set_alarm", "Set an alarm.", ("at_time",), at_time={"type": "string", "format": "time"}),
    function("remind", "Remind of a day.", ("date", "start"), date=STRING, start={"type": "string", "format": "time"}),
    function("compare_zones", "Compare two zones.", ("zone_a", "zone_b"), zone_a=STRING, zone_b=STRING),
    function("会議室検索", "会議室を検索する。"),
]


def reply_to(messages: list[Message], functions: list[dict[str, Any]]) -> Reply:
    """The model's reply. Its text comes first, in one part."""

    async def parts() -> list[str | Reply]:
        return [part async for part in OfflineModel().reply(messages, functions, streaming=True)]

    *texts, reply = asyncio.run(parts())
    assert isinstance(reply, Reply)
    assert texts == ([reply.text] if reply.text else [])
    return reply


class Chat:
    """A conversation with the model. Each call of a tool gets `result` as its answer."""

    def __init__(self, tools: list[dict[str, Any]], result: object = "done") -> None:
        self.tools = tools
        self.result = result
        self.history: list[Message] = []

    def ask(self, question: str) -> list[str]:
        """The calls, as in the table."""
        self.history.append(Question(question))
        reply = self.reply()
        if reply.calls:
            text = self.result if isinstance(self.result, str) else json.dumps(self.result)
            self.history += [ToolResult(call, text) for call in reply.calls]
            self.reply()
        return [
            " ".join([call.name, *(f"{name}={value}" for name, value in call.arguments.items())])
            for call in reply.calls
        ]

    def reply(self) -> Reply:
        """The model's reply to the last message, which is in the history then."""
        reply = reply_to(self.history, self.tools)
        self.history.append(reply)
        return reply

    @property
    def said(self) -> str:
        last = self.history[-1]
        assert isinstance(last, Reply)
        return last.text


def calls_of(question: str, tools: list[dict[str, Any]] = EXAMPLE) -> list[str]:
    """The calls for the last question of a conversation; the questions are separated by " | "."""
    chat = Chat(tools)
    return [chat.ask(part) for part in question.split(" | ")][-1]


def dated(call: str) -> str:
    """The expected call with the dates of the place whose time it converts."""
    zone = next((part.partition("=")[2] for part in call.split() if part.startswith("from_timezone=")), "UTC")
    today = datetime.now(zoneinfo.ZoneInfo(zone)).date()
    return call.replace("{today}", str(today)).replace("{tomorrow}", str(today + timedelta(days=1)))


def test_the_table_has_forty_questions_in_each_language() -> None:
    assert {language: len(questions) for language, questions in QUESTIONS.items()} == {"english": 40, "japanese": 40}
    assert all(sum(not calls for calls in questions.values()) >= 5 for questions in QUESTIONS.values())


def test_at_least_seventy_of_the_eighty_questions_are_right_and_none_is_wrong_with_confidence() -> None:
    found = {question: (calls_of(question), [dated(call) for call in expected]) for _, question, expected in table()}
    wrong = {question: calls for question, (calls, expected) in found.items() if calls and calls != expected}
    assert wrong == {}
    assert sum(calls == expected for calls, expected in found.values()) >= 70


def table() -> list[tuple[str, str, list[str]]]:
    return [(language, *row) for language, questions in QUESTIONS.items() for row in questions.items()]


@pytest.mark.parametrize(
    ("question", "calls"),
    [
        ("What's the weather in Tokyo?", ["get_weather city=Tokyo"]),
        ("東京の天気は？", ["get_weather city=東京"]),
        ("weather in Paris and in Rome", ["get_weather city=Paris", "get_weather city=Rome"]),
        ("What's the weather in Paris? | And in Rome?", ["get_weather city=Rome"]),
        ("What's the weather?", []),
        ("search my notes for 'fresh milk'", ["searchNotes text=fresh milk"]),
        ("メモで「牛乳」を検索して", ["searchNotes text=牛乳"]),
        ("search notes for 'milk', limit 3", ["searchNotes text=milk limit=3"]),
        ("delete my notes", []),
        ("add 1 and 2", ["add a=1 b=2"]),
        ("1と2を足して", ["add a=1 b=2"]),
        ("add 1 and 2 | and 5 and 6", ["add a=5 b=6"]),
        ("add 1 and 2 | and 5?", []),
        ("add 1, 2 and 3", []),
        ("add 1 | 2", ["add a=1 b=2"]),
        ("convert the length 2.5 FOOT", ["measure value=2.5 unit=foot"]),
        ("Set an alarm at 7 am", ["set_alarm at_time=07:00"]),
        ("remind on 2026-07-28 at 7 am", ["remind date=2026-07-28 start=07:00"]),
        ("remind at 7 am", []),
        ("compare the zones Tokyo and London", ["compare_zones zone_a=Asia/Tokyo zone_b=Europe/London"]),
        ("会議室を検索", ["会議室検索"]),
        ("What time is it in Tokyo?", []),
        ("3 pm in Paris, what time in Tokyo?", []),
        ("hello", []),
        ("", []),
    ],
)
def test_it_works_with_the_tools_of_any_server(question: str, calls: list[str]) -> None:
    assert calls_of(question, OTHERS) == calls


def test_a_question_about_another_time_is_asked_back_without_a_tool_for_it() -> None:
    without = [tool for tool in EXAMPLE if tool["name"] != "convert_time"]
    chat = Chat(without)
    assert chat.ask("3 pm in Paris, what time in Tokyo?") == []
    assert chat.said.startswith("I do not know what to do with “3 pm”. Did you mean get_time (Tell what time it is now")


@pytest.mark.parametrize(
    ("question", "calls"),
    [
        ("Book a room | 'Blue' at 15:00", ["book_room room=Blue hour=15"]),
        ("会議室を予約したい | 「青」を15時に", ["book_room room=青 hour=15"]),
        ("What time is it in Atlantis? | In Tokyo", ["get_time timezone=Asia/Tokyo"]),
        ("What time is it in Atlantis? | yes", ["get_time"]),
        ("What time is it in Atlantis? | no", []),
        ("What time is it in Tokyo, please, and quickly do it twice? | get_time", ["get_time timezone=Asia/Tokyo"]),
        ("What time is it in Atlantis? | What is the weather in Tokyo?", []),
        ("What time is it in Tokyo? | Thank you! | And in Berlin?", ["get_time timezone=Europe/Berlin"]),
        ("Who am I? | And in Berlin?", []),
        (
            "convert_time '2026-07-28T09:30' from Asia/Tokyo to UTC",
            ["convert_time time=2026-07-28T09:30 from_timezone=Asia/Tokyo to_timezone=UTC"],
        ),
        ("Book the Blue room today at 3 pm", ["book_room room=Blue hour=15"]),
        ("Book the Blue room tomorrow at 3 pm", []),
        ("book_room 'Blue' at 9", ["book_room room=Blue hour=9"]),
        ("Book the room 'Blue' at 3:30 pm | at 4 pm", ["book_room room=Blue hour=16"]),
        (
            "What time is it in Tokyo? | 15:00 UTC to JST",
            ["convert_time time={today}T15:00 from_timezone=UTC to_timezone=Asia/Tokyo"],
        ),
        ("And in Berlin?", []),
        ("What time is it there?", []),
        ("3 pm in Paris, what time in Tokyo? | And at 5 pm? | Thanks", []),
    ],
)
def test_an_answer_to_a_question_of_the_model_completes_the_earlier_question(question: str, calls: list[str]) -> None:
    assert calls_of(question) == [dated(call) for call in calls]


@pytest.mark.parametrize(
    "question",
    [
        "Don't tell me the time",
        "What time does the shop open in Tokyo?",
        "What time was it 3 hours ago?",
        "What is the server's name?",
        "Who is the user?",
        "Delete all events",
        "Which events are on my calendar tomorrow?",
        "Convert 5 miles to km",
        "Book a flight to Tokyo",
        "Book the room 'Blue' at 3:30 pm",
        "Book room Blue from 3 to 4 pm",
        "count down 100",
        "What time is it in CST?",
        "What time is it in Nowhere/Land?",
        "convert 3 pm to Tokyo time",
        "3 pm, Tokyo, London, what time?",
        "Log me in",
        "明日は何曜日？",
        "3時間後は何時？",
        "会議は何時から？",
        "東京タワーは何時まで？",
        "予定を削除して",
        "ログインして",
        "時間がない",
    ],
)
def test_what_no_tool_does_is_never_called(question: str) -> None:
    chat = Chat(EXAMPLE)
    assert chat.ask(question) == []
    assert chat.said


def test_a_tie_asks_which_tool_is_meant() -> None:
    chat = Chat([function("list_cats", "List animals."), function("show_cats", "Show animals.")])
    assert chat.ask("my cats") == []
    assert chat.said == "Several tools fit: list_cats, show_cats. Which one?"
    assert chat.ask("show_cats") == ["show_cats"]


def test_the_replies_name_the_tools_and_what_is_missing() -> None:
    chat = Chat(EXAMPLE)
    chat.ask("Tell me a joke")
    assert chat.said.startswith("No tool fits the question. The tools are: get_time, convert_time, ")
    chat.ask("Book a room")
    assert chat.said.startswith("book_room needs room, hour.")
    chat.ask("カナダの時刻を教えて")
    assert chat.said == "カナダには複数のタイムゾーンがあります。都市名を指定してください。"
    assert reply_to([Question("hello")], []).text == "No tool fits the question. The tools are: none."
    assert "ツールがありません" in reply_to([Question("こんにちは")], []).text


TIME = {"time": "2026-07-28T09:30:00+09:00", "timezone": "Asia/Tokyo", "weekday": "Tuesday"}
CALLER = {
    "subject": "auth0|1",
    "client": "agent",
    "permissions": ["access:mcp", "time:convert"],
    "expires_at": "2026-07-28T09:30:00+00:00",
}
EVENTS = {
    "owner": "auth0|1",
    "events": [{"start": "09:00", "title": "Stand-up"}, {"start": "11:00", "title": "Review"}],
}


@pytest.mark.parametrize(
    ("question", "result", "said"),
    [
        ("What time is it in Tokyo?", TIME, "It is 09:30:00 on Tuesday, 28 July 2026 in Asia/Tokyo."),
        ("東京は何時？", TIME, "東京は2026年7月28日火曜日の09:30:00です。"),
        ("2 am in Paris, what time in Tokyo?", TIME, "Then it is 09:30:00 on Tuesday, 28 July 2026 in Asia/Tokyo."),
        ("パリの午前2時は東京では何時？", TIME, "そのとき東京は2026年7月28日火曜日の09:30:00です。"),
        ("What time is it?", {"time": TIME["time"]}, "It is 09:30:00 on Tuesday, 28 July 2026."),
        (
            "Who am I?",
            CALLER,
            "Subject is auth0|1, client is agent, permissions are access:mcp, time:convert,"
            " expires at 28 July 2026, 09:30:00 UTC.",
        ),
        ("Which permissions do I have?", CALLER, "Permissions are access:mcp, time:convert."),
        ("私の権限は？", CALLER, "権限はaccess:mcp、time:convertです。"),
        ("What's on my calendar?", EVENTS, "Owner is auth0|1, events are 09:00 Stand-up; 11:00 Review."),
        ("What's on my calendar?", {"owner": None, "events": []}, "Owner is none, events are none."),
        ("Who am I?", {"result": True}, "The result of whoami is yes."),
        ("Who am I?", "You are Alice.", "You are Alice."),
        ("Who am I?", "", "whoami gave no result."),
        ("私は誰ですか", "[1, 2.5]", "whoamiの結果は1、2.5です。"),
    ],
)
def test_a_result_is_a_sentence_of_its_fields_in_the_language_of_the_question(
    question: str, result: object, said: str
) -> None:
    chat = Chat(EXAMPLE, result)
    assert chat.ask(question)
    assert chat.said == said


def test_several_results_are_one_sentence_each_and_a_failure_is_told() -> None:
    chat = Chat(EXAMPLE)
    chat.ask("What time is it in Tokyo and Paris?")
    assert chat.said == "done\ndone"
    call = ToolCall("1", "get_time", {})
    messages = [Question("東京は何時？"), Reply("", [call]), ToolResult(call, "it broke", failed=True)]
    assert reply_to(messages, EXAMPLE).text == "get_timeは失敗しました: it broke"


@pytest.mark.parametrize(
    "parameters",
    [None, {}, {"properties": None}, {"properties": {"a": True}, "required": ["a"]}, {"properties": {"zone": {}}}],
)
def test_an_odd_schema_is_no_error(parameters: Any) -> None:
    tool = {"name": "get_time", "description": "The time.", "parameters": parameters}
    assert calls_of("What time is it in Tokyo?", [tool]) == []
    assert calls_of("What time is it?", [tool]) == ([] if parameters and "required" in parameters else ["get_time"])


def test_the_zones_of_the_words_exist() -> None:
    zones = {*WORDS["places"], *WORDS["abbreviations"]}
    assert zones <= zoneinfo.available_timezones()
    assert [token.value for token in read("UTC+9 Asia/tokyo são paulo buenos aires").tokens] == [
        "Etc/GMT-9",
        "Asia/Tokyo",
        "America/Sao_Paulo",
        "America/Argentina/Buenos_Aires",
    ]


def test_a_machine_without_time_zone_data_takes_a_zone_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline_reading, "zoneinfo", SimpleNamespace(available_timezones=set))
    caches = (offline_reading._zone_names, offline_reading._phrases, offline_reading._stems)
    for cache in caches:
        cache.cache_clear()
    try:
        assert calls_of("What time is it in Asia/Tokyo?") == ["get_time timezone=Asia/Tokyo"]
        assert calls_of("東京は何時？") == ["get_time timezone=Asia/Tokyo"]
    finally:
        for cache in caches:
            cache.cache_clear()
