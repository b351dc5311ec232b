"""The arguments of a function, taken from a question by the function's schema."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final, cast

from ..mcp.schema import types_of
from .offline_reading import Reading, Token, is_zone_name, read_name

_PLACE: Final = re.compile(r"(^|_)(city|place|location|country|town)($|_)", re.IGNORECASE)
_SOURCE: Final = re.compile(r"(^|_)(from|source|src|origin)($|_)", re.IGNORECASE)
_ISO: Final = re.compile(r"iso.?8601|date-time|\d{4}-\d\d-\d\dt", re.IGNORECASE)
# What is between a time and the place where it is that time: "3 pm in Paris", "パリの午後3時".
_TIME_THEN_PLACE: Final = re.compile(r"\s*(?:(?:in|from|at)\s+|の)?", re.IGNORECASE)
_PLACE_THEN_TIME: Final = re.compile(r"\s*(?:time|時間)?\s*(?:(?:at|is|it's)\s+|[のがでは,、])*\s*", re.IGNORECASE)
_DAYS: Final = {"yesterday": -1, "today": 0, "tomorrow": 1}
# A name beside the word of its parameter: "room Blue", "the Blue room", "A会議室".
_NAME_AFTER: Final = re.compile(r"[\s:=]*(?:(?:named|called)\s+)?([A-Z][A-Za-z0-9-]*|\d+[A-Za-z]?)(?![A-Za-z0-9:])")
_NAME_BEFORE: Final = re.compile(r"(?<!\w)([A-Z][A-Za-z0-9-]*)(?:\s+|の)?$")
_LONGEST_NAME: Final = 60
_NAMES: Final = frozenset({"word", "number", "place"})


@dataclass
class Filled:
    """The arguments.

    Args:
        calls: the arguments of each call: one for each place if the function takes one place.
        missing: the required parameters that the question does not fill.
        used: the tokens that became arguments.
    """

    calls: list[dict[str, Any]]
    missing: list[str]
    used: list[Token] = field(default_factory=list)


def properties(function: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The schemas of the function's parameters, without those that are no object."""
    found = (function.get("parameters") or {}).get("properties")
    named = found.items() if isinstance(found, dict) else ()
    return {name: schema for name, schema in named if isinstance(schema, dict)}


def fill(question: Reading, function: dict[str, Any], base: dict[str, Any], known: set[str]) -> Filled:
    """The arguments that the question contains.

    Args:
        base: arguments that hold if the question has no others.
        known: the meanings that the function has words for; such a word is no name.
    """
    return _Filling(question, function, base, known).filled()


