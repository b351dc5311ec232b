"""The agent's rounds: what it tells a model of the tools' results, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import mcp_types as types
import pytest

from gatehouse_client.agent.agent import Agent, Event, TextChunk
from gatehouse_client.agent.model import Function, Message, Question, Reply, ToolCall, ToolResult
from gatehouse_client.errors import ModelError, Party

TOOLS = [
    types.Tool(name="look", description="See.", input_schema={"type": "object"}),
    types.Tool(name="wait", input_schema={"type": "object"}),
]


class ScriptedModel:
    """Gives the replies one after the other, and keeps what it read."""

    def __init__(self, *replies: Reply) -> None:
        self._replies: Iterator[Reply] = iter(replies)
        self.read: list[list[Message]] = []

    async def reply(
        self, messages: Sequence[Message], functions: Sequence[Function], *, streaming: bool
    ) -> AsyncGenerator[str | Reply]:
        self.read.append([*messages])
        reply = next(self._replies)
        if streaming:
            for word in reply.text.split(" "):
                yield word
        yield reply


class ScriptedServer:
    """A connection whose tools give these results. A result of None never comes."""

    url = "https://mcp.example/mcp"

    def __init__(self, **results: types.CallToolResult | None) -> None:
        self._results = results
        self.called: list[str] = []
        self.all_called = asyncio.Event()

    @asynccontextmanager
    async def session(self, _: object) -> AsyncGenerator[ScriptedServer]:
        yield self

    async def tools(self) -> list[types.Tool]:
        return TOOLS

    async def result(self, name: str, arguments: dict[str, Any], progress: object) -> types.CallToolResult:
        self.called.append(name)
        if len(self.called) == 2:
            self.all_called.set()
        result = self._results[name]
        if result is None:
            await asyncio.Event().wait()
            raise AssertionError
        if len(self._results) > 1:
            await self.all_called.wait()
        return result


def agent(server: ScriptedServer, model: ScriptedModel, *, streaming: bool = False) -> Agent:
    return Agent(
        cast("Any", server),
        model,
        "scripted",
        streaming=streaming,
        answer=cast("Any", None),
        progress=cast("Any", None),
    )


def call(name: str, number: int = 1) -> ToolCall:
    return ToolCall(f"{name}-{number}", name, {})


def answered(*content: types.ContentBlock, **members: Any) -> types.CallToolResult:
    return types.CallToolResult(content=[*content], **members)


TEXT = answered(types.TextContent(type="text", text="a \u202ehouse"))
IMAGE = types.ImageContent(type="image", data="AAAA", mime_type="image/png")
AUDIO = types.AudioContent(type="audio", data="AAAA", mime_type="audio/wav")
LINK = types.ResourceLink(type="resource_link", name="plan", uri="https://mcp.example/plan")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("result", "text", "images", "failed"),
    [
        (TEXT, "a house", [], False),
        (answered(IMAGE), "[image/png, 3 bytes]", [IMAGE], False),
        (answered(AUDIO, LINK), "[audio/wav, 3 bytes]\n[plan] https://mcp.example/plan", [], False),
        (answered(structured_content={"rooms": 3}), '{"rooms": 3}', [], False),
        (answered(types.TextContent(type="text", text="it is dark"), is_error=True), "it is dark", [], True),
        (answered(is_error=True), "The tool did not say why.", [], True),
    ],
)
async def test_the_model_reads_each_kind_of_result(
    result: types.CallToolResult, text: str, images: list[types.ImageContent], *, failed: bool
) -> None:
    model = ScriptedModel(Reply("", [call("look")]), Reply("Done."))
    events: list[Event] = []
    assert await agent(ScriptedServer(look=result), model).ask("Look!", events.append) == "Done."
    told = ToolResult(call("look"), text, failed, tuple(images))
    assert model.read[1] == [Question("Look!"), Reply("", [call("look")]), told]
    assert events == [call("look"), told]


@pytest.mark.anyio
async def test_calls_run_at_the_same_time_and_their_results_are_in_order() -> None:
    server = ScriptedServer(look=TEXT, wait=TEXT)
    model = ScriptedModel(Reply("", [call("wait"), call("look")]), Reply("Done."))
    await agent(server, model).ask("Look!", lambda _: None)
    assert [message.call.name for message in model.read[1] if isinstance(message, ToolResult)] == ["wait", "look"]


@pytest.mark.anyio
async def test_a_tool_that_is_not_there_is_told_to_the_model_and_not_called() -> None:
    server, model = ScriptedServer(look=TEXT), ScriptedModel(Reply("", [call("fly")]), Reply("I cannot."))
    assert await agent(server, model).ask("Fly!", lambda _: None) == "I cannot."
    assert server.called == []
    assert model.read[1][-1] == ToolResult(call("fly"), "There is no tool fly. The tools are look, wait.", failed=True)


@pytest.mark.anyio
async def test_a_model_that_calls_tools_again_and_again_is_stopped_and_the_question_forgotten() -> None:
    server = ScriptedServer(look=TEXT)
    model = ScriptedModel(*(Reply("", [call("look", number)]) for number in range(20)), Reply("Hello."))
    asked = agent(server, model)
    with pytest.raises(ModelError, match=r"up to the limit of 20 rounds\. Ask a simpler question\.$") as raised:
        await asked.ask("Look!", lambda _: None)
    assert raised.value.party is Party.MODEL
    assert len(server.called) == 20
    await asked.ask("Hello?", lambda _: None)
    assert model.read[-1] == [Question("Hello?")]


@pytest.mark.anyio
async def test_a_result_that_was_there_before_the_interruption_is_kept() -> None:
    server = ScriptedServer(look=TEXT, wait=None)
    model = ScriptedModel(Reply("", [call("wait"), call("look")]), Reply("A house."))
    asked, seen = agent(server, model), asyncio.Event()
    task = asyncio.create_task(asked.ask("Look!", lambda event: isinstance(event, ToolResult) and seen.set()))
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asked.can_resume
    assert await asked.resume(lambda _: None) == "A house."
    results = {message.call.name: message for message in model.read[1] if isinstance(message, ToolResult)}
    assert (results["look"].text, results["look"].failed) == ("a house", False)
    assert (results["wait"].text.startswith("The person interrupted the call."), results["wait"].failed) == (True, True)


@pytest.mark.anyio
async def test_the_parts_of_a_text_come_before_the_answer() -> None:
    events: list[Event] = []
    model = ScriptedModel(Reply("A red house."))
    assert await agent(ScriptedServer(), model, streaming=True).ask("What?", events.append) == "A red house."
    assert events == [TextChunk("A"), TextChunk("red"), TextChunk("house.")]
