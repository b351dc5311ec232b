"""Text from other parties: what it may be in each place."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatehouse_client.foreign_text import (
    beside_completion,
    cleaned,
    completable,
    foreign,
    in_file_name,
    json_text,
    printable,
)
from tests.support.fuzzing import fuzz

HIDDEN = [chr(n) for n in range(sys.maxunicode + 1) if unicodedata.category(chr(n)) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
TEXTS = st.text(st.one_of(st.characters(), st.sampled_from(HIDDEN)))
JSON = st.recursive(TEXTS | st.none() | st.integers(), lambda each: st.lists(each) | st.dictionaries(TEXTS, each))


def test_no_control_or_format_character_passes_in_any_place() -> None:
    everything = "".join(HIDDEN)
    assert foreign(everything) == ""
    assert set(printable(everything)) == {"\t", "\n", "\N{REPLACEMENT CHARACTER}"}
    assert not set(json_text(everything)) & set(HIDDEN)
    assert beside_completion(everything) == ""
    assert in_file_name(everything) == ""


@fuzz(100)
@given(TEXTS)
def test_a_text_can_be_written_anywhere(text: str) -> None:
    for shown in (foreign(text), printable(text), json_text(text), beside_completion(text), in_file_name(text)):
        assert not set(shown) & (set(HIDDEN) - {"\t", "\n"})
        shown.encode()


@fuzz(100)
@given(JSON)
def test_json_loses_nothing(value: object) -> None:
    assert json.loads(json_text(value, 2)) == value


def test_ordinary_text_stays() -> None:
    text = "Büro 会議室 مكتب 👩 – “quoted” \U00020bb7"
    assert foreign(text) == printable(text) == json.loads(json_text(text)) == text
    assert text in json_text(text)


def test_control_characters_are_removed_in_every_part_of_a_value_for_a_model() -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "do evil")
    assert cleaned({f"a{hidden}": [f"b{hidden}", 1, None, {"c": f"\x9b{hidden}"}]}) == {
        "a": ["b", 1, None, {"c": "\ufffd"}]
    }


@pytest.mark.parametrize("name", ["get_time", "a", "a.b/c-d", "A" * 128])
def test_a_shell_completes_mcp_names(name: str) -> None:
    assert completable(name)


@pytest.mark.parametrize(
    "name",
    ["", "$(touch${IFS}x)", "a;b", "a b", "`a`", "a\nb", "a\n", "-rf", "--help", "a'b", "a|b", "~x", "ä", "A" * 129],
)
def test_a_shell_completes_no_other_name(name: str) -> None:
    assert not completable(name)


def test_a_description_beside_a_completion_has_nothing_that_a_shell_evaluates() -> None:
    assert beside_completion('It\'s \\$(touch x) `y` "z": 時刻, 1-2') == "It s touch x y z 時刻, 1-2"
