"""`chat` on a terminal: interrupting and continuing, commands, several lines, history; and through a pipe."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from tests.client.agent.fake_model_providers import Anthropic, Gemini, OpenAI, Provider, running_provider
from tests.client.fake_stack import FakeStack
from tests.client.run_command import Command
from tests.support.pty_session import CTRL_C, CTRL_D, PtySession

PROMPT = "you>"
SECONDS = 60


def ask(session: PtySession, question: str) -> None:
    session.until(PROMPT)
    session.type(question)


def leave(session: PtySession) -> None:
    ask(session, CTRL_D)
    assert session.end() == 0
    assert "Traceback" not in session.text


def test_ctrl_c_ends_only_the_answer_and_at_the_prompt_a_hint_tells_how_to_leave(command: Command) -> None:
    assert command("login").exit_code == 0
    with running_provider(OpenAI(silent=True)) as provider, command.on_terminal("chat", **provider.variables()) as chat:
        ask(chat, "What time is it in Tokyo?")
        chat.until("Thinking")
        chat.type(CTRL_C)
        chat.until("Interrupted: /continue goes on with the answer.\n")
        provider.silent = False
        ask(chat, CTRL_C)
        chat.until("Ctrl-D or /exit ends the conversation.\n")
        ask(chat, "What time is it in Tokyo?")
        chat.until("It is 12:00 in Asia/Tokyo.\n")
        leave(chat)
    assert chat.raw.count("\x1b[?25l") <= chat.raw.count("\x1b[?25h"), "the cursor is there again"
    assert str(provider.asked[-1]).count("What time is it in Tokyo?") == 1, "a question without an answer is dropped"


@pytest.mark.parametrize("kind", [Gemini, OpenAI, Anthropic])
def test_an_interrupted_answer_goes_on_and_the_model_reads_what_it_said(command: Command, kind: type[Provider]) -> None:
    assert command("login").exit_code == 0
    with running_provider(kind()) as provider, command.on_terminal("chat", **provider.variables()) as chat:
        provider.stalls = True
        ask(chat, "What time is it in Tokyo?")
        chat.until("It is ")
        chat.type(CTRL_C)
        chat.until("Interrupted: /continue goes on with the answer.\n")
        provider.stalls = False
        ask(chat, "/continue")
        chat.until("It is 12:00 in Asia/Tokyo.\n")
        sent = json.dumps(provider.asked[-1])
        parts = ["What time is it in Tokyo?", "12:00 in Asia/Tokyo", "It is ", "I interrupted your last answer."]
        assert sorted(parts, key=sent.index) == parts
        ask(chat, "/continue")
        chat.until("No answer was interrupted.\n")
        leave(chat)


def test_a_tool_that_is_interrupted_is_told_to_the_model(command: Command, stack: FakeStack) -> None:
    assert command("login").exit_code == 0
    with running_provider(OpenAI()) as provider, command.on_terminal("chat", **provider.variables()) as chat:
        stack.calls_held = threading.Event()
        ask(chat, "What time is it in Tokyo?")
        chat.until("· get_time(")
        assert stack.call_arrived.wait(SECONDS)
        chat.type(CTRL_C)
        chat.until("Interrupted: /continue goes on with the answer.\n")
        stack.calls_held.set()
        ask(chat, "/continue")
        chat.until("It is The person interrupted the call. It is not known whether the tool did its work..\n")
        leave(chat)
    assert [entry["name"] for entry in stack.entries("mcp") if entry["name"]] == ["get_time"]


def test_commands_of_the_conversation(command: Command, stack: FakeStack) -> None:
    assert command("login").exit_code == 0
    with command.on_terminal("chat", BROWSER="true") as chat:
        ask(chat, "/help")
        assert "/tools     list the server's tools\n" in chat.until("is a question even if a / follows.\n")
        ask(chat, "/tools")
        assert "get_time" in chat.until("book")
        ask(chat, "/nonsense")
        chat.until("There is no command /nonsense. The commands are /help, /tools, ")
        ask(chat, "/tool\t")
        chat.until("get_time")
        ask(chat, " /nonsense")
        chat.until("No tool fits the question.")
        ask(chat, "add 1 and 2")
        chat.until("The result of add is 3.\n")
        ask(chat, "/exit")
        assert chat.end() == 0
    assert "Traceback" not in chat.text


def test_login_and_logout_in_a_conversation(command: Command, stack: FakeStack) -> None:
    assert command("login").exit_code == 0
    with command.on_terminal("chat", BROWSER="true") as chat:
        ask(chat, "/login")
        assert command.browse(sign_in_address(chat, stack))
        chat.until(f"Signed in to {stack.server} as alice@example.com")
        newest = [*stack.tokens][-1]
        stack.tokens = {newest: stack.tokens[newest]}
        ask(chat, "add 1 and 2")
        chat.until("The result of add is 3.\n")
        ask(chat, "/logout")
        chat.until(f"Signed out of {stack.server}.\n")
        assert chat.end() == 0
    assert len(stack.entries("authorize")) == 2
    assert command("whoami").exit_code == 3


def test_a_sign_in_that_ends_in_a_conversation_is_made_again(command: Command, stack: FakeStack) -> None:
    assert command("login").exit_code == 0
    with command.on_terminal("chat", BROWSER="true") as chat:
        ask(chat, "add 1 and 2")
        chat.until("The result of add is 3.\n")
        stack.forget_access_tokens()
        stack.refresh_tokens.clear()
        ask(chat, "add 2 and 3")
        assert command.browse(sign_in_address(chat, stack))
        chat.until("The result of add is 5.\n")
        leave(chat)


def test_ctrl_c_in_a_sign_in_ends_only_the_question(command: Command, stack: FakeStack) -> None:
    assert command("login").exit_code == 0
    with command.on_terminal("chat", BROWSER="true") as chat:
        chat.until(PROMPT)
        stack.forget_access_tokens()
        stack.refresh_tokens.clear()
        chat.type("add 2 and 3")
        sign_in_address(chat, stack)
        chat.type(CTRL_C)
        chat.until("Interrupted: /continue goes on with the answer.\n")
        ask(chat, "/continue")
        assert command.browse(sign_in_address(chat, stack))
        chat.until("The result of add is 5.\n")
        leave(chat)


def sign_in_address(chat: PtySession, stack: FakeStack) -> str:
    return next(line for line in chat.until("S256").splitlines() if line.startswith(stack.issuer))


def test_pasted_lines_are_one_message_and_the_next_run_has_the_history(command: Command, tmp_path: Path) -> None:
    assert command("login").exit_code == 0
    with running_provider(OpenAI()) as provider:
        with command.on_terminal("chat", **provider.variables()) as chat:
            ask(chat, "\x1b[200~What time\nis it?\x1b[201~")
            chat.until("It is 12:00 in Asia/Tokyo.\n")
            ask(chat, " the key is s3cret")
            chat.until("It is 12:00 in Asia/Tokyo.\n")
            leave(chat)
        with command.on_terminal("chat", **provider.variables()) as chat:
            ask(chat, "\x1b[A")
            chat.until("It is 12:00 in Asia/Tokyo.\n")
            leave(chat)
        questions = [
            body["messages"][-1]["content"] for body in provider.asked if body["messages"][-1]["role"] == "user"
        ]
    assert questions == ["What time\nis it?", "the key is s3cret", "What time\nis it?"]
    (file,) = (tmp_path / "home" / "chat").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert "s3cret" not in file.read_text()


def test_in_a_pipe_a_tool_that_failed_is_in_the_exit_code(command: Command) -> None:
    failed = command("chat", stdin="please fail\nadd 1 and 2\n")
    assert (failed.exit_code, failed.stdout.splitlines()[-1]) == (1, "The result of add is 3.")
    assert command("chat", stdin="add 1 and 2\n/nonsense\n").exit_code == 0
    assert command("chat", stdin="").exit_code == 0
