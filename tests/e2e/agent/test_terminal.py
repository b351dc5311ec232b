"""The agent on a terminal: what each command shows, and that no traceback, warning or token is shown."""

from __future__ import annotations

import os
import re
import shlex
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.pty_session import CTRL_C, CTRL_D, PtySession, on_terminal
from tests.support.stack import NO_BROWSER, SCRIPTED_BROWSER, Stack

UNEXPECTED = ("Traceback", "ExceptionGroup", "Warning", "Error", "eyJ")


@dataclass
class Person:
    """A person who types commands into one terminal."""

    stack: Stack
    home: Path
    browser: str = SCRIPTED_BROWSER

    def types(self, command: str, user: str = "alice@example.com") -> AbstractContextManager[PtySession]:
        variables = {
            **os.environ,
            **self.stack.variables,
            "GATEHOUSE_HOME": str(self.home),
            "BROWSER": self.browser,
            "ROBOT_USER": user,
            "TERM": "xterm",
            "COLUMNS": "250",
        }
        return on_terminal(
            [sys.executable, "-m", "gatehouse_client", *shlex.split(command)], env=variables, cwd=self.home
        )

    def output_of(self, command: str, exit_code: int = 0) -> str:
        """The text on the terminal after the command has ended."""
        with self.types(command) as session:
            assert session.end() == exit_code, session.text
        return clean_text(session)


def clean_text(session: PtySession) -> str:
    """The text shown. Asserts that the cursor is visible again and that no traceback, warning or token is shown."""
    assert session.raw.rfind("\x1b[?25l") <= session.raw.rfind("\x1b[?25h")
    assert not [text for text in UNEXPECTED if text in session.text], session.text
    return session.text


@pytest.fixture
def person(stack: Stack, home: Path) -> Person:
    stack.control("POST", "reset")  # the tenant remembers consent
    return Person(stack, home)


def test_every_command_shows_its_result_on_a_terminal(person: Person) -> None:
    assert "Nobody is signed in" in person.output_of("whoami", 3)
    signed_in = person.output_of("login")
    assert "Sign in with your browser" in signed_in
    assert f"Signed in to {person.stack.mcp_url} as " in signed_in
    person.browser = NO_BROWSER

    assert re.search(r"^convert_time +access:mcp time:convert +time=string", person.output_of("tools"), re.M)
    assert re.search(r"^Permissions +access:mcp\s*$", person.output_of("whoami"), re.M)
    answer = person.output_of("ask What time is it in Tokyo?")
    assert re.search(r"It is \d\d:\d\d:\d\d on \w+, \d+ \w+ \d{4} in Asia/Tokyo\.", answer)
    assert "Counted down 2 steps." in person.output_of("call count_down steps=2 seconds=0.1")
    assert "it must be of type integer" in person.output_of("call count_down steps=x", 2)

    with person.types("token") as session:
        assert session.end() == 0
    assert '"scope": "access:mcp offline_access"' in session.text
    assert "Signed out of" in person.output_of("logout")


def test_a_chat_with_an_elicitation_and_a_step_up(person: Person) -> None:
    with person.types("chat") as session:
        session.until("you>")
        session.type("book_room 'Blue' at 9")
        session.until("asks: Book the room 'Blue' from 9:00 to 10:00?")
        session.until("confirmed - Book it? (yes or no): ")
        session.type("perhaps")
        session.until("'perhaps' is not valid: it must be yes or no.")
        session.until("(yes or no): ")
        session.type("yes")
        session.until("Booked Blue from 9:00 to 10:00")
        session.until("you>")
        session.type("convert_time '2026-07-28T09:30' from Asia/Tokyo to UTC")
        session.until("Sign in with your browser")
        session.until("Then it is 00:30:00 on Tuesday, 28 July 2026 in UTC.")
        session.until("you>")
        session.type(CTRL_D)
        assert session.end() == 0
    clean_text(session)


def test_ctrl_c_during_a_tool_call_leaves_a_clean_terminal(person: Person) -> None:
    person.output_of("login")
    with person.types("call count_down steps=60 seconds=1") as session:
        session.until("59 to go")
        session.type(CTRL_C)
        assert session.end() == 130
    assert clean_text(session).endswith("Interrupted.\n")


def test_every_command_names_the_missing_permission(person: Person) -> None:
    for command in ("login", "tools", "call get_time", "ask What time is it?", "chat"):
        with person.types(command, user="bob@example.com") as session:
            assert session.end() == 4
        assert "The permission access:mcp is missing" in clean_text(session)
