"""The page with the requirements of the MCP specification and their tests: docs/requirements.md.

.venv/bin/python -m tests.server.requirements_page
"""

from __future__ import annotations

from tests.server.requirements import REQUIREMENTS, Row
from tests.support.promises import ROOT, all_tests

PAGE = ROOT / "docs" / "requirements.md"
COMMAND = ".venv/bin/python -m tests.server.requirements_page"
HEAD = f"""\
# Requirements of the MCP specification

Made from [the table of the tests](../tests/server/requirements.py) by
`{COMMAND}`. Each link leads to the file of a test with that name
(`test_` is left out). More tests are marked with the row's number.

Sources, revision 2026-07-28 unless said otherwise: AUTH = basic/authorization, DISC = its page on discovery, SEC = its
security considerations, HTTP = basic/transports/streamable-http, SBP = the tutorial "Security best practices", MRTR =
basic/patterns/mrtr, BASE = basic, DSC = server/discover. Attacks and defences: [security.md](security.md).

| row | level | requirement | source | tests |
|---|---|---|---|---|
"""


def page() -> str:
    """The text of the page."""
    files = {name: path for path, name in all_tests()}
    return HEAD + "".join(_row(number, row, files) for number, row in REQUIREMENTS.items())


def _row(number: str, row: Row, files: dict[str, str]) -> str:
    links = [f"[{name.removeprefix('test_')}](../{files[name]})" for name in row.tests]
    tests = "<br>".join([*links, *([f"{row.owner}: {row.why}"] if row.why else [])])
    return f"| {number} | {row.level} | {row.text} | {row.source} | {tests} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
