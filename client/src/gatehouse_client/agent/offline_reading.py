"""A question of the offline model as tokens: words with a meaning, places, times, numbers and quoted texts.

The words are in `offline_words.toml`, in English and Japanese. The places are also the cities of zoneinfo.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

WORDS: Final[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("offline_words.toml").read_text(encoding="utf-8"))

VALUES: Final = frozenset({"place", "moment", "number", "quote"})
"""The kinds of the tokens that can be arguments."""

_JAPANESE: Final = "\u3040-\u30ff\u3400-\u9fff々ー"
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_QUOTE: Final = re.compile(r"(?<!\w)[\"“'`]([^\"”'`]+)[\"”'`](?!\w)|[「『]([^」』]+)[」』]")
_DATE: Final = re.compile(r"(?<![\d-])(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?))?(?![\d:+Z-])")
_CLOCK: Final = re.compile(
    r"(?<![\d.:])(?P<at>at\s+)?(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?"
    r"(?P<half>\s*(?:am|pm|a\.m\.|p\.m\.)(?!\w))?(?P<sharp>\s*o['’]?clock)?(?![\d:]|\.\d)",
    re.IGNORECASE,
)
_CLOCK_JAPANESE: Final = re.compile(
    r"(?P<half>午前|午後|朝|夕方|夜)?の?\s*(?<!\d)(?P<hour>\d{1,2})時(?!間)(?:(?P<minute>\d{1,2})分|(?P<thirty>半))?"
)
_OFFSET: Final = re.compile(r"(?:UTC|GMT)\s?([+-])(\d{1,2})(?![\d:])")
_ZONE: Final = re.compile(r"[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)+")
_NUMBER: Final = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![.\d:])|(?<=[" + _JAPANESE + r"])\d+(?![.\d:])")
_CAPITALS: Final = re.compile(r"(?<![A-Za-z])[A-Z]{2,4}(?![A-Za-z])")
_LATIN: Final = re.compile(r"[A-Za-zÀ-ɏ]+")
_GAP: Final = re.compile(r"[ '’_-]{1,2}")
_LONGEST_JAPANESE: Final = 12
_LONGEST_PHRASE: Final = 5  # words
_AREAS: Final = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")


@dataclass(frozen=True)
class Moment:
    """A date, a time of day, or both."""

    day: date | None = None
    clock: time | None = None


@dataclass(frozen=True)
class Token:
    """A part of a question.

    Args:
        kind: `word` (the value is its meaning), `place` (an IANA zone), `places` (a name of several zones), `moment`,
            `number`, `quote`, `also` (the question goes on from the last one), `there`.
        start: its first character, in the text of the reading.
    """

    kind: str
    text: str
    value: Any
    start: int
    end: int


@dataclass(frozen=True)
class Reading:
    """A text in its normal form, and its tokens without the words that mean nothing here."""

    text: str
    tokens: tuple[Token, ...]

    @property
    def kinds(self) -> set[str]:
        """The kinds of the tokens."""
        return {token.kind for token in self.tokens}

    def meanings(self) -> set[str]:
        """The meanings of the words."""
        return {token.value for token in self.tokens if token.kind == "word"}


def is_yes(text: str) -> bool:
    """Whether the whole text says yes."""
    return text.strip(" .,!。、！").lower() in WORDS["functions"]["yes"]


def is_japanese(text: str) -> bool:
    """Whether the text has a Japanese character."""
    return re.search(f"[{_JAPANESE}]", text) is not None


def is_zone_name(name: str) -> bool:
    """Whether a parameter or a field with this name holds a time zone."""
    return re.search(r"(^|_)(tz|time_?zone|zone)s?($|_)", _CAMEL.sub("_", name), re.IGNORECASE) is not None


def read_name(name: str) -> set[str]:
    """The meanings in the name of a tool, a parameter or a field."""
    return read(_CAMEL.sub(" ", name).replace("_", " ")).meanings()


@lru_cache(maxsize=1024)
def read(text: str) -> Reading:
    """The tokens of a text, in order."""
    text = unicodedata.normalize("NFKC", text)
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        kind, value, end = _token(text, position)
        if kind != "none":
            tokens.append(Token(kind, text[position:end].strip(), value, position, end))
        position = max(end, position + 1)
    return Reading(text, tuple(tokens))


def _token(text: str, start: int) -> tuple[str, Any, int]:
    return _value(text, start) or _phrase(text, start) or _unknown(text, start)


def _value(text: str, start: int) -> tuple[str, Any, int] | None:
    """A quoted text, a time, a zone or a number."""
    if match := _QUOTE.match(text, start):
        quoted = match[1] or match[2]
        written = _DATE.fullmatch(quoted)
        moment = _iso_moment(written) if written else None
        return ("moment", moment, match.end()) if moment else ("quote", quoted, match.end())
    if (match := _DATE.match(text, start)) and (moment := _iso_moment(match)):
        return "moment", moment, match.end()
    for pattern in (_CLOCK, _CLOCK_JAPANESE):
        if (match := pattern.match(text, start)) and (clock := _clock(match)):
            return "moment", Moment(clock=clock), match.end()
    if match := _OFFSET.match(text, start):
        # The signs of these zones are those of POSIX: UTC+9 is Etc/GMT-9.
        zone = f"Etc/GMT{'-' if match[1] == '+' else '+'}{int(match[2])}"
        return ("place" if zone in _zone_names().values() else "word"), zone, match.end()
    if match := _ZONE.match(text, start):
        zone_name = _zone_names().get(match[0].lower()) or (None if _zone_names() else match[0])
        return ("place" if zone_name else "word"), zone_name or match[0], match.end()
    if match := _NUMBER.match(text, start):
        return "number", float(match[0]), match.end()
    if (match := _CAPITALS.match(text, start)) and (found := _abbreviations().get(match[0])):
        return *found, match.end()
    return None


def _phrase(text: str, start: int) -> tuple[str, Any, int] | None:
    """The longest known phrase at `start`."""
    if re.match(f"[{_JAPANESE}]", text[start]):
        ends: list[int] = list(range(min(len(text), start + _LONGEST_JAPANESE), start, -1))
        return next((((*found, end)) for end in ends if (found := _phrases().get(text[start:end].lower()))), None)
    words: list[str] = []
    found_ends: list[tuple[str, int]] = []
    position = start
    while len(words) < _LONGEST_PHRASE and (match := _LATIN.match(text, position)):
        words.append(match[0].lower())
        found_ends.append((" ".join(words), match.end()))
        gap = _GAP.match(text, match.end())
        position = gap.end() if gap else len(text)
    for phrase, end in reversed(found_ends):
        if found := _phrases().get(phrase):
            return *found, end
    if found_ends:
        word, end = found_ends[0]
        return *(_stems().get(_stem(word)) or ("word", _stem(word))), end
    return None


def _unknown(text: str, start: int) -> tuple[str, Any, int]:
    """Letters that no phrase knows, up to the next that one knows."""
    if not text[start].isalnum():
        return "none", None, start + 1
    end = start + 1
    while end < len(text) and text[end].isalnum() and not (_value(text, end) or _phrase(text, end)):
        end += 1
    return "word", text[start:end], end


def _iso_moment(match: re.Match[str]) -> Moment | None:
    try:
        return Moment(date.fromisoformat(match[1]), time.fromisoformat(match[2]) if match[2] else None)
    except ValueError:
        return None


def _clock(match: re.Match[str]) -> time | None:
    parts = match.groupdict()
    half = (parts["half"] or "").strip().lower().replace(".", "")
    if "sharp" in parts and not (half or parts["at"] or parts["minute"] or parts["sharp"]):
        return None
    hour, minute = int(parts["hour"]), 30 if parts.get("thirty") else int(parts["minute"] or 0)
    afternoon = half in ("pm", "午後", "夕方", "夜")
    if hour > 23 or minute > 59 or (half and hour > 12) or (half == "夜" and hour == 12):
        return None
    if half in ("am", "午前") or half == "pm":
        hour %= 12
    return time(hour + 12 if afternoon and hour < 12 else hour, minute)


def _stem(word: str) -> str:
    """The word without its English endings."""
    for endings in (("es", "s"), ("ing", "ed", "e")):
        found = (word.removesuffix(end) for end in endings if word.endswith(end) and len(word) > len(end) + 2)
        word = next(found, word)
    return word


def _split(phrase: str) -> str:
    return " ".join(_LATIN.findall(phrase)).lower() or phrase


@cache
def _zone_names() -> dict[str, str]:
    return {zone.lower(): zone for zone in zoneinfo.available_timezones()}


@cache
def _abbreviations() -> dict[str, tuple[str, Any]]:
    several = WORDS["several_zones"]["abbreviations"]
    return {name: ("places", name) for name in several} | {
        name: ("place", zone) for zone, names in WORDS["abbreviations"].items() for name in names
    }


@cache
def _phrases() -> dict[str, tuple[str, Any]]:
    """Each known phrase in lower case, with its kind and value."""
    return {_split(phrase): (kind, value) for phrase, kind, value in _entries()}


@cache
def _stems() -> dict[str, tuple[str, Any]]:
    return {_stem(phrase): found for phrase, found in _phrases().items() if found[0] == "word" and phrase.isascii()}


def _entries() -> Iterator[tuple[str, str, Any]]:
    several, functions = WORDS["several_zones"], WORDS["functions"]
    for zone in sorted(_zone_names().values()):
        city = zone.rpartition("/")[2].replace("_", " ").lower()
        if zone.startswith(_AREAS) and city not in several["not_cities"]:
            yield city, "place", zone
    for zone, names in WORDS["places"].items():
        yield from ((name, "place", zone) for name in names)
    yield from ((name, "places", name) for name in several["names"])
    for meaning, words in WORDS["meanings"].items():
        yield from ((word, "word", meaning) for word in (meaning.replace("_", " "), *words))
    for clock, words in WORDS["moments"].items():
        yield from ((word, "moment", Moment(clock=time.fromisoformat(clock))) for word in words)
    yield from ((word, "number", float(number)) for number, word in enumerate(WORDS["numbers"]["words"]) if word)
    for kind in ("there", "also"):
        yield from ((word, kind, word) for word in functions[kind])
    yield from ((word, "none", None) for word in (*functions["none"], *functions["noise"].split()))
