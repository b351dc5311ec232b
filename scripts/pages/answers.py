"""docs/reference/answers.md: the answers of a real server, and the members and reasons of the audit trail.

The reasons are read from the source, because some of them need a tenant or a server that fails.
"""

from __future__ import annotations

import ast
import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from gatehouse_example.app import example_server
from gatehouse_server.auth.audit import AuditRecord, line_of
from gatehouse_server.auth.challenge import Challenges
from gatehouse_server.auth.request import Operation
from tests.server.protected_server import headers_of, message, protected
from tests.server.token_issuer import Issuer

from .markdown import attributes, code, head, joined, package, table

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "answers.md"
SOURCES = ROOT / "server" / "src"
TEXT = """
The answers are recorded from a server with the tools of the example. A client can rely on the status, the headers and
the member `error`; texts can change.
"""
SHOWN = ("www-authenticate", "allow", "retry-after")
LONG_AGO = 1_700_000_000


class Request(NamedTuple):
    """A request to the MCP endpoint, whose answer is on the page.

    Attributes:
        headers: headers of another value than in a good request; None: without the header.
    """

    title: str
    method: str = "POST"
    path: str = "/mcp"
    tool: str = "get_time"
    claims: Mapping[str, Any] = {}
    headers: Mapping[str, str | None] = {}
    body: bytes | None = None
    tenant_is_down: bool = False


REQUESTS = (
    Request("No access token", headers={"Authorization": None}),
    Request("A token that is not valid", claims={"iat": LONG_AGO, "exp": LONG_AGO + 600}),
    Request("A permission is missing", tool="convert_time"),
    Request("The user has no permission at all", claims={"scope": ""}),
    Request("A malformed Authorization header", headers={"Authorization": "Bearer one two"}),
    Request("The signing keys of the tenant cannot be fetched", tenant_is_down=True),
    Request("A tool that the server does not have", tool="no_such_tool"),
    Request("A body that is not one JSON-RPC message", body=b"[]"),
    Request("A body that is too large", body=b" " * (1024 * 1024 + 1)),
    Request("Another content type", headers={"Content-Type": "text/plain"}),
    Request("The client does not accept JSON", headers={"Accept": "text/html"}),
    Request("Another HTTP method", method="PUT"),
    Request("Another host", headers={"Host": "evil.example.com"}),
    Request("Another origin", headers={"Origin": "https://evil.example.com"}),
    Request("Ready", method="GET", path="/readyz"),
    Request("Not ready", method="GET", path="/readyz", tenant_is_down=True),
)
MEMBERS = {
    "time": "of the end of the request: ISO 8601 in UTC, to the millisecond",
    "operation": "the MCP method, such as `tools/call`; the HTTP method of other requests than POST",
    "target": "the name of the tool or prompt, or the URI of the resource, at most 128 characters",
    "duration_ms": "milliseconds",
}
"""The members of a line that are not fields of `AuditRecord`."""
IN_WORDS = {
    "allowed": ("", "The request was passed to the server."),
    "client_gone": ("", "The client left before its answer."),
    "not_offered": ("", "This server does not offer the …."),
    "wrong_host_or_origin": ("403, 421", "The header Host or Origin names another server."),
}
"""The reasons whose status or text the source does not have beside them."""


def page() -> str:
    """The text of the page."""
    return joined(
        [
            head("Answers and audit", TEXT.strip()),
            "## HTTP answers\n",
            *asyncio.run(_answers()),
            "## The audit line\n",
            "One JSON object on a line for each request. A member without a value is left out.\n",
            table(("member", "meaning"), _members()),
            "## Reasons\n",
            "The `reason` of the audit line and of the metrics. `…` stands for a value.\n",
            table(("reason", "status", "text or meaning"), _reasons()),
        ]
    )


async def _answers() -> list[str]:
    issuer = Issuer()
    issuer.add_key("one")
    parts = []
    for request in REQUESTS:
        tenant = issuer.handle if not request.tenant_is_down else _fails
        async with protected(example_server(), tenant) as client:
            answer = await client.send(_built(client, request, issuer))
        headers = [f"{_spelt(name)}: {answer.headers[name]}" for name in SHOWN if name in answer.headers]
        body = answer.text if len(answer.text) < 500 else answer.text[:500] + " …"
        lines = [f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}", *headers, *(["", body] if body else ())]
        parts += [f"### {request.title}\n", "```http\n" + "\n".join(lines) + "\n```\n"]
    return parts


def _built(client: httpx2.AsyncClient, request: Request, issuer: Issuer) -> httpx2.Request:
    body = message("tools/call", {"name": request.tool, "arguments": {}})
    good = {**headers_of(body, "legacy", issuer.token(**request.claims)), "Content-Type": "application/json"}
    headers = {name: value for name, value in {**good, **request.headers}.items() if value is not None}
    content = json.dumps(body).encode() if request.body is None else request.body
    return client.build_request(request.method, request.path, headers=headers, content=content)


