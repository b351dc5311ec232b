"""Strict JSON: valid text is parsed, and text that parsers could read differently is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatehouse_server.auth.strict_json import Ambiguous, parse
from tests.support.fuzzing import fuzz

REFUSED = {
    "a name twice": b'{"a": 1, "a": 1}',
    "a name twice, once in escapes": rb'{"name": "a", "n\u0061me": "b"}',
    "a name twice, deep inside": b'{"params": [{"x": {"a": 1, "b": 2, "a": 3}}]}',
    "NaN": b'{"a": NaN}',
    "Infinity": b"Infinity",
    "minus Infinity": b"[-Infinity]",
    "a number that is infinite as a float": b'{"id": 1e999}',
    "the same, negative, in a list": b"[[0], -1E+400]",
    "the same, with many digits": b"1" * 301 + b"e9",
    "the same, without an exponent": b"1" * 400 + b".0",
    "half a surrogate pair, in escapes": rb'{"name": "\ud800"}',
    "half a surrogate pair, in bytes": b'"\xed\xa0\x80"',
    "not UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without a mark": '{"a": 1}'.encode("utf-16-le"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "two values": b"{}{}",
    "a comma too many": b'{"a": 1,}',
    "a comment": b"/**/ 1",
    "single quotes": b"{'a': 1}",
    "a control character": b'"\x00"',
    "a number of 5000 digits": b"1" * 5000,
    "300 levels": b"[" * 300 + b"]" * 300,
    "endless levels": b"[" * 1_000_000,
    "a leading zero": b"01",
    "nothing": b"",
    "blanks": b"  ",
}

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Half of a surrogate pair is not a character.
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED.keys())
def test_json_that_parsers_read_differently_is_refused(raw: bytes) -> None:
    with pytest.raises(Ambiguous):
        parse(raw)


@pytest.mark.parametrize("raw", [b"1e308", b"-1.5E+300", b'"1e999"', b"1e-999", b"0e999", b"[" + b"1" * 400 + b"]"])
def test_a_number_that_only_looks_too_large_is_read(raw: bytes) -> None:
    assert parse(raw) == json.loads(raw)


def test_the_refusal_names_the_duplicate_and_its_position() -> None:
    with pytest.raises(Ambiguous, match=r'duplicate key "method" at line 1 column 26'):
        parse(b'{"method": "a", "method": "b"}')


def test_a_long_name_is_shortened_in_the_refusal() -> None:
    name = json.dumps("x" * 100_000)
    with pytest.raises(Ambiguous) as refusal:
        parse(f"{{{name}: 1, {name}: 2}}".encode())
    assert len(str(refusal.value)) < 200


@fuzz(100)
@given(VALUES, st.booleans())
def test_valid_json_is_read_like_by_the_standard_library(value: Any, in_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=in_ascii)
    read = parse(text.encode())
    assert read == value
    assert json.dumps(read) == json.dumps(value)
