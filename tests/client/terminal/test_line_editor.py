"""Reading messages on a terminal: keys, pasted lines, completion, and the history across runs."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.input.base import PipeInput
from prompt_toolkit.input.defaults import create_pipe_input
from prompt_toolkit.output import DummyOutput

from gatehouse_client.errors import ConfigurationError
from gatehouse_client.storage.encryption import NoEncryption
from gatehouse_client.terminal.line_editor import MAX_LENGTH, MAX_MESSAGES, History, InputInterrupted, LineEditor

ENTER = "\r"
ALT_ENTER = "\x1b\r"
UP = "\x1b[A"
TAB = "\t"
COMMANDS = {"/help": "help", "/tools": "tools"}


def pasted(text: str) -> str:
    """What a terminal sends for pasted text (bracketed paste)."""
    return f"\x1b[200~{text}\x1b[201~"


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    with create_pipe_input() as pipe:
        yield pipe


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def history(tmp_path: Path, said: list[str]) -> History:
    return History(tmp_path / "home" / "chat", said.append, NoEncryption())


def typed(keys: PipeInput, history: History, text: str) -> str | None:
    """The message that a person gets by typing these keys."""
    keys.send_text(text)
    return asyncio.run(LineEditor(history, COMMANDS, input_=keys, output=DummyOutput()).read("you>"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"What time is it?{ENTER}", "What time is it?"),
        (f"What tima\x7fe is it?{ENTER}", "What time is it?"),
        (f"time is it?\x01What {ENTER}", "What time is it?"),
        (f"first{ALT_ENTER}second{ENTER}", "first\nsecond"),
        (f"{pasted('first' + chr(13) + 'second' + chr(10) + 'third')}{ENTER}", "first\nsecond\nthird"),
        (f"{pasted('/tools' + chr(10))}{ENTER}", "/tools\n"),
        (f"東京は今何時？{ENTER}", "東京は今何時？"),
        (f"/h{TAB}{ENTER}", "/help"),
        (f"say /h{TAB}{ENTER}", "say /h"),
        (ENTER, ""),
        ("\x04", None),
    ],
)
def test_keys_make_a_message(keys: PipeInput, history: History, text: str, message: str | None) -> None:
    assert typed(keys, history, text) == message


def test_ctrl_c_drops_the_line_and_tells_what_it_was(keys: PipeInput, history: History) -> None:
    for text in ("half a quest", ""):
        with pytest.raises(InputInterrupted) as interrupted:
            typed(keys, history, f"{text}\x03")
        assert interrupted.value.text == text
    assert history.messages == []


def test_the_next_run_has_the_history(keys: PipeInput, history: History, tmp_path: Path, said: list[str]) -> None:
    typed(keys, history, f"first{ENTER}")
    typed(keys, history, f"{pasted('second' + chr(10) + 'line')}{ENTER}")
    typed(keys, history, f"{pasted('second' + chr(10) + 'line')}{ENTER}")
    again = History(tmp_path / "home" / "chat", said.append, NoEncryption())
    assert again.messages == ["first", "second\nline"]
    assert typed(keys, again, f"{UP}{UP}{UP}{ENTER}") == "first"
    assert said == []


def test_the_history_is_a_private_file(keys: PipeInput, history: History, tmp_path: Path) -> None:
    typed(keys, history, f"first{ENTER}")
    folder = tmp_path / "home" / "chat"
    (file,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_message_that_begins_with_a_space_is_not_kept(keys: PipeInput, history: History, tmp_path: Path) -> None:
    assert typed(keys, history, f" my key is s3cret{ENTER}") == " my key is s3cret"
    typed(keys, history, f"first{ENTER}")
    assert history.messages == ["first"]
    assert typed(keys, history, f"{UP}{UP}{ENTER}") == "first"
    assert "s3cret" not in "".join(path.read_text() for path in (tmp_path / "home" / "chat").iterdir())


def test_the_history_is_bounded(history: History, tmp_path: Path, said: list[str]) -> None:
    history.add("x" * (MAX_LENGTH + 1))
    history.messages = [str(number) for number in range(MAX_MESSAGES)]
    history.add("newest")
    assert (len(history.messages), history.messages[0], history.messages[-1]) == (MAX_MESSAGES, "1", "newest")
    assert History(tmp_path / "home" / "chat", said.append, NoEncryption()).messages == ["newest"]


def test_two_chats_at_once_keep_the_messages_of_both(tmp_path: Path, said: list[str]) -> None:
    one, other = (History(tmp_path / "home" / "chat", said.append, NoEncryption()) for _ in range(2))
    one.add("of one")
    other.add("of the other")
    assert History(tmp_path / "home" / "chat", said.append, NoEncryption()).messages == ["of one", "of the other"]


def test_a_history_that_is_damaged_is_set_aside(history: History, tmp_path: Path, said: list[str]) -> None:
    history.add("first")
    (tmp_path / "home" / "chat" / "history.json").write_text("{")
    assert History(tmp_path / "home" / "chat", said.append, NoEncryption()).messages == []
    assert said[0].startswith("The history of chat was damaged and is not used; it is kept as ")


@pytest.mark.parametrize("home", ["file", "/proc/nothing"])
def test_a_home_that_cannot_be_used_is_told_once(tmp_path: Path, said: list[str], home: str) -> None:
    (tmp_path / "file").touch()
    history = History(tmp_path / home / "chat", said.append, NoEncryption())
    history.add("first")
    history.add("second")
    assert history.messages == ["first", "second"]
    (message,) = said
    assert message.startswith("The history of chat ")
    assert "cannot be " in message


def test_a_history_whose_key_is_not_available_is_not_overwritten(tmp_path: Path, said: list[str]) -> None:
    file = tmp_path / "home" / "chat" / "history.json"
    file.parent.mkdir(parents=True)
    file.write_text("eyJhbGciOiJkaXIifQ..a.b.c")
    History(tmp_path / "home" / "chat", said.append, NoEncryption()).add("first")
    assert file.read_text() == "eyJhbGciOiJkaXIifQ..a.b.c"
    assert "cannot be decrypted (there is no keyring here)" in said[0]


def test_a_symbolic_link_in_place_of_the_folder_is_refused(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "home" / "chat").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="is a symbolic link"):
        History(tmp_path / "home" / "chat", said.append, NoEncryption())
