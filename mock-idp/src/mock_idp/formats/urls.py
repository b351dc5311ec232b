"""The differences between two URLs that should be equal, and loopback host names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

# Differences that come from a typing error or a normalisation. With any other difference it is another URL.
SIMILAR_KINDS = frozenset({"trailing_slash", "scheme", "case", "loopback_name", "port", "whitespace", "encoding"})
MAX_LENGTH = 300


class Span(NamedTuple):
    """A part of a string, and whether it differs from the other string."""

    text: str
    differs: bool


@dataclass(frozen=True)
class Comparison:
    """The known string that is most similar to the one that was sent, and the kinds of difference."""

    nearest: str
    kinds: tuple[str, ...]

    @property
    def is_similar(self) -> bool:
        return len(self.kinds) <= 2 and SIMILAR_KINDS.issuperset(self.kinds)


def compare(sent: str, known: Iterable[str]) -> Comparison | None:
    """The comparison with the most similar known string; None if no string is known."""
    found = [Comparison(candidate, differences(sent, candidate)) for candidate in known]
    return min(found, key=lambda one: (len(one.kinds), -_likeness(sent, one.nearest)), default=None)


def differences(sent: str, known: str) -> tuple[str, ...]:
    """The kinds of difference, named as in the texts (`difference.*`); empty for equal strings."""
    if sent == known:
        return ()
    if sent.strip() == known.strip():
        return ("whitespace",)
    if unquote(sent) == unquote(known):
        return ("encoding",)
    try:
        return _by_parts(urlsplit(sent.strip()), urlsplit(known.strip())) or ("other",)
    except ValueError:
        return ("other",)


def spans(text: str, other: str) -> tuple[Span, ...]:
    """`text` in parts that are equal to `other` or differ from it. A very long text is shortened."""
    shown, compared = text[:MAX_LENGTH], other[:MAX_LENGTH]
    matcher = SequenceMatcher(None, compared, shown, autojunk=False)
    parts = [Span(shown[start:end], tag != "equal") for tag, _, _, start, end in matcher.get_opcodes() if end > start]
    return (*parts, Span("…", differs=False)) if len(text) > MAX_LENGTH else tuple(parts)


def _by_parts(sent: SplitResult, known: SplitResult) -> tuple[str, ...]:
    kinds = []
    if sent.scheme != known.scheme:
        kinds.append("scheme")
    if sent.netloc.casefold() != known.netloc.casefold():
        kinds += _by_host(sent, known)
    if sent.path != known.path:
        kinds.append(_by_path(sent.path, known.path))
    if sent.query != known.query:
        kinds.append("query")
    if sent.fragment != known.fragment:
        kinds.append("fragment")
    if not kinds and sent.geturl() != known.geturl():
        kinds.append("case")
    return tuple(kinds)


def _by_host(sent: SplitResult, known: SplitResult) -> list[str]:
    kinds = []
    if sent.hostname != known.hostname:
        both_here = is_loopback_name(sent.hostname or "") and is_loopback_name(known.hostname or "")
        kinds.append("loopback_name" if both_here else "host")
    if sent.port != known.port:
        kinds.append("port")
    return kinds or ["host"]


def _by_path(sent: str, known: str) -> str:
    if sent.rstrip("/") == known.rstrip("/"):
        return "trailing_slash"
    return "case" if sent.casefold() == known.casefold() else "path"


def _likeness(sent: str, known: str) -> float:
    return SequenceMatcher(None, sent[:MAX_LENGTH], known[:MAX_LENGTH], autojunk=False).quick_ratio()


def is_loopback_name(host: str) -> bool:
    """Whether a host name or address is this machine, as `localhost` or by number."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_uri(uri: str) -> bool:
    """Whether it is an http URL on this machine that every program reads in the same way."""
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.scheme != "http" or "@" in parts.netloc or "#" in uri or "\\" in uri:
        return False
    return is_loopback_name(host)


def has_port(uri: str) -> bool:
    """Whether a URL names a port. ValueError if it is no URL."""
    return urlsplit(uri).port is not None


def without_port(uri: str) -> str:
    """The URL without its port. ValueError if it is no URL."""
    parts = urlsplit(uri)
    host = parts.hostname or ""
    return parts._replace(netloc=f"[{host}]" if ":" in host else host).geturl()


def without_query(uri: str) -> str:
    """The URL without query and fragment, and with scheme and host in lower case.

    No character is dropped or decoded, so a browser reads the same host in the URL itself.
    """
    kept = re.split("[?#]", uri, maxsplit=1)[0]
    return re.sub("^[^/]*://[^/]*", lambda found: found[0].lower(), kept)
