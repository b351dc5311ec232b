"""Every command on several kinds of terminal: colours, encodings, and nothing unexpected."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.agent.terminal_sessions import LOOKS, Look, record
from tests.support.stack import Stack

COLOUR = re.compile(r"\x1b\[[0-9;]*\b(3[0-8]|4[0-8]|9[0-7])[0-9;]*m")


@pytest.mark.parametrize("look", [look for look in LOOKS if "200" not in look.name], ids=lambda look: look.name)
def test_every_command_is_readable_on_every_terminal(stack: Stack, home: Path, look: Look) -> None:
    shown = {each.command: each for each in record(stack, home, look)}
    for each in shown.values():
        assert each.code == (2 if "no_such_tool" in each.command else 0), each.text
        assert "Traceback" not in each.text
        assert "\ufffd" not in each.text
    for command in ("ask 東京は今何時？", "chat"):
        assert re.search(r"東京は2\d{3}年\d+月\d+日.曜日の[\d:]+です。", shown[command].text)
    assert re.search(r"\d\d ok, 0 wrong, 3 not checked\.", shown["doctor"].text)
    lines = [line for line in shown["doctor"].text.splitlines() if line.startswith("  ")]
    assert [line for line in lines if len(line) > look.columns and len(line.split()) > 3] == [], "more than a long word"
    assert "alice@example.com" in shown["whoami"].text or "Alice Adams" in shown["whoami"].text
    for name in ("convert_time", "access:mcp time:convert", "time=string from_timezone=string to_timezone=string"):
        assert name in shown["tools"].text
    if "NO_COLOR" in look.variables:
        assert not [each.command for each in shown.values() if COLOUR.search(each.raw)]
    if look.variables.get("TERM") == "dumb":
        assert [each.command for each in shown.values() if "\x1b" in each.raw] in ([], ["chat"])
