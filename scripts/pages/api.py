"""docs/api.md: the public API of the server, from its docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import griffe

from .markdown import COMMAND, package, wrapped

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
CODE_LINE = 100
OF_A_FRAMEWORK = ("BoundedHeaders",)
"""Their methods are called by the framework only."""

SECTIONS = {
    "Protect a server": ("protect", "requires", "PermissionTable", "ProtectedApp", "run_together", "BoundedHeaders"),
    "Settings": ("load_settings", "Settings"),
    "Tokens": ("TokenVerifier", "VerifiedToken", "Profile", "TokenExchange", "http_client"),
    "Keys and introspection": ("tenant_keys", "SigningKeys", "KeyLimits", "Introspection", "IntrospectionLimits"),
    "Audit and metrics": (
        "AuditTrail",
        "AuditRecord",
        "Operation",
        "audit_to_logger",
        "audit_to_stream",
        "Metrics",
    ),
    "Errors": (
        "SettingsError",
        "TableError",
        "UnsupportedRelease",
        "TokenRefused",
        "MalformedGrant",
        "VerificationUnavailable",
        "KeysUnavailable",
        "IntrospectionUnavailable",
        "ExchangeFailed",
    ),
}
ADAPTERS = {
    "mcp.server.mcpserver.MCPServer": "adapters.mcpserver.MCPServerAdapter",
    "mcp.server.lowlevel.Server": "adapters.lowlevel.LowLevelAdapter",
    "fastmcp.FastMCP": "adapters.fastmcp.FastMCPAdapter",
    "any other ASGI app": "adapters.asgi.AsgiAdapter",
}
HEAD = f"""# The public API of the server

Made from the docstrings by `{COMMAND}`. How to use it: [protect.md](protect.md).

