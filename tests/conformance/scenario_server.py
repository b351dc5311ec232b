"""The tools, resources and prompts that the conformance suite's server scenarios call.

They show that everything passes the gate: every kind of content, notifications during a call, and requests to the
client in both protocol eras.
"""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp_types import (
    AudioContent,
    Completion,
    CompletionArgument,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    PromptReference,
    ResourceTemplateReference,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from pydantic import Field

from gatehouse_server.adapters import internals
from tests.conformance import input_required
from tests.conformance.on_fastmcp import OnFastMCP

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
"""One red pixel."""
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
"""No sound at all."""


class OnMCPServer(MCPServer):
    """An `MCPServer` with the further members of `OnFastMCP`."""

    @property
    def server(self) -> MCPServer:
        return self

    @property
    def lowlevel(self) -> Server[Any]:
        return internals.lowlevel_server(self)

    def set_schema(self, name: str, schema: dict[str, Any]) -> None:
        """Replace the schema of a tool: the SDK derives another one from the signature."""
        tool = internals.registries(self)[0].get_tool(name)
        assert tool is not None
        tool.parameters = schema


def scenario_server(kind: type[OnMCPServer | OnFastMCP] = OnMCPServer) -> Any:
    """The server with everything that the server scenarios use."""
    mcp = kind("conformance", version="1.0.0")
    for register in (_contents, _arguments, _notifications, _questions, _resources, _prompts, _utilities, _changes):
        register(mcp)
    input_required.register(mcp)
    return mcp.server


def _image() -> ImageContent:
    return ImageContent(data=PNG, mime_type="image/png")


def _embedded(uri: str, text: str, mime_type: str) -> EmbeddedResource:
    return EmbeddedResource(resource=TextResourceContents(uri=uri, text=text, mime_type=mime_type))


def _contents(mcp: Any) -> None:
    @mcp.tool(structured_output=False)
    async def test_simple_text() -> str:
        """Answer a text."""
        return "This is a simple text response for testing."

    @mcp.tool(structured_output=False)
    async def test_image_content() -> ImageContent:
        """Answer an image."""
        return _image()

    @mcp.tool(structured_output=False)
    async def test_audio_content() -> AudioContent:
        """Answer a sound."""
        return AudioContent(data=WAV, mime_type="audio/wav")

    @mcp.tool(structured_output=False)
    async def test_embedded_resource() -> EmbeddedResource:
        """Answer a resource."""
        return _embedded("test://embedded-resource", "This is an embedded resource content.", "text/plain")

    @mcp.tool(structured_output=False)
    async def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
        """Answer contents of three kinds."""
        text = json.dumps({"test": "data", "value": 123})
        return [
            TextContent(text="Multiple content types test:"),
            _image(),
            _embedded("test://mixed-content-resource", text, "application/json"),
        ]

    @mcp.tool(structured_output=False)
    async def test_error_handling() -> str:
        """Fail, always."""
        raise ToolError("This tool intentionally returns an error for testing")


SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def _arguments(mcp: Any) -> None:
    @mcp.tool(structured_output=False)
    async def json_schema_2020_12_tool(name: str = "") -> str:
        """Greet whoever the schema lets through."""
        return f"Hello, {name}."

    mcp.set_schema("json_schema_2020_12_tool", SCHEMA)

    @mcp.tool(structured_output=False)
    async def test_x_mcp_header(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
        """Answer by region; clients tell it in a header, too."""
        return f"Region: {region}"


def _notifications(mcp: Any) -> None:
    @mcp.tool(structured_output=False)
    async def test_tool_with_logging(ctx: Context) -> str:
        """Log three messages."""
        await _log(ctx, "Tool execution started")
        await anyio.sleep(0.05)
        await _log(ctx, "Tool processing data")
        await anyio.sleep(0.05)
        await _log(ctx, "Tool execution completed")
        return "Logged three messages."

    @mcp.tool(structured_output=False)
    async def test_logging_tool(ctx: Context) -> str:
        """Log a message to clients that asked for it."""
        await _log(ctx, "Somebody listens")
        return "Logged."

    @mcp.tool(structured_output=False)
    async def test_tool_with_progress(ctx: Context) -> str:
        """Report progress in three steps."""
        for progress in (0, 50, 100):
            await ctx.report_progress(progress, 100)
            await anyio.sleep(0.05)
        return "Reported progress."


async def _log(ctx: Context, text: str) -> None:
    await ctx.session.send_log_message("info", text, related_request_id=ctx.request_id)


def _questions(mcp: Any) -> None:
    """Requests to clients of the handshake revisions, over their sessions."""

    @mcp.tool(structured_output=False)
    async def test_sampling(prompt: str, ctx: Context) -> str:
        """Ask the client's model."""
        message = SamplingMessage(role="user", content=TextContent(text=prompt))
        answer = await ctx.session.create_message([message], max_tokens=100, related_request_id=ctx.request_id)
        return f"LLM response: {answer.content.model_dump_json(by_alias=True, exclude_none=True)}"

    @mcp.tool(structured_output=False)
    async def test_elicitation(message: str, ctx: Context) -> str:
        """Ask the client's user."""
        properties = {
            "username": {"type": "string", "description": "User's response"},
            "email": {"type": "string", "description": "User's email address"},
        }
        return f"User response: {await _asked(ctx, message, properties, ['username', 'email'])}"

    @mcp.tool(structured_output=False)
    async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
        """Ask with defaults of every primitive type."""
        properties = {
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
            "verified": {"type": "boolean", "default": True},
        }
        return f"Elicitation completed: {await _asked(ctx, 'Please check', properties)}"

    @mcp.tool(structured_output=False)
    async def test_elicitation_sep1330_enums(ctx: Context) -> str:
        """Ask for choices of every form."""
        plain = ["option1", "option2", "option3"]
        titles = (("value1", "First"), ("value2", "Second"), ("value3", "Third"))
        properties = {
            "untitledSingle": {"type": "string", "enum": plain},
            "titledSingle": {
                "type": "string",
                "oneOf": [{"const": value, "title": f"{title} Option"} for value, title in titles],
            },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
            "titledMulti": {
                "type": "array",
                "items": {"anyOf": [{"const": value, "title": f"{title} Choice"} for value, title in titles]},
            },
        }
        return f"Elicitation completed: {await _asked(ctx, 'Please choose', properties)}"


async def _asked(ctx: Context, message: str, properties: dict[str, Any], required: list[str] | None = None) -> str:
    schema = {"type": "object", "properties": properties, "required": required or []}
    answer = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
    return f"action={answer.action}, content={json.dumps(answer.content)}"


def _resources(mcp: Any) -> None:
    @mcp.resource("test://static-text", mime_type="text/plain")
    async def static_text() -> str:
        """A text."""
        return "This is the content of the static text resource."

    @mcp.resource("test://static-binary", mime_type="image/png")
    async def static_binary() -> bytes:
        """An image."""
        return base64.b64decode(PNG)

    @mcp.resource("test://watched-resource", mime_type="text/plain")
    async def watched() -> str:
        """A text that one can subscribe to."""
        return "Nothing has changed."

    @mcp.resource("test://template/{id}/data", mime_type="application/json")
    async def template(id: str) -> str:  # noqa: A002 - the suite's own name
        """Data by id."""
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def _prompts(mcp: Any) -> None:
    @mcp.prompt()
    async def test_simple_prompt() -> str:
        """A prompt without arguments."""
        return "This is a simple prompt for testing."

    @mcp.prompt()
    async def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        """A prompt with two arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @mcp.prompt()
    async def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803
        """A prompt with a resource in it."""
        resource = _embedded(resourceUri, "Embedded resource content for testing.", "text/plain")
        return [UserMessage(resource), UserMessage("Please process the embedded resource above.")]

    @mcp.prompt()
    async def test_prompt_with_image() -> list[UserMessage]:
        """A prompt with an image in it."""
        return [UserMessage(_image()), UserMessage("Please analyze the image above.")]


def _utilities(mcp: Any) -> None:
    @mcp.completion()
    async def complete(
        ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, _: object
    ) -> Completion:
        values = [value for value in ("paris", "park", "party") if value.startswith(argument.value)]
        return Completion(values=values, total=len(values), has_more=False)

    # Methods of the handshake revisions that MCPServer does not implement.
    async def set_level(_: ServerRequestContext[Any, Any], __: SetLevelRequestParams) -> EmptyResult:
        return EmptyResult()

    async def subscribe(_: ServerRequestContext[Any, Any], __: SubscribeRequestParams) -> EmptyResult:
        return EmptyResult()

    async def unsubscribe(_: ServerRequestContext[Any, Any], __: UnsubscribeRequestParams) -> EmptyResult:
        return EmptyResult()

    lowlevel = mcp.lowlevel
    lowlevel.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)
    lowlevel.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
    lowlevel.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)


def _changes(mcp: Any) -> None:
    """Lists that change while a client listens (2026-07-28)."""

    @mcp.tool(structured_output=False)
    async def test_trigger_tool_change(ctx: Context) -> str:
        """Tell listeners that the tools have changed."""
        await ctx.notify_tools_changed()
        return "Told."

    @mcp.tool(structured_output=False)
    async def test_trigger_prompt_change(ctx: Context) -> str:
        """Tell listeners that the prompts have changed."""
        await ctx.notify_prompts_changed()
        return "Told."
