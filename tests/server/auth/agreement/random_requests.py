"""Random requests of both protocol eras with mistakes in the JSON text, the encoding and the headers.

A request depends only on its `random.Random`: the same seed gives the same request on every machine.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY

from tests.server.auth.agreement.recording_server import PROMPTS, RESOURCES, TOOLS, Request

REVISION = "2026-07-28"
HANDSHAKE = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
URIS = [
    *RESOURCES,
    "r://items/1",
    "r://items/1/2",
    "r://items/..",
    "r://items/%2e%2e/x",
    "r://free/r://a",
    "R://a",
    "x",
]
REFERENCES = [
    *({"type": "ref/prompt", "name": name} for name in PROMPTS),
    *({"type": "ref/resource", "uri": uri} for uri in ("r://items/{item}", "r://free/{+rest}", "r://a")),
    {"type": "ref/prompt", "name": "open", "uri": "r://a"},
    {"type": "ref/resource", "name": "open", "uri": "r://items/{item}"},
    {"name": "a"},
    {"type": "ref/prompt", "uri": "r://a"},
]
NAMED = {
    "tools/call": ("name", [*TOOLS, "ab", "ab", "ab", "ab", "a", "unknown", "", "open\x00", "a\n"]),
    "prompts/get": ("name", [*PROMPTS, "x"]),
    "resources/read": ("uri", URIS),
    "resources/subscribe": ("uri", URIS),
    "completion/complete": ("ref", REFERENCES),
}
PLAIN = ["tools/list", "ping", "initialize", "server/discover", "prompts/list", "resources/templates/list", "x/y"]
ODD_METHODS = ["tools/call ", "TOOLS/CALL", "tools/call\x00", "", "tools//call", "notifications/initialized"]
ENVELOPE = {PROTOCOL_VERSION_META_KEY: REVISION, CLIENT_CAPABILITIES_META_KEY: {}}
ENCODINGS = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp037", "utf-7"]
FRAMES = [
    "[{0}]",
    "[{0},{0}]",
    "{0}{0}",
    "{0}\n{0}",
    "{0}\x00",
    "{0}//",
    "[]",
    "",
    "null",
    "1",
    '"x"',
    "{0},",
    "\ufeff{0}",
]


class Raw(str):
    """JSON text that is sent unchanged."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """The members of an object in order. A name may occur twice."""


@dataclass
class Draft:
    """A request that is not yet encoded."""

    modern: bool
    message: Members
    params: Members
    named: str
    headers: list[tuple[str, str]]
    method: str = "POST"
    frame: str = "{0}"
    encoding: str = "utf-8"
    escaped: bool = False
    cuts: list[int] = field(default_factory=list)


def request(random: Random, authorization: str) -> Request:
    """A correct request with some mistakes added."""
    draft = _correct_draft(random)
    for _ in range(random.choice([0, 0, 1, 1, 1, 2, 3])):
        random.choice(MISTAKES)(random, draft)
    body = draft.frame.replace("{0}", text_of(draft.message, draft.escaped)).encode(draft.encoding, "replace")
    random.shuffle(draft.headers)
    headers = [(name.encode(), value.encode("utf-8", "replace")) for name, value in draft.headers]
    return Request(draft.method, [(b"authorization", authorization.encode()), *headers], _chunks(random, body))


def _correct_draft(random: Random) -> Draft:
    modern = random.random() < 0.5
    method = random.choice([*NAMED, *NAMED, *NAMED, *PLAIN])
    params, named = Members(), ""
    if method in NAMED:
        member, names = NAMED[method]
        value = random.choice(names)
        params.append((member, value))
        named = value if isinstance(value, str) else ""
    if method == "completion/complete":
        params.append(("argument", {"name": "item", "value": ""}))
    if method == "initialize":
        params += [
            ("protocolVersion", "2025-11-25"),
            ("capabilities", {}),
            ("clientInfo", {"name": "x", "version": ""}),
        ]
    progress = {"progressToken": 7} if random.random() < 0.15 else {}
    if modern or progress:
        params.append(("_meta", {**(ENVELOPE if modern else {}), **progress}))
    message = Members([("jsonrpc", "2.0"), ("id", 1), ("method", method), ("params", params)])
    return Draft(modern, message, params, named, _headers(random, method, named, modern=modern))


def _headers(random: Random, method: str, named: str, *, modern: bool) -> list[tuple[str, str]]:
    headers = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")]
    if modern:
        headers += [("mcp-protocol-version", REVISION), ("mcp-method", method), ("mcp-name", _encoded(random, named))]
    elif random.random() < 0.8:
        headers.append(("mcp-protocol-version", random.choice(HANDSHAKE)))
    return headers


def _encoded(random: Random, value: str) -> str:
    safe = value.isascii() and value.isprintable() and value == value.strip() and not value.startswith("=?")
    if safe and random.random() < 0.8:
        return value
    return f"=?base64?{base64.b64encode(value.encode('utf-8', 'replace')).decode()}?="


def _odd_value(random: Random) -> Any:
    depth = random.choice([1, 50, 150, 190, 210, 900, 1500, 60_000])
    return random.choice(
        [
            *(
                None,
                True,
                0,
                -1,
                2**70,
                "",
                "a",
                "b",
                "open",
                "tools/call",
                "tools/list",
                "r://a",
                "2.0",
                [],
                {},
                ["a"],
            ),
            *("\ud800", "a\udfff", "\ud83d\ude00", {"name": "b"}, [{"name": "b"}], "a\x00b", "x" * 200, 1.5),
            *map(
                Raw, ("NaN", "-Infinity", "1e999", "-0", "1" * 5000, "01", "'a'", "0x1", "1E5", '"\\u0061"', '"\\x61"')
            ),
            *(Raw("[" * depth + "]" * depth), Raw('{"a":' * depth + "1" + "}" * depth)),
        ]
    )


def _change_member(random: Random, draft: Draft) -> None:
    """Change a member: another value, a duplicate before or after it, a name in another case, or no member."""
    members = random.choice([draft.message, draft.params])
    if not members:
        return
    index = random.randrange(len(members))
    name = members[index][0]
    change = random.choice(["value", "before", "after", "case", "escaped", "removed"])
    if change == "value":
        members[index] = (name, _odd_value(random))
    elif change == "removed":
        del members[index]
    else:
        written = {"case": name.title(), "escaped": Raw('"' + _escapes(name) + '"')}.get(change, name)
        members.insert(0 if change == "before" else len(members), (written, _odd_value(random)))


def _add_member(random: Random, draft: Draft) -> None:
    members = random.choice([draft.message, draft.params])
    name = random.choice(
        ["arguments", "name", "uri", "method", "_meta", "result", "error", "id", "__proto__", "", "cursor"]
    )
    members.append((name, _odd_value(random)))


def _change_method(random: Random, draft: Draft) -> None:
    method = random.choice([*ODD_METHODS, *NAMED, *PLAIN])
    draft.message[:] = [(name, method if name == "method" else value) for name, value in draft.message]


def _make_notification(_: Random, draft: Draft) -> None:
    draft.message[:] = [(name, value) for name, value in draft.message if name != "id"]


def _make_response(random: Random, draft: Draft) -> None:
    kept = [] if random.random() < 0.5 else [pair for pair in draft.message if pair[0] in ("method", "params")]
    draft.message[:] = [("jsonrpc", "2.0"), ("id", 1), ("result", {}), *kept]


def _change_header(random: Random, draft: Draft) -> None:
    """Change a header: another value, a duplicate, or no header."""
    if not draft.headers:
        return
    index = random.randrange(len(draft.headers))
    name, value = draft.headers[index]
    others = {
        "content-type": ["text/plain", "application/json; charset=utf-16", "application/json, text/plain", ""],
        "accept": ["*/*", "application/json", "text/event-stream", ""],
        "mcp-protocol-version": [REVISION, *HANDSHAKE, "2099-01-01", "", " 2025-11-25", "2026-07-28 "],
        "mcp-method": ["tools/call", "tools/list", "ping", ""],
        "mcp-name": [
            "open",
            "a",
            "b",
            "r://open",
            "=?base64?b3Blbg==?=",
            "=?base64?b3Blbg?=",
            "=?BASE64?b3Blbg==?=",
            "",
        ],
    }
    other = (name, random.choice([value, *others[name]]))
    change = random.choice(["value", "twice before", "twice after", "removed"])
    if change == "removed":
        del draft.headers[index]
    elif change == "value":
        draft.headers[index] = other
    else:
        draft.headers.insert(index if change == "twice before" else index + 1, other)


def _add_routing_header(random: Random, draft: Draft) -> None:
    header, values = random.choice([("mcp-name", ["open", "a", "b"]), ("mcp-method", ["tools/list", "tools/call"])])
    draft.headers.append((header, random.choice(values)))


def _change_frame(random: Random, draft: Draft) -> None:
    draft.frame = random.choice(FRAMES)


def _change_encoding(random: Random, draft: Draft) -> None:
    draft.encoding = random.choice(ENCODINGS)


def _use_escapes(_: Random, draft: Draft) -> None:
    draft.escaped = True


def _change_http_method(random: Random, draft: Draft) -> None:
    draft.method = random.choice(["GET", "DELETE", "PUT", "HEAD"])


MISTAKES: list[Callable[[Random, Draft], None]] = [
    *(_change_member, _change_member, _change_member, _add_member, _change_method, _make_notification),
    *(_make_response, _change_header, _change_header, _add_routing_header, _change_frame, _change_encoding),
    *(_use_escapes, _use_escapes, _change_http_method),
]


def _chunks(random: Random, body: bytes) -> list[bytes]:
    if random.random() < 0.7:
        return [body]
    cut = random.randint(0, len(body))
    return [body[:cut], b"", body[cut:]]


def _escapes(text: str) -> str:
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def text_of(value: Any, escaped: bool = False) -> str:
    """The value as JSON; with `escaped`, each character of its strings as an escape."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, str):
        return f'"{_escapes(value)}"' if escaped else json.dumps(value)
    if isinstance(value, Members | dict):
        pairs = value if isinstance(value, Members) else value.items()
        return "{" + ",".join(f"{text_of(name, escaped)}:{text_of(item, escaped)}" for name, item in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(text_of(item, escaped) for item in value) + "]"
    return json.dumps(value)
