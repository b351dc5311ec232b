"""What a person reads: the list of commands, and after `make up` the URLs, the users and what to do next."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable

import environment
from environment import ROOT, Environment
from report import bold, say
from runtime import Runtime

_INDENT = "  "
_NARROW = 30
"""Columns that the right side of two columns needs; with fewer it has a line of its own."""
_ASK = 'make ask Q="What time is it now?"'
Rows = Iterable[tuple[str, str]]


def commands(*, everything: bool) -> None:
    """Print the first commands, or all of them, by group, from the comments of the Makefile."""
    groups = _groups()
    say(f"{bold('Gatehouse')}: an MCP server that only lets the right people in")
    for title in groups if everything else list(groups)[:1]:
        say(f"\n{bold(title)}")
        _print(groups[title], 18)
    rest = sum(map(len, groups.values())) - len(next(iter(groups.values())))
    say(f"\n{bold('Options')}")
    options = [
        ("RUNTIME=local", "processes in .venv; RUNTIME=docker: containers. By default containers, if Docker answers"),
        ("PORTS=auto", "make up moves taken ports to free ones, and writes them into .env"),
    ]
    if everything:
        options += [
            ("ENV=prod", "up, down, restart, reload and logs in production (docs/production.md)"),
            ("T=path::test", "one test: make test T=tests/server/auth/test_gate.py"),
        ]
    else:
        options += [("make help DO=all", f"the other {rest} commands: production, tests, documents")]
    _print(options, 18)


def _groups() -> dict[str, list[tuple[str, str]]]:
    """The commands with their meanings, by the title of their group."""
    found: dict[str, list[tuple[str, str]]] = {}
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for title, target, meaning in re.findall(r"^(?:##@ (.+)|([a-z0-9]+):.*?## (.+))$", text, re.MULTILINE):
        if title:
            found[title] = []
        elif found:
            found[list(found)[-1]].append((f"make {target}", meaning))
    return found


def welcome(settings: Environment, runtime: Runtime) -> None:
    """Print where the stack is, who can sign in, and what to do next in this person's situation."""
    say()
    _print(_places(settings), 13)
    say(f"\n{bold('Next')}")
    if settings.offline:
        steps = [
            ("make demo", "shows sign-in, refusal and tool call"),
            (_ASK, "signs in and asks the agent"),
            (settings.issuer, "shows the tenant's users, settings and log"),
            ("docs/tutorial.md", "leads to a tool of your own"),
        ]
    elif runtime.signed_in():
        steps = [(_ASK, "asks the agent"), ("make doctor", "checks server, tenant and your sign-in")]
    else:
        steps = [
            ("make doctor", f"says what the {_kind(settings)} still lacks"),
            ("make client DO=login", "signs you in"),
            (_ASK, "asks the agent"),
        ]
    if settings.given("OIDC_ISSUER"):
        steps.append(("docs/providers.md", "has the set-up of each provider"))
    _print([*steps, ("make logs", "shows the decisions of the server"), ("make down", "stops everything")], 36)


def production_welcome(url: str, image: str) -> None:
    """Print where the server is, and what to do next in production."""
    say()
    _print([("MCP server", bold(url)), ("Image", image)], 13)
    say(f"\n{bold('Next')}")
    steps = [
        ("docs/clients.md", "how clients connect to this URL"),
        ("make logs ENV=prod", "shows the decisions of the server"),
        ("make restart ENV=prod", "applies a change of .env.prod; no call is lost"),
        ("make down ENV=prod", "stops everything"),
    ]
    _print(steps, 36)


def _kind(settings: Environment) -> str:
    return "provider" if settings.given("OIDC_ISSUER") else "tenant"


def _places(settings: Environment) -> Rows:
    yield "MCP server", bold(settings.public_url)
    offline = "  (offline, for development only)" if settings.offline else ""
    yield _kind(settings).capitalize(), f"{bold(settings.issuer)}{offline}"
    if settings.offline:
        if settings["MOCK_IDP_TLS_PORT"]:
            yield "", f"https://localhost:{settings['MOCK_IDP_TLS_PORT']}/  (the same over TLS)"
        yield "Users", "alice@example.com / Wonderland-1   may use the server"
        yield "", "bob@example.com   / Builder-2      may not: 403"
    if settings.own_tls:
        yield "Authority", str(environment.AUTHORITY)
        yield (
            "",
            "The certificate of the stack's own authority. Browsers and clients must trust it: import it, or set"
            " AUTH0_CA_FILE (agent), SSL_CERT_FILE or NODE_EXTRA_CA_CERTS to its path.",
        )
    if settings.offline and settings.bind_address not in environment.LOOPBACK_HOSTS:
        yield "Warning", "The offline tenant's users and secrets are public, and other machines can reach it."


def _print(rows: Rows, left: int) -> None:
    """Print two columns, wrapped on a terminal.

    Args:
        left: the width of the first column.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    for name, text in rows:
        beside = width >= len(_INDENT) + left + _NARROW
        indent = _INDENT + " " * (left if beside else 2)
        wrapped = textwrap.wrap(text, width - len(indent), break_long_words=False, break_on_hyphens=False)
        if beside and len(name) < left:
            say(f"{_INDENT}{name:<{left}}{wrapped[0]}")
            wrapped = wrapped[1:]
        elif name:
            say(f"{_INDENT}{name}")
        for line in wrapped:
            say(f"{indent}{line}")
