"""Gemini, with its real SDK, against a stand-in for its HTTP API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .command import Command
from .world import World, served

MODEL = "google_genai:gemini-2.5-flash"


@dataclass
class Gemini:
    """Calls `get_time` first, and then says what the tool said; or answers with an error."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    error: tuple[int, str, str] | None = None
    url: str = ""

    async def generate(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        self.keys.append(request.headers.get("x-goog-api-key"))
        if self.error:
            status, code, message = self.error
            return JSONResponse({"error": {"code": status, "message": message, "status": code}}, status)
        parts = [part for content in body["contents"] for part in content["parts"]]
        results = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if results:
            blocks = results[-1]["response"]["output"]
            answer: dict[str, Any] = {"text": f"It is {blocks[0]['text']}."}
        else:
            answer = {"functionCall": {"name": "get_time", "args": {"timezone": "Asia/Tokyo"}}}
        candidate = {"content": {"role": "model", "parts": [answer]}, "finishReason": "STOP"}
        return JSONResponse({"candidates": [candidate]})


@pytest.fixture
def gemini() -> Iterator[Gemini]:
    running = Gemini()
    app = Starlette(routes=[Route("/{path:path}", running.generate, methods=["POST"])])
    with served(app) as running.url:
        yield running


def ask(command: Command, gemini: Gemini) -> tuple[int, str, str]:
    """In a process of its own: the SDK leaves its connections to the end of the process."""
    assert command("login").exit_code == 0
    process = command.process(
        "ask", "What time is it in Tokyo?", MODEL=MODEL, GEMINI_API_KEY="k3y", GOOGLE_GEMINI_BASE_URL=gemini.url
    )
    out, err = process.communicate(timeout=90)
    return process.returncode, out, err


def test_a_question_goes_to_the_model_to_the_tool_and_back(command: Command, gemini: Gemini) -> None:
    code, out, err = ask(command, gemini)
    assert (code, out) == (0, "It is 12:00 in Asia/Tokyo.\n"), err
    assert err == '· get_time(timezone="Asia/Tokyo")\n'
    assert gemini.keys == ["k3y", "k3y"]
    declared = [tool["name"] for tool in gemini.asked[0]["tools"][0]["functionDeclarations"]]
    assert declared == ["get_time", "add", "fail"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ((400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."), "API key not valid"),
        ((403, "PERMISSION_DENIED", "The key was reported as leaked."), "reported as leaked"),
        ((404, "NOT_FOUND", "models/gemini-2.5-flash is not found"), "is not found"),
    ],
)
def test_an_error_of_the_model_is_a_sentence(
    world: World, command: Command, gemini: Gemini, error: tuple[int, str, str], said: str
) -> None:
    gemini.error = error
    code, out, err = ask(command, gemini)
    assert (code, out) == (1, "")
    assert err.startswith(f"The model {MODEL} did not answer: ")
    assert said in err
    assert len(err.splitlines()) == 1
    assert [entry for entry in world.entries("mcp") if entry["name"]] == []