def _fails(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(500)


def _spelt(name: str) -> str:
    return "WWW-Authenticate" if name == "www-authenticate" else name.title()


def _members() -> Iterator[tuple[str, str]]:
    record = AuditRecord(
        "id", "refuse", "reason", "subject", "client", Operation("method", (("tool", "name"),)), ("missing",), 403
    )
    meanings = attributes(package("gatehouse_server", "server")["auth.audit.AuditRecord"]) | MEMBERS
    for name in json.loads(line_of(record)):
        yield code(name), meanings[name].rstrip(".")


def _reasons() -> list[tuple[str, str, str]]:
    found: dict[str, tuple[set[str], list[str]]] = {}
    for path in sorted((SOURCES / "gatehouse_server").rglob("*.py")):
        for reason, status, text in _Reader(ast.parse(path.read_text(encoding="utf-8"))).reasons():
            statuses, texts = found.setdefault(reason, (set(), []))
            statuses.update(status)
            texts.extend([text] if text and text not in texts else ())
    for reason, (status_in_words, text_in_words) in IN_WORDS.items():
        statuses, texts = found.setdefault(reason, (set(), []))
        statuses.update(filter(None, [status_in_words]))
        texts.extend([] if texts else [text_in_words])
    if silent := [reason for reason, (_, texts) in found.items() if not texts]:
        raise ValueError(f"The reasons {silent} have no text: add them to IN_WORDS.")
    rows = sorted(found.items())
    return [(code(reason), ", ".join(sorted(statuses)), " ".join(texts)) for reason, (statuses, texts) in rows]


class _Reader:
    """Reads the refusals in a module."""

    def __init__(self, module: ast.Module) -> None:
        self._module = module
        self._functions = [
            each for each in ast.walk(module) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        ]

    def reasons(self) -> Iterator[tuple[str, list[str], str]]:
        """Reason, statuses and text."""
        for each in ast.walk(self._module):
            if isinstance(each, ast.ClassDef) and not any(ast.unparse(base) == "Exception" for base in each.bases):
                constants = {
                    line.targets[0].id: line.value.value
                    for line in each.body
                    if isinstance(line, ast.Assign)
                    and isinstance(line.targets[0], ast.Name)
                    and isinstance(line.value, ast.Constant)
                }
                if {"code", "description"} <= set(constants):
                    yield constants["code"], ["503"], constants["description"]
        for function in self._functions:
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.args:
                    yield from self._refusal(call.func.id, call, function)

    def _refusal(self, name: str, call: ast.Call, function: ast.AST) -> Iterator[tuple[str, list[str], str]]:
        if name not in ("Refused", "_refused", "TokenRefused"):
            return
        reasons = [each.value for each in ast.walk(call.args[0]) if isinstance(each, ast.Constant)]
        for reason in (each for each in reasons if isinstance(each, str)):
            nodes = [node for each in call.args[1:] for node in self._resolved(each, function)]
            text = max((_text(node) for node in nodes), key=len, default="")
            numbers = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, int)]
            statuses = [str(number) for number in numbers if 200 <= number < 600]
            if known := _STATUS_OF.get(name):
                statuses = [known]
            for node in nodes:
                described = _CHALLENGES.get(node.attr, "") if isinstance(node, ast.Attribute) else ""
                if described[:3].isdigit():
                    statuses, text = [described[:3]], text or re.sub(r"^\d+:? ", "", described)
            yield reason, statuses, text

    def _resolved(self, node: ast.expr, function: ast.AST) -> Iterator[ast.AST]:
        """The parts of the expression, and of what was last assigned in the function to each variable in it."""
        for part in ast.walk(node):
            yield part
            if isinstance(part, ast.Name):
                before = [
                    each
                    for each in ast.walk(function)
                    if isinstance(each, ast.Assign)
                    and ast.unparse(each.targets[0]) == part.id
                    and each.lineno < node.lineno
                ]
                for assigned in sorted(before, key=lambda each: each.lineno)[-1:]:
                    yield from self._resolved(assigned.value, function)


_STATUS_OF = {"TokenRefused": "401", "_refused": "400"}
_CHALLENGES = {name: re.sub(r"\s+", " ", method.__doc__ or "") for name, method in vars(Challenges).items()}
"""What the methods say about their answers, beginning with the status."""


def _text(node: ast.AST) -> str:
    """A text of the source, with `…` for values; empty for codes and other nodes."""
    if isinstance(node, ast.JoinedStr):
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        return re.sub("…+", "…", text)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
        return node.value
    return ""
