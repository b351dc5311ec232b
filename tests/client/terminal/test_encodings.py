"""Standard streams that are not UTF-8: a character without a code is replaced, and is no error."""

from __future__ import annotations

import io
import sys

import pytest

from gatehouse_client.terminal.encodings import is_encodable, replace_unknown_characters


def streams(monkeypatch: pytest.MonkeyPatch, encoding: str, typed: bytes = b"") -> tuple[io.BytesIO, io.BytesIO]:
    """Let the standard streams have the encoding. Returns what is written to output and error output."""
    out, err = io.BytesIO(), io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding, write_through=True))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(err, encoding=encoding, write_through=True))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed), encoding=encoding))
    return out, err


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", b'v x - ... -> <- \'"" ? ? caf?'),
        ("cp1252", b"v x \xb7 \x85 -> <- \x92\x93\x94 ? ? caf\xe9"),
        ("utf-8", "✓ ✗ · … → ← ’“” ア \N{SNOWMAN} café".encode()),
    ],
)
def test_the_programs_own_signs_have_an_ascii_form_and_others_a_question_mark(
    monkeypatch: pytest.MonkeyPatch, encoding: str, expected: bytes
) -> None:
    written = streams(monkeypatch, encoding)
    replace_unknown_characters()
    for stream in (sys.stdout, sys.stderr):
        stream.write("✓ ✗ · … → ← ’“” ア \N{SNOWMAN} café")
    assert [each.getvalue() for each in written] == [expected, expected]


def test_typed_bytes_without_a_character_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    streams(monkeypatch, "utf-8", b"caf\xe9\n")
    replace_unknown_characters()
    assert sys.stdin.readline() == "caf\N{REPLACEMENT CHARACTER}\n"


@pytest.mark.parametrize("stream", [None, io.StringIO()], ids=["no stream", "a stream of a test"])
def test_other_streams_are_left_alone(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, stream)
    replace_unknown_characters()
    assert sys.stdout is stream
    assert is_encodable("ア"), "nothing says that it is not"


@pytest.mark.parametrize(("encoding", "encodable"), [("ascii", False), ("cp932", True), ("utf-8", True)])
def test_a_text_is_encodable_if_the_output_has_a_code_for_each_character(
    monkeypatch: pytest.MonkeyPatch, encoding: str, encodable: bool
) -> None:
    streams(monkeypatch, encoding)
    assert is_encodable("ア") is encodable
