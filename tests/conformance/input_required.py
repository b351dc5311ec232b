"""Tools that need the client's input to continue (2026-07-28, "Input required")."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    TextContent,
)

NAME = {"name": {"type": "string"}}


def register(mcp: Any) -> None:
    """Add the tools to the server."""
    for add in (_one_question, _with_state, _by_capability, _prompt):
        add(mcp)


def _ask(message: str, properties: dict[str, Any]) -> ElicitRequest:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _sample(text: str, most_tokens: int) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=most_tokens))


def _answer(ctx: Context, key: str) -> Any:
    return (ctx.input_responses or {}).get(key)


def _answered_field(ctx: Context, key: str, field: str) -> str | None:
    """The field's value in the client's answer; None if the answer does not have it."""
    answer = _answer(ctx, key)
    if not isinstance(answer, ElicitResult) or answer.action != "accept":
        return None
    value = (answer.content or {}).get(field)
    return value if isinstance(value, str) else None


def _one_question(mcp: Any) -> None:
    @mcp.tool(structured_output=False)
    async def test_input_required_result_elicitation(ctx: Context) -> str | InputRequiredResult:
        """Greet the person by name."""
        name = _answered_field(ctx, "user_name", "name")
        if name is None:
            return InputRequiredResult(input_requests={"user_name": _ask("What is your name?", NAME)})
        return f"Hello, {name}!"

    @mcp.tool(structured_output=False)
    async def test_input_required_result_sampling(ctx: Context) -> str | InputRequiredResult:
        """Ask the client's model for a capital."""
        answer = _answer(ctx, "capital_question")
        if answer is None:
            return InputRequiredResult(
                input_requests={"capital_question": _sample("What is the capital of France?", 100)}
            )
        return f"The model said: {answer.content.text}"

    @mcp.tool(structured_output=False)
    async def test_input_required_result_list_roots(ctx: Context) -> str | InputRequiredResult:
        """Name the client's roots."""
        answer = _answer(ctx, "client_roots")
        if answer is None:
            return InputRequiredResult(input_requests={"client_roots": ListRootsRequest()})
        return f"Roots: {', '.join(str(root.uri) for root in answer.roots)}"

    @mcp.tool(structured_output=False)
    async def test_streaming_elicitation(ctx: Context) -> str | InputRequiredResult:
        """Ask for a confirmation."""
        if _answer(ctx, "confirmation") is None:
            return InputRequiredResult(
                input_requests={"confirmation": _ask("Shall it be?", {"ok": {"type": "boolean"}})}
            )
        return "So be it."


def _with_state(mcp: Any) -> None:
    """The SDK seals `request_state` and refuses a changed one."""

    async def confirm(ctx: Context) -> str | InputRequiredResult:
        if ctx.request_state == "waiting" and _answer(ctx, "confirm") is not None:
            return "state-ok"
        asked = {"confirm": _ask("Please confirm", {"ok": {"type": "boolean"}})}
        return InputRequiredResult(input_requests=asked, request_state="waiting")

    mcp.tool("test_input_required_result_request_state", description="Confirm.", structured_output=False)(confirm)
    mcp.tool("test_input_required_result_tampered_state", description="Confirm.", structured_output=False)(confirm)

    @mcp.tool(structured_output=False)
    async def test_input_required_result_multiple_inputs(ctx: Context) -> str | InputRequiredResult:
        """Ask three things at once."""
        asked = {
            "user_name": _ask("What is your name?", NAME),
            "greeting": _sample("Generate a greeting", 50),
            "client_roots": ListRootsRequest(),
        }
        if ctx.request_state is None or any(_answer(ctx, key) is None for key in asked):
            return InputRequiredResult(input_requests=asked, request_state="three questions")
        return f"Thank you, {_answered_field(ctx, 'user_name', 'name')}."

    @mcp.tool(structured_output=False)
    async def test_input_required_result_multi_round(ctx: Context) -> str | InputRequiredResult:
        """Ask for a name, then for a colour."""
        name = _answered_field(ctx, "step1", "name")
        if ctx.request_state is None or (ctx.request_state == "first" and name is None):
            asked = {"step1": _ask("Step 1: What is your name?", NAME)}
            return InputRequiredResult(input_requests=asked, request_state="first")
        if ctx.request_state == "first":
            asked = {"step2": _ask("Step 2: What is your favorite color?", {"color": {"type": "string"}})}
            return InputRequiredResult(input_requests=asked, request_state=f"second:{name}")
        return f"{ctx.request_state.removeprefix('second:')} likes {_answered_field(ctx, 'step2', 'color')}."


def _by_capability(mcp: Any) -> None:
    @mcp.tool(structured_output=False)
    async def test_input_required_result_capabilities(ctx: Context) -> str | InputRequiredResult:
        """Ask only what the client can answer."""
        can = ctx.client_capabilities
        asked: dict[str, Any] = {}
        if can is not None and can.sampling is not None:
            asked["sample"] = _sample("Say something", 50)
        if can is not None and can.elicitation is not None:
            asked["name"] = _ask("What is your name?", NAME)
        if not asked or ctx.input_responses:
            return "Asked what could be asked."
        return InputRequiredResult(input_requests=asked)

    @mcp.tool(structured_output=False)
    async def test_missing_capability(ctx: Context) -> str:
        """Work only with clients that have a model."""
        can = ctx.client_capabilities
        if can is None or can.sampling is None:
            missing = {"requiredCapabilities": {"sampling": {}}}
            raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool needs the client's model.", missing)
        return "The client has a model."


def _prompt(mcp: Any) -> None:
    @mcp.prompt()
    async def test_input_required_result_prompt(ctx: Context) -> str | InputRequiredResult:
        """A prompt that asks for its context."""
        context = _answered_field(ctx, "user_context", "context")
        if context is None:
            asked = {"user_context": _ask("What context should the prompt use?", {"context": {"type": "string"}})}
            return InputRequiredResult(input_requests=asked)
        return f"Work in this context: {context}"