class _Filling:
    """The arguments so far, and the parameters that the question has not filled yet."""

    def __init__(self, question: Reading, function: dict[str, Any], base: dict[str, Any], known: set[str]) -> None:
        self._question = question
        self._base = base
        self._known = known
        required = (function.get("parameters") or {}).get("required")
        self._required = required if isinstance(required, list) else []
        self._order = list(properties(function))
        self._free = properties(function)
        self._arguments: dict[str, Any] = {}
        self._fan: tuple[str, list[Any]] | None = None
        self._used: list[Token] = []

    def filled(self) -> Filled:
        self._take_choices()
        self._take_zones()
        self._take_moments()
        self._take_numbers()
        self._take_texts()
        arguments = self._base | self._arguments
        name, values = self._fan or ("", [])
        calls = [arguments | {name: value} for value in values] or [arguments]
        calls = [{name: call[name] for name in self._order if name in call} for call in calls]
        return Filled(calls, [name for name in self._required if name not in calls[0]], self._used)

    def _put(self, name: str, value: object, *tokens: Token) -> None:
        del self._free[name]
        self._arguments[name] = value
        self._used += tokens

    def _put_each(self, name: str, places: Sequence[Token], values: list[Any]) -> None:
        """A value for each call. A function can have one such parameter."""
        del self._free[name]
        self._fan = (name, list(dict.fromkeys(values)))
        self._used += places

    def _left(self, *kinds: str) -> list[Token]:
        return [token for token in self._question.tokens if token.kind in kinds and token not in self._used]

    def _take_choices(self) -> None:
        for name, schema in list(self._free.items()):
            choices = schema.get("enum")
            for choice in choices if isinstance(choices, list) else ():
                pattern = rf"(?<!\w){re.escape(str(choice))}(?!\w)"
                if isinstance(choice, str) and (match := re.search(pattern, self._question.text, re.IGNORECASE)):
                    self._put(name, choice, *(self._within(*match.span()) or ()))
                    break

    def _take_zones(self) -> None:
        texts = [name for name, schema in self._free.items() if "string" in types_of(schema)]
        zones = [name for name in texts if is_zone_name(name)]
        cities = [name for name in texts if _PLACE.search(name) and name not in zones]
        places = self._left("place")
        if not places:
            return
        if len(zones) == 1:
            self._put_each(zones[0], places, [place.value for place in places])
        elif zones:
            self._take_two_zones(zones, places)
        elif cities:
            self._put_each(cities[0], places, [place.text for place in places])

    def _take_two_zones(self, zones: list[str], places: list[Token]) -> None:
        """The place whose time the question gives is the source; each other place is a target."""
        sources = [name for name in zones if _SOURCE.search(name)]
        source = self._source(places) if sources else None
        target = next((name for name in zones if name not in sources), zones[-1])
        if source is not None:
            self._put(sources[0], source.value, source)
            if rest := self._left("place"):
                self._put_each(target, rest, [place.value for place in rest])
        elif sources and len(places) == 1 and (self._base or self._follows(places[0], "to")):
            self._put_each(target, places, [places[0].value])
        elif not sources and len(places) == len(zones):
            for name, place in zip(zones, places, strict=True):
                self._put(name, place.value, place)

    def _source(self, places: Sequence[Token]) -> Token | None:
        """The place where it is the time that the question gives; None if that is not clear."""
        text = self._question.text
        starts = [place for place in places if self._follows(place, "from") or text[place.end :].startswith("から")]
        if starts:
            return starts[0] if len(starts) == 1 else None
        moments = [token for token in self._left("moment") if token.value.clock]
        if len(moments) != 1:
            return None
        (moment,) = moments
        after = [place for place in places if _is(_TIME_THEN_PLACE, text[moment.end : place.start], moment, place)]
        before = [place for place in places if _is(_PLACE_THEN_TIME, text[place.end : moment.start], place, moment)]
        if after and before and "の" in text[moment.end : after[0].start]:
            return before[0] if "の" in text[before[0].end : moment.start] else None
        return next(iter([*after, *before]), None)

    def _follows(self, place: Token, word: str) -> bool:
        return re.search(rf"\b{word}\s+$", self._question.text[: place.start], re.IGNORECASE) is not None

    def _take_moments(self) -> None:
        clocks = [token for token in self._left("moment") if token.value.clock]
        days = [token for token in self._left("moment") if not token.value.clock]
        days += [token for token in self._left("word") if token.value in _DAYS]
        if len(days) > 1:
            return
        for name, schema in list(self._free.items()):
            if _is_date(name, schema) and days:
                self._put(name, self._day(days).isoformat(), *days)
            elif clocks and _is_time(name, schema):
                value = _time(schema, clocks[0].value.clock, self._day([clocks[0], *days]))
                if value is not None:
                    dated = "T" in str(value) or all(token.value == "today" for token in days)
                    self._put(name, value, clocks.pop(0), *(days if dated else ()))

    def _day(self, tokens: Sequence[Token]) -> date:
        """The day that the question names, else today in the place whose time the question gives."""
        for token in tokens:
            if token.kind == "moment" and token.value.day:
                return cast("date", token.value.day)
        zone = next((value for name, value in self._arguments.items() if is_zone_name(name)), None)
        try:
            now = datetime.now(zoneinfo.ZoneInfo(zone)) if zone else datetime.now().astimezone()
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            now = datetime.now().astimezone()
        return now.date() + timedelta(days=sum(_DAYS[token.value] for token in tokens if token.kind == "word"))

    def _take_numbers(self) -> None:
        numbers = self._left("number")
        for name, schema in list(self._free.items()):
            if types_of(schema) & {"integer", "number"}:
                beside = next((number for number in numbers if self._is_beside(number, read_name(name))), None)
                if beside and (value := _number(schema, beside.value)) is not None:
                    self._put(name, value, beside)
        numbers = self._left("number")
        names = [name for name, schema in self._free.items() if types_of(schema) & {"integer", "number"}]
        if self._base and len(numbers) != len([name for name in names if name in self._base]):
            return
        for name, number in zip(names, numbers, strict=False):
            if (value := _number(self._free[name], number.value)) is not None:
                self._put(name, value, number)

    def _is_beside(self, number: Token, name: set[str]) -> bool:
        """Whether the number has the parameter's name beside it: "5 steps", "steps=5"."""
        text = self._question.text
        return any(
            (token.start >= number.end and not text[number.end : token.start].strip())
            or (token.end <= number.start and not text[token.end : number.start].strip(" :=はを"))
            for token in self._question.tokens
            if token.kind == "word" and token.value in name
        )

    def _take_texts(self) -> None:
        quotes = self._left("quote")
        for name, schema in list(self._free.items()):
            if types_of(schema) & {"string"} and "enum" not in schema and not is_zone_name(name):
                if quotes:
                    quote = quotes.pop(0)
                    self._put(name, quote.value, quote)
                elif found := self._named(read_name(name)):
                    self._put(name, found[0], *found[1])

    def _named(self, name: set[str]) -> tuple[str, list[Token]] | None:
        """The name beside the parameter's word: "room Blue", "the Blue room", "A会議室"."""
        text = self._question.text
        for token in self._question.tokens:
            if token.kind != "word" or token.value not in name:
                continue
            nearby = max(1, token.start - _LONGEST_NAME)
            for match in (_NAME_AFTER.match(text, token.end), _NAME_BEFORE.search(text, nearby, token.start)):
                tokens = self._within(*match.span()) if match else None
                if match and tokens is not None and not any(token.value in self._known for token in tokens):
                    return match[1], tokens
        return None

    def _within(self, start: int, end: int) -> list[Token] | None:
        """The free words, numbers and places between two positions; None if another token is there."""
        found = [token for token in self._question.tokens if token.start < end and token.end > start]
        whole = all(token.start >= start and token.end <= end and token.kind in _NAMES for token in found)
        return found if whole and not any(token in self._used for token in found) else None