These names are in `gatehouse_server` itself, with types (`py.typed`). Everything else is internal and may move.
Versions follow [semantic versioning](https://semver.org/): before 1.0.0 a new minor version may change public names,
and the [changelog](../CHANGELOG.md) says how.
"""


def page() -> str:
    """The text of the page."""
    server = package("gatehouse_server", "server")
    parts = [HEAD]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}\n")
        for name in names:
            parts.extend(_entry(name, server[name].final_target, with_sources=title != "Errors"))
    parts.append("## Adapters\n")
    parts.append("What `protect()` knows about each kind of server. It chooses the adapter by the server's type.\n")
    for kind, path in ADAPTERS.items():
        adapter = server[path]
        parts.append(f"### {kind}\n")
        parts.append(f"{_plain(adapter.parent.docstring.value.partition(chr(10))[2])}\n".lstrip())
        parts.append(f"{_plain(adapter.docstring.value)}\n")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def _entry(name: str, thing: griffe.Object, *, with_sources: bool) -> Iterator[str]:
    """One public name."""
    yield f"### {name}\n"
    if thing.is_function:
        yield from _code([_signature(name, form) for form in thing.overloads or [thing]])
    elif thing.is_attribute:
        yield from _code([f"{name} = {thing.value}"])
    else:
        yield from _code([_constructor(name, thing)])
    yield from _described(thing, _types(thing))
    for source in _sources(thing) if with_sources else ():
        yield f"{source}\n"
    for method_name, method in thing.members.items() if thing.is_class and name not in OF_A_FRAMEWORK else ():
        if method.is_function and not method_name.startswith("_"):
            yield f"#### {name}.{method_name}\n"
            yield from _code([_signature(method_name, method)])
            yield from _described(method, _types(method))
        elif method.is_attribute and "property" in method.labels and not method_name.startswith("_"):
            yield f"#### {name}.{method_name}\n"
            yield from _code([f"{method_name}: {method.annotation}"])
            yield from _described(method, {})


def _described(thing: griffe.Object, types: dict[str, str]) -> Iterator[str]:
    """The docstring: text, and lists of parameters, attributes and errors."""
    for section in thing.docstring.parsed if thing.docstring else ():
        if section.kind.value == "text":
            yield f"{_plain(section.value)}\n"
        elif section.kind.value in ("parameters", "attributes"):
            rows = [(each.name, types.get(each.name, ""), each.description) for each in section.value]
            yield "\n".join(_items(rows)) + "\n"
        elif section.kind.value == "raises":
            rows = [(str(each.annotation).strip("()"), "", each.description) for each in section.value]
            yield "Raises:\n\n" + "\n".join(_items(rows)) + "\n"
        elif section.kind.value == "returns":
            yield f"Returns: {_plain(' '.join(each.description for each in section.value))}\n"
        else:
            raise ValueError(f"{thing.path}: the section {section.kind.value} has no form on the page")
    fields = [(name, types[name], each.docstring.value) for name, each in _own_fields(thing) if each.docstring]
    if fields:
        yield "\n".join(_items(fields)) + "\n"


def _items(rows: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    for name, kind, text in rows:
        words = re.sub(r"\s+", " ", text)
        yield wrapped(f"- `{name}`{f' (`{kind}`)' if kind else ''}: {words}", "  ")


def _own_fields(thing: griffe.Object) -> list[tuple[str, griffe.Attribute]]:
    members = thing.members.items() if thing.is_class else ()
    fields = [(name, each) for name, each in members if each.is_attribute and not name.startswith("_")]
    return [(name, each) for name, each in fields if "property" not in each.labels]


def _types(thing: griffe.Object) -> dict[str, str]:
    """The type of each parameter and attribute; for settings the variable."""
    found: dict[str, str] = {}
    for name, each in _own_fields(thing):
        variable = re.search(r"validation_alias='(\w+)'", str(each.value or ""))
        found[name] = variable[1] if variable else str(each.annotation or each.value or "")
    function = thing if thing.is_function else thing.members.get("__init__") if thing.is_class else None
    found.update((each.name, str(each.annotation)) for each in (function.parameters if function is not None else ()))
    return found


def _constructor(name: str, thing: griffe.Object) -> str:
    bases = [str(base).rpartition(".")[2] for base in thing.bases]
    errors = [base for base in bases if base.endswith(("Error", "Exception", "Unavailable"))]
    if errors:
        return f"class {name}({', '.join(errors)})"
    if "__init__" in thing.members:
        return _signature(f"class {name}", thing.members["__init__"], returns=False)
    return f"class {name}({', '.join(bases)})" if bases else f"class {name}"


def _signature(name: str, function: griffe.Function, *, returns: bool = True) -> str:
    """The signature on one line, or on one for each parameter."""
    parameters, star = [], False
    for each in function.parameters:
        if each.name in ("self", "cls"):
            continue
        if each.kind is griffe.ParameterKind.keyword_only and not star:
            parameters.append("*")
            star = True
        several = each.kind is griffe.ParameterKind.var_positional
        default = f" = {each.default}" if each.default is not None and not several else ""
        parameters.append(f"{'*' if several else ''}{each.name}: {each.annotation}{default}")
    answer = f" -> {function.returns}" if returns and function.returns else ""
    name = f"await {name}" if "async" in function.labels else name
    line = f"{name}({', '.join(parameters)}){answer}"
    if len(line) <= CODE_LINE:
        return line
    lines = "".join(f"    {each},\n" for each in parameters)
    return f"{name}(\n{lines}){answer}"


def _code(lines: Iterable[str]) -> Iterator[str]:
    yield "```python\n" + "\n".join(lines) + "\n```\n"


def _sources(thing: griffe.Object) -> list[str]:
    """The sources that the docstring of the module names, if that of the name has none."""
    module = thing.module.docstring
    if module is None or (thing.docstring and re.search(r"RFC \d|section", thing.docstring.value)):
        return []
    return [_plain(found) for found in re.findall(r"^Sources?: .*?(?=\n\n|\Z)", module.value, re.MULTILINE | re.DOTALL)]


def _plain(text: str) -> str:
    """The paragraphs of a docstring. Indented blocks stay as they are."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        f"```yaml\n{inspect.cleandoc(each)}\n```" if each.startswith("    ") else wrapped(re.sub(r"\s+", " ", each))
        for each in paragraphs
    )
