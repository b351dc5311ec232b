"""Stand-ins for the HTTP APIs of model providers, for the real SDKs to talk to.

Each calls `get_time` first, and then says what the tool said, whole or streamed as it is asked; or it answers with an
error, or not at all.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support.serve_in_thread import serve_in_thread

KEY = "k3y-of-the-test"
CALL = {"timezone": "Asia/Tokyo"}


@dataclass
class Provider:
    """One API.

    Attributes:
        error: an HTTP status and a message to answer with.
        silent: whether to answer nothing until the test is over.
        stalls: whether a streamed answer ends after its first two pieces, and the rest comes when the test is over.
        asked: the bodies of the requests.
        keys: what each request had as its key.
        streamed: whether each answer was streamed.
    """

    model: ClassVar[str]
    error: tuple[int, str] | None = None
    silent: bool = False
    stalls: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    streamed: list[bool] = field(default_factory=list)
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    async def generate(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        self.keys.append(self.key(request))
        if self.silent:
            await anyio.to_thread.run_sync(self.over.wait)
        if self.error:
            status, message = self.error
            # Without this header the SDKs wait for seconds before they try again.
            return JSONResponse(self.error_body(status, message), status, headers={"retry-after-ms": "1"})
        said = self.tool_result(body)
        streamed = self.wants_stream(request, body)
        self.streamed.append(streamed)
        if streamed:
            return StreamingResponse(self.paced(self.stream(said)), media_type="text/event-stream")
        return JSONResponse(self.whole(said))

    def paced(self, events: Iterable[str]) -> Iterator[str]:
        """The events, with the pause of `stalls`."""
        for each in events:
            yield each
            if self.stalls and json.dumps(pieces("it")[1]) in each:
                self.over.wait()

    def variables(self) -> dict[str, str]:
        """The settings that make the agent use this."""
        raise NotImplementedError

    def key(self, request: Request) -> str | None:
        return request.headers.get("authorization", "").removeprefix("Bearer ")

    def wants_stream(self, request: Request, body: dict[str, Any]) -> bool:
        return bool(body.get("stream"))

    def declared(self) -> list[str]:
        """The tools that the model was told of."""
        raise NotImplementedError

    def tool_result(self, body: dict[str, Any]) -> str | None:
        """What the tool said; None in the first round."""
        raise NotImplementedError

    def whole(self, said: str | None) -> dict[str, Any]:
        raise NotImplementedError

    def stream(self, said: str | None) -> Iterable[str]:
        raise NotImplementedError

    def error_body(self, status: int, message: str) -> dict[str, Any]:
        raise NotImplementedError


class Gemini(Provider):
    """generateContent and streamGenerateContent of the Gemini API."""

    model = "google_genai:gemini-2.5-flash"

    def variables(self) -> dict[str, str]:
        return {"MODEL": self.model, "GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": self.url}

    def key(self, request: Request) -> str | None:
        return request.headers.get("x-goog-api-key")

    def wants_stream(self, request: Request, body: dict[str, Any]) -> bool:
        return request.url.path.endswith(":streamGenerateContent")

    def declared(self) -> list[str]:
        return [tool["name"] for tool in self.asked[0]["tools"][0]["functionDeclarations"]]

    def tool_result(self, body: dict[str, Any]) -> str | None:
        parts = [part for content in body["contents"] for part in content["parts"]]
        results = [part["functionResponse"]["response"]["output"] for part in parts if "functionResponse" in part]
        return results[-1][0]["text"] if results else None

    def whole(self, said: str | None) -> dict[str, Any]:
        part = {"text": f"It is {said}."} if said else {"functionCall": {"name": "get_time", "args": CALL}}
        return {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}]}

    def stream(self, said: str | None) -> Iterable[str]:
        parts: list[dict[str, Any]] = [{"functionCall": {"name": "get_time", "args": CALL}}]
        if said:
            parts = [{"text": word} for word in pieces(said)]
        for part in parts:
            yield event({"candidates": [{"content": {"role": "model", "parts": [part]}}]})
        yield event({"candidates": [{"content": {"role": "model", "parts": []}, "finishReason": "STOP"}]})

    def error_body(self, status: int, message: str) -> dict[str, Any]:
        return {"error": {"code": status, "message": message, "status": "FAILED"}}


class OpenAI(Provider):
    """Chat completions of OpenAI, which also Ollama, vLLM and many others serve."""

    model = "openai:gpt-5-mini"

    def variables(self) -> dict[str, str]:
        return {"MODEL": self.model, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{self.url}/v1"}

    def declared(self) -> list[str]:
        return [tool["function"]["name"] for tool in self.asked[0]["tools"]]

    def tool_result(self, body: dict[str, Any]) -> str | None:
        results = [message["content"] for message in body["messages"] if message["role"] == "tool"]
        if not results:
            return None
        return results[-1] if isinstance(results[-1], str) else results[-1][0]["text"]

    def whole(self, said: str | None) -> dict[str, Any]:
        return self._completion("chat.completion", "message", {"role": "assistant", **self._spoken(said)}, bool(said))

    def stream(self, said: str | None) -> Iterable[str]:
        deltas = [{"content": word} for word in pieces(said)] if said else [self._spoken(None)]
        for delta in [{"role": "assistant", "content": ""}, *deltas]:
            yield event(self._completion("chat.completion.chunk", "delta", delta, None))
        yield event(self._completion("chat.completion.chunk", "delta", {}, bool(said)))
        yield "data: [DONE]\n\n"

    def error_body(self, status: int, message: str) -> dict[str, Any]:
        return {"error": {"message": message, "type": "error", "param": None, "code": None}}

    def _spoken(self, said: str | None) -> dict[str, Any]:
        if said:
            return {"content": f"It is {said}."}
        function = {"name": "get_time", "arguments": json.dumps(CALL)}
        return {"content": None, "tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}

    def _completion(self, kind: str, member: str, message: dict[str, Any], final: bool | None) -> dict[str, Any]:
        reason = {None: None, True: "stop", False: "tool_calls"}[final]
        choice = {"index": 0, member: message, "finish_reason": reason}
        return {"id": "c-1", "object": kind, "created": 1, "model": "gpt-5-mini", "choices": [choice]}


class Anthropic(Provider):
    """The Messages API of Anthropic."""

    model = "anthropic:claude-sonnet-4-5"

    def variables(self) -> dict[str, str]:
        return {"MODEL": self.model, "ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": self.url}

    def key(self, request: Request) -> str | None:
        return request.headers.get("x-api-key") or super().key(request)

    def declared(self) -> list[str]:
        return [tool["name"] for tool in self.asked[0]["tools"]]

    def tool_result(self, body: dict[str, Any]) -> str | None:
        blocks = [
            block
            for message in body["messages"]
            if isinstance(message["content"], list)
            for block in message["content"]
        ]
        results = [block["content"] for block in blocks if block["type"] == "tool_result"]
        if not results:
            return None
        return results[-1] if isinstance(results[-1], str) else results[-1][0]["text"]

    def whole(self, said: str | None) -> dict[str, Any]:
        block = {"type": "text", "text": f"It is {said}."} if said else {**self._call(), "input": CALL}
        return {**self._message(), "content": [block], "stop_reason": "end_turn" if said else "tool_use"}

    def stream(self, said: str | None) -> Iterable[str]:
        yield self._event("message_start", message={**self._message(), "content": [], "stop_reason": None})
        block: dict[str, Any] = {"type": "text", "text": ""} if said else {**self._call(), "input": {}}
        yield self._event("content_block_start", index=0, content_block=block)
        deltas = [{"type": "input_json_delta", "partial_json": json.dumps(CALL)}]
        if said:
            deltas = [{"type": "text_delta", "text": word} for word in pieces(said)]
        for delta in deltas:
            yield self._event("content_block_delta", index=0, delta=delta)
        yield self._event("content_block_stop", index=0)
        end = {"stop_reason": "end_turn" if said else "tool_use", "stop_sequence": None}
        yield self._event("message_delta", delta=end, usage={"output_tokens": 1})
        yield self._event("message_stop")

    def error_body(self, status: int, message: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": "error", "message": message}}

    def _call(self) -> dict[str, Any]:
        return {"type": "tool_use", "id": "toolu_1", "name": "get_time"}

    def _message(self) -> dict[str, Any]:
        usage = {"input_tokens": 1, "output_tokens": 1}
        about = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5"}
        return {**about, "stop_sequence": None, "usage": usage}

    def _event(self, kind: str, **members: Any) -> str:
        return f"event: {kind}\n" + event({"type": kind, **members})


def pieces(said: str) -> list[str]:
    """The answer, as it is streamed."""
    return ["It ", "is ", *(f"{word} " for word in said.split()[:-1]), f"{said.split()[-1]}."]


def event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


@contextmanager
def running_provider(provider: Provider) -> Iterator[Provider]:
    """The provider, served."""
    app = Starlette(routes=[Route("/{path:path}", provider.generate, methods=["POST"])])
    with serve_in_thread(app) as provider.url:
        try:
            yield provider
        finally:
            provider.over.set()
