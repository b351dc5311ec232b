"""A chat model of LangChain: a model that is silent, whatever its package does about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from gatehouse_client.agent.model import Question
from gatehouse_client.errors import ModelError
from gatehouse_client.settings import Settings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.outputs import ChatGenerationChunk, ChatResult

pytestmark = pytest.mark.anyio


def silent_model(words: list[str]) -> BaseChatModel:
    """Says the words and then nothing more, as a package that repeats its request again and again."""
    # Here, because the import takes long, and each process of the tests reads this module.
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessageChunk
    from langchain_core.outputs import ChatGenerationChunk

    class Silent(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "silent"

        def _generate(self, *_arguments: Any, **_options: Any) -> ChatResult:
            raise NotImplementedError

        async def _agenerate(self, *_arguments: Any, **_options: Any) -> ChatResult:
            await asyncio.Event().wait()
            raise NotImplementedError

        async def _astream(self, *_arguments: Any, **_options: Any) -> AsyncIterator[ChatGenerationChunk]:
            for word in words:
                yield ChatGenerationChunk(message=AIMessageChunk(word))
            await asyncio.Event().wait()

    return Silent()


@pytest.mark.parametrize(("words", "streaming"), [([], False), ([], True), (["It", " is"], True)])
async def test_a_model_that_is_silent_for_too_long_is_an_error(words: list[str], *, streaming: bool) -> None:
    from gatehouse_client.agent.langchain_model import LangChainModel

    settings = Settings(auth0_client_id="id", model="silent:1", model_timeout=0.2)
    reply = LangChainModel(silent_model(words), settings).reply([Question("Hello")], [], streaming=streaming)
    assert [await anext(reply) for _ in words] == words
    with pytest.raises(ModelError) as raised:
        await anext(reply)
    assert str(raised.value) == "The model silent:1 did not answer: there was no answer within 0.2 s (MODEL_TIMEOUT)."
