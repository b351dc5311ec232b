"""The models with the providers' real SDKs, against stand-ins for their HTTP APIs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.agent.fake_model_providers import KEY, Anthropic, Gemini, OpenAI, Provider, pieces, running_provider
from tests.client.fake_stack import FakeStack
from tests.client.run_command import Command
from tests.support.pty_session import CTRL_C, CTRL_D

QUESTION = "What time is it in Tokyo?"
ANSWER = "It is 12:00 in Asia/Tokyo."
SECONDS = 120


@pytest.fixture(params=[Gemini, OpenAI, Anthropic])
def provider(request: pytest.FixtureRequest) -> Iterator[Provider]:
    with running_provider(request.param()) as served:
        yield served


def ask(command: Command, provider: Provider, **variables: str) -> tuple[int, str, str]:
    """In a process of its own: the SDKs leave their connections to the end of the process."""
    assert command("login").exit_code == 0
    process = command.process("ask", QUESTION, **{**provider.variables(), **variables})
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


def test_a_question_goes_to_the_model_to_the_tool_and_back(command: Command, provider: Provider) -> None:
    code, out, err = ask(command, provider)
    assert (code, out) == (0, f"{ANSWER}\n"), err
    assert err == '· get_time(timezone="Asia/Tokyo")\n'
    assert provider.keys == [KEY, KEY]
    assert provider.streamed == [False, False]
    assert provider.declared() == ["get_time", "add", "fail", "count", "book"]


def test_in_a_chat_the_answer_comes_piece_by_piece_and_what_fails_is_a_sentence(
    command: Command, provider: Provider, stack: FakeStack
) -> None:
    assert command("login").exit_code == 0
    with command.on_terminal("chat", **provider.variables(), MODEL_TIMEOUT="4") as session:
        session.until("you>")
        session.type(QUESTION)
        assert '· get_time(timezone="Asia/Tokyo")\n' in session.until("".join(pieces("12:00 in Asia/Tokyo")) + "\n")
        assert provider.streamed == [True, True]

        session.until("you>")
        session.type("Say it again.")
        session.until(f"{ANSWER}\n")
        assert QUESTION in str(provider.asked[2]), "the model is told what was said before"
        calls = [entry["name"] for entry in stack.entries("mcp") if entry["name"]]
        assert calls == ["get_time"]

        refused = f"Incorrect API key provided: {KEY}"
        for status, message, said in (
            (401, refused, "the provider refuses the key (401: Incorrect API key provided: ***). Is "),
            (403, "reported as leaked", "the provider refuses the key (403: reported as leaked). Is "),
            (404, "no such model", "the provider does not know the model (404: no such model). Is MODEL right?"),
            (429, "quota exceeded", "quota or rate limit (429: quota exceeded). Try later"),
            (503, "overloaded\x1b[2J", "the provider cannot serve now (503: overloaded [2J). Try later."),
        ):
            provider.error = status, message
            session.until("you>")
            session.type("And now?")
            session.until(f"The model {provider.model} did not answer: {said}")

        provider.error = None
        session.until("you>")
        session.type("Are you back?")
        session.until(f"{ANSWER}\n")
        assert "And now?" not in str(provider.asked[-1]), "a question that failed leaves no trace"

        provider.silent = True
        session.until("you>")
        session.type("Are you there?")
        session.until(f"The model {provider.model} did not answer: there was no answer within 4 s (MODEL_TIMEOUT).")
        session.until("you>")
        session.type(CTRL_D)
        assert session.end() == 0
    assert KEY not in session.text
    assert "Traceback" not in session.text
    assert "\x1b[2J" not in session.raw


def test_a_provider_that_is_not_there_is_a_sentence(command: Command) -> None:
    provider = OpenAI()
    provider.url = "http://localhost:1"
    code, out, err = ask(command, provider)
    assert (code, out) == (1, "")
    assert err.startswith(f"The model {provider.model} did not answer: the provider cannot be reached (")
    assert len(err.splitlines()) == 1


def test_ctrl_c_while_the_model_thinks_ends_everything(command: Command, stack: FakeStack) -> None:
    with running_provider(OpenAI(silent=True)) as provider:
        assert command("login").exit_code == 0
        with command.on_terminal("ask", QUESTION, **provider.variables()) as session:
            session.until("Thinking")
            session.type(CTRL_C)
            assert session.end() == 130
    assert session.text.endswith("Interrupted.\n")
    assert "Traceback" not in session.text
    assert session.raw.count("\x1b[?25l") == session.raw.count("\x1b[?25h"), "the cursor is there again"


def test_a_server_without_keys_needs_none(command: Command) -> None:
    with running_provider(OpenAI()) as ollama:
        code, out, err = ask(command, ollama, OPENAI_API_KEY="", MODEL="openai:llama3.2")
    assert (code, out) == (0, f"{ANSWER}\n"), err
    assert ollama.asked[0]["model"] == "llama3.2"
