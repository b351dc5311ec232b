"""The texts of all checks as a page: `docs/troubleshooting.md`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from ..causes.catalogue import ENTRIES, Entry

_HEAD = """# Troubleshooting

`gatehouse doctor` makes these checks; each line that it marks ✗ comes with its fix. An error of the agent names the
check that it belongs to. `gatehouse doctor --explain CHECK` prints one of the sections below, `--explain all`
this page.

| what you see | check |
|---|---|
"""


def page() -> str:
    """The whole page, in Markdown."""
    rows = [f"| {_cell(seen)} | [`{check}`](#{check}) |" for check, entry in ENTRIES.items() for seen in entry.symptoms]
    parts = [_HEAD + "\n".join(rows)]
    for group, entries in groupby(ENTRIES.items(), key=lambda item: item[1].group):
        parts.append(f"## {group}")
        parts += [f"### {check}\n\n{section(entry)}" for check, entry in entries]
    return "\n\n".join(parts) + "\n"


def section(entry: Entry) -> str:
    """One check, in Markdown."""
    return "\n\n".join(_paragraphs(entry))


def _paragraphs(entry: Entry) -> Iterator[str]:
    yield entry.title
    yield "**Seen:** " + "; ".join(entry.symptoms)
    yield f"**Cause:** {entry.cause}"
    yield f"**Fix:** {entry.advice}"
    fixes = [f"- In Auth0's dashboard: {entry.dashboard}"] if entry.dashboard else []
    fixes += [f"- By command: `{entry.command}`"] if entry.command else []
    fixes += (
        [f"- In `.env`: {', '.join(f'`{line}`' for line in entry.environment.splitlines())}"]
        if entry.environment
        else []
    )
    if fixes:
        yield "\n".join(fixes)
    if entry.unsure:
        yield f"**Not established:** {entry.unsure}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
