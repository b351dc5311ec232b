"""Messages name the commands that the person can type."""

from __future__ import annotations

import pytest

from gatehouse_client.terminal.invocation import MADE, as_typed

MESSAGES = {
    "Nobody is signed in: run `gatehouse login`.": "Nobody is signed in: run `make client DO=login`.",
    "run `gatehouse login --force`.": 'run `make client DO="login --force"`.',
    "run `gatehouse login`, then `gatehouse doctor` again": "run `make client DO=login`, then `make doctor` again",
    "(More: gatehouse doctor --explain role)": '(More: make doctor DO="--explain role")',
    "gatehouse 0.1.0": "gatehouse 0.1.0",
    "The package gatehouse is signed in.": "The package gatehouse is signed in.",
}


@pytest.mark.parametrize(("message", "typed"), MESSAGES.items())
def test_under_make_a_message_names_the_command_of_make(
    monkeypatch: pytest.MonkeyPatch, message: str, typed: str
) -> None:
    monkeypatch.setenv(MADE, "1")
    assert as_typed(message) == typed


@pytest.mark.parametrize("message", MESSAGES)
def test_without_make_a_message_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, message: str) -> None:
    monkeypatch.delenv(MADE, raising=False)
    assert as_typed(message) == message
