"""What the agent and a model say to each other. No model's package is needed for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from mcp_types import ImageContent

Function = dict[str, Any]
"""A tool as models know it: its `name`, its `description`, and the JSON schema of its `parameters`."""


@dataclass(frozen=True)
class Question:
    """What the person says."""

    text: str


@dataclass(frozen=True)
class ToolCall:
    """The model calls a tool.

    Attributes:
        id: names the call in its result.
    """

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What the model says: a text, calls of tools, or both.

    Attributes:
        original: the message in the form of the model's package, which can have more parts, such as signed thoughts.
    """

    text: str
    calls: Sequence[ToolCall] = ()
    original: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class ToolResult:
    """What the tool answered.

    Attributes:
        text: the whole result in words.
        images: the images of the result, for models that see.
    """

    call: ToolCall
    text: str
    failed: bool = False
    images: Sequence[ImageContent] = ()


Message = Question | Reply | ToolResult


class Model(Protocol):
    """A model that can call functions."""

    def reply(
        self, messages: Sequence[Message], functions: Sequence[Function], *, streaming: bool
    ) -> AsyncGenerator[str | Reply]:
        """Answer the last message.

        Args:
            messages: the whole conversation.
            streaming: whether the parts of the text come before the reply.

        Yields:
            The parts of the text, and last the whole reply.

        Raises:
            ModelError: the model fails.
        """
        ...
