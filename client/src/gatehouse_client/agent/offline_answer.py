"""The sentences of the offline model: a tool's result, told in the language of the question."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ..mcp.session import failure
from .offline_reading import WORDS, Reading, is_japanese, is_zone_name, read_name

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_WEEKDAYS: Final = "月火水木金土日"


def sentence(question: Reading, text: str, /, **values: str) -> str:
    """A sentence of the model, in the language of the question."""
    return str(_texts(question)[text]).format(**values)


def tell(question: Reading, tool: str, text: str, *, failed: bool, of_given_time: bool) -> str:
    """What the tool answered. A text that is no JSON is repeated.

    Args:
        of_given_time: whether the question gave a time of day, so that the answer is not the time now.
    """
    if failed:
        return sentence(question, "failed", tool=tool, text=failure(tool, text))
    try:
        result = json.loads(text)
    except ValueError:
        return text or sentence(question, "empty", tool=tool)
    if isinstance(result, dict) and set(result) == {"result"}:
        result = result["result"]
    if not isinstance(result, dict) or not result:
        return sentence(question, "result", tool=tool, value=_shown(question, result))
    return _time(question, result, "then" if of_given_time else "now") or _fields(question, result)


def _time(question: Reading, result: Mapping[str, Any], name: str) -> str | None:
    """The sentence of a result that is a time, if need be with its zone and its weekday; None for any other result."""
    times = [value for value in result.values() if isinstance(value, str) and _MOMENT.match(value)]
    zones = [str(value) for key, value in result.items() if is_zone_name(key)]
    weekdays = [key for key in result if read_name(key) == {"date"}]
    if len(times) != 1 or len(zones) > 1 or len(times) + len(zones) + len(weekdays) != len(result):
        return None
    where = sentence(question, "where", zone=_zone(question, zones[0])) if zones else ""
    return _moment(question, times[0], name, where=where)


def _moment(question: Reading, text: str, name: str, **values: str) -> str | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    japanese = is_japanese(question.text)
    return sentence(
        question,
        name,
        clock=moment.strftime("%H:%M:%S"),
        day=str(moment.day),
        month=str(moment.month),
        month_name=moment.strftime("%B"),
        year=str(moment.year),
        weekday=f"{_WEEKDAYS[moment.weekday()]}曜日" if japanese else moment.strftime("%A"),
        offset=f" {moment.tzname()}" if moment.tzinfo else "",
        **values,
    )


def _fields(question: Reading, result: Mapping[str, Any]) -> str:
    """The fields that the question names, else all fields."""
    asked = [key for key in result if read_name(key) & question.meanings()]
    fields = []
    for key in asked or result:
        value = result[key]
        text = "field_of_list" if isinstance(value, list) else "field_at" if key.endswith(("_at", "_by")) else "field"
        fields.append(sentence(question, text, name=_label(question, key), value=_shown(question, value)))
    told = sentence(question, "fields", fields=str(_texts(question)["between"]).join(fields))
    return told[0].upper() + told[1:]


def _shown(question: Reading, value: object) -> str:
    texts = _texts(question)
    if value in (None, "", [], {}):
        return str(texts["nothing"])
    match value:
        case bool():
            return str(texts[str(value).lower()])
        case str():
            return (_MOMENT.match(value) and _moment(question, value, "moment")) or value
        case list():
            between = "; " if isinstance(value[0], dict) else str(texts["between"])
            return between.join(_shown(question, item) for item in value)
        case dict():
            return " ".join(_shown(question, item) for item in value.values())
    return json.dumps(value)


def _label(question: Reading, key: str) -> str:
    """The name of a field; in a Japanese answer the first Japanese word with its meaning."""
    if is_japanese(question.text):
        for meaning in read_name(key):
            for word in WORDS["meanings"].get(meaning, ()):
                if is_japanese(word):
                    return str(word)
    return key.replace("_", " ")


def _zone(question: Reading, zone: str) -> str:
    names = WORDS["places"].get(zone, ()) if is_japanese(question.text) else ()
    return next((str(name) for name in names if is_japanese(name)), zone)


def _texts(question: Reading) -> dict[str, Any]:
    texts: dict[str, Any] = WORDS["texts"]["ja" if is_japanese(question.text) else "en"]
    return texts
