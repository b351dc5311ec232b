"""docs/reference/environment.md: every variable, from the settings of the packages and from .env.example."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gatehouse_client.tenant.settings import TenantSettings
from gatehouse_example.settings import ExampleSettings
from gatehouse_server.serving.upstream_settings import UpstreamSettings
from mock_idp.settings import Settings as MockIdpSettings

from .markdown import attributes, code, head, joined, package, table

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "environment.md"
TEXT = """
An option of the command line counts more than a variable, a variable more than the line in `.env`, and that more than
the default. An empty variable counts as not set, and cancels the line in `.env`. Every secret also has a form
`NAME_FILE`: the path of a file with the value. [.env.example](../../.env.example) has the variables that a stack needs.
"""

TITLES = ("variable", "default", "meaning")
PRODUCTION = """
In `.env.prod`, for `make up ENV=prod` ([production.md](../production.md)) and `make deploy` ([swarm.md](../swarm.md)).
The variables of the server count there also.
"""
OF_OTHERS = {
    "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY": "proxies, as for other programs ([network.md](../network.md))",
    "SSL_CERT_FILE, SSL_CERT_DIR": "certificate authorities instead of those of the system",
    "OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER": "and the other variables of OpenTelemetry for traces"
    " ([monitoring.md](../monitoring.md#traces))",
    "NO_COLOR": "no colors in the output",
    "TERM": "the kind of terminal; `dumb`: no colors, and no line is written twice",
    "BROWSER": "the browser of the agent's sign-in",
}
"""Variables that are not this project's own."""
OF_MAKE = {
    "ENV": "`prod`: the stack for production, with `.env.prod` ([production.md](../production.md))",
    "RUNTIME": "`docker` or `local`; by default Docker if it answers",
    "PORTS": "`auto`: `make up` moves ports that are in use to free ones, and writes them into `.env`",
    "PYTHON": "the Python that runs the commands; by default `python3`",
    "T": "tests to run, as arguments of pytest",
    "Q": "the question of `make ask`",
    "DO": "the command of `make client`, and options of other targets",
}


class Kind(NamedTuple):
    """The variables of one program."""

    title: str
    settings: type[BaseModel]
    module: str
    folder: str


KINDS = (
    Kind("The server", ExampleSettings, "gatehouse_example.settings", "server"),
    Kind("A server behind the gate", UpstreamSettings, "gatehouse_server.serving.upstream_settings", "server"),
    Kind("The agent", TenantSettings, "gatehouse_client.tenant.settings", "client"),
    Kind("The offline tenant", MockIdpSettings, "mock_idp.settings", "mock-idp"),
)


def page() -> str:
    """The text of the page."""
    parts, known = [head("Environment variables", TEXT.strip())], set()
    for kind in KINDS:
        rows = list(_rows(kind))
        known |= {row[0].strip("`") for row in rows}
        parts += [f"## {kind.title}\n", table(TITLES, rows)]
    stack = [row for row in _of_the_example(".env.example") if row[0].strip("`") not in known]
    known |= {row[0].strip("`") for row in stack} - {"BIND_ADDRESS", "SERVER_REPLICAS"}  # other defaults in production
    production = [row for row in _of_the_example(".env.prod.example") if row[0].strip("`") not in known]
    make = [(code(name), "", meaning) for name, meaning in OF_MAKE.items()]
    parts += ["## The stack\n", "Read by `make`.\n", table(TITLES, [*stack, *make])]
    parts += ["## The stack in production\n", PRODUCTION, table(TITLES, production)]
    others = [(", ".join(map(code, names.split(", "))), text) for names, text in OF_OTHERS.items()]
    parts += ["## Of other programs\n", table(("variable", "meaning"), others)]
    return joined(parts)


def settings_of_the_offline_tenant() -> str:
    """The table of its variables."""
    return table(TITLES, _rows(KINDS[-1]))


def _rows(kind: Kind) -> Iterator[tuple[str, str, str]]:
    described = _descriptions(kind)
    for name, field in kind.settings.model_fields.items():
        meaning = field.description or described.get(name)
        if meaning is None:
            raise ValueError(
                f"{kind.settings.__name__}.{name} has no description: add it to the docstring's Attributes"
            )
        yield code(str(field.validation_alias or name.upper())), code(_default(field)), meaning.rstrip(".")


def _descriptions(kind: Kind) -> dict[str, str]:
    """What the docstrings of the class and of its bases say about the fields."""
    found: dict[str, str] = {}
    for each in reversed(kind.settings.__mro__):
        name, _, module = each.__module__.partition(".")
        if name in ("gatehouse_server", "gatehouse_example", "gatehouse_client", "mock_idp"):
            found |= attributes(package(name, kind.folder)[f"{module}.{each.__name__}"])
    return found


def _default(field: FieldInfo) -> str:
    """The default; empty if there is none, or if it is derived."""
    factory: Callable[..., Any] | None = field.default_factory
    value = field.default if factory is None else ""
    if value is PydanticUndefined or value is None or value in ("", ()):
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _of_the_example(name: str) -> Iterator[tuple[str, str, str]]:
    """The variables in an example of an `.env` file. The meaning is on the line, or in the comment before it."""
    comment: list[str] = []
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        found = re.fullmatch(r"(?:# )?([A-Z][A-Z0-9_]+)=(\S*)(?:\s+(.*))?", line)
        if found is None:
            previous = lines[number - 1] if number else ""
            comment = [*(comment if previous.startswith("# ") and "=" not in previous else ()), line.lstrip("# ")]
            continue
        more = []
        for further in lines[number + 1 :]:
            if not re.match(r"# {8,}\S", further):
                break
            more.append(further.lstrip("# "))
        meaning = " ".join([found[3], *more]) if found[3] else " ".join(comment)
        yield code(found[1]), code(found[2]), meaning