def _is(gap: re.Pattern[str], between: str, first: Token, second: Token) -> bool:
    return first.end <= second.start and gap.fullmatch(between) is not None


def _is_date(name: str, schema: dict[str, Any]) -> bool:
    return "string" in types_of(schema) and read_name(name) >= {"date"} and "time" not in read_name(name)


def _is_time(name: str, schema: dict[str, Any]) -> bool:
    types, words = types_of(schema), read_name(name)
    if "integer" in types:
        return "hour" in words
    named = words & read_name("time datetime moment hour start end") or "time" in str(schema.get("format"))
    return "string" in types and not is_zone_name(name) and not _is_date(name, schema) and bool(named)


def _time(schema: dict[str, Any], clock: time, day: date) -> str | int | None:
    """The time in the form that the schema wants; None if the schema cannot hold it."""
    if "integer" in types_of(schema):
        return None if clock.minute else clock.hour
    if _ISO.search(f"{schema.get('format')} {schema.get('description')}"):
        return datetime.combine(day, clock).isoformat(timespec="minutes")
    return clock.strftime("%H:%M")


def _number(schema: dict[str, Any], number: float) -> float | None:
    """The number as the schema wants it; None if it is not allowed."""
    if "number" not in types_of(schema) and not number.is_integer():
        return None
    least, most = (schema.get(bound) for bound in ("minimum", "maximum"))
    if (isinstance(least, int | float) and number < least) or (isinstance(most, int | float) and number > most):
        return None
    return number if "integer" not in types_of(schema) else int(number)
