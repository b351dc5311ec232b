"""Programs of others that are judged by checks: what is expected to miss, and the table of it in a page of docs/."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

WAIT_SECONDS = 150
"""nanoidp's shortest tokens live for 60 seconds; the server allows clocks to differ by 30."""


class Miss(AssertionError):
    """A requirement that is not met. The message says what was seen."""


class CannotDo(Exception):
    """The program does not have this function. The message is the reason."""


@dataclass(frozen=True)
class Expected:
    """One expected miss.

    Attributes:
        seen: words of what is seen, so that another fault is not taken for this one.
        reason: why, and whose limit it is.
    """

    seen: str
    reason: str


@dataclass(frozen=True)
class Judgement:
    """What is judged: checks over programs. Without the first check nothing else is checked.

    Attributes:
        checks: by a word for the command line, what must hold.
        titles: by the program's name, its name with the version.
        misses: by the program's name and the check's word, what is expected not to hold.
    """

    checks: Mapping[str, str]
    titles: Mapping[str, str]
    misses: Mapping[str, Mapping[str, Expected]]

    def report(self, name: str, seen: Mapping[str, str], remark: str = "") -> list[str]:
        """Print what was seen of one program. Returns the problems: what differs from what is expected.

        Args:
            seen: by the check's word, what was seen; empty if the check held.
        """
        expected, wrong = self.misses.get(name, {}), []
        print(f"\n{self.titles[name]}{remark}", flush=True)
        for check, miss in seen.items():
            known = expected.get(check)
            print(
                f"  {'MISS' if miss else 'ok  '} {check:<10} {known.reason if miss and known else self.checks[check]}"
            )
            if miss and known is None:
                wrong.append(f"{name}, {check}: {miss}")
            elif miss and known is not None and known.seen not in miss:
                wrong.append(f"{name}, {check}: not the expected miss ({known.seen}), but: {miss}")
            elif not miss and known is not None:
                wrong.append(f"{name}, {check}: holds, and must leave expected_misses.py")
        return wrong

    def table(self) -> str:
        """The table as Markdown, with the numbered reasons of what does not hold."""
        first = next(iter(self.checks))
        reasons = list(dict.fromkeys(miss.reason for name in self.titles for miss in self._expected(name).values()))

        def cell(name: str, check: str) -> str:
            misses = self._expected(name)
            if first in misses and check != first:
                return "–"
            miss = misses.get(check)
            return "yes" if miss is None else f"no ({reasons.index(miss.reason) + 1})"

        rows = [["", *self.titles.values()], ["---"] * (len(self.titles) + 1)]
        rows += [[text, *(cell(name, check) for name in self.titles)] for check, text in self.checks.items()]
        if len(self.titles) > len(self.checks):
            rows = _turned(rows)
        return paragraphs(
            [f"| {' | '.join(row)} |" for row in rows],
            ["What does not hold:"],
            [f"{number}. {reason}" for number, reason in enumerate(reasons, 1)],
        )

    def _expected(self, name: str) -> Mapping[str, Expected]:
        return self.misses.get(name, {})


def wait_until(what: str, holds: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    """Wait for a condition.

    Raises:
        Miss: it did not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise Miss(f"not in {seconds:.0f} s: {what}")
        time.sleep(0.2)


def paragraphs(*blocks: Iterable[str]) -> str:
    """Blocks of lines, with an empty line before each."""
    return "".join("\n".join(["", *block, ""]) for block in blocks)


class GeneratedPart:
    """The part of a page between two markers that a command writes.

    Args:
        page: the Markdown file.
        name: the words in the markers.
    """

    def __init__(self, page: Path, name: str) -> None:
        self._page = page
        self._begin, self._end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"

    def write(self, text: str) -> None:
        before, _, after = self._parts()
        self._page.write_text(f"{before}{self._begin}{text}{self._end}{after}", encoding="utf-8")

    def read(self) -> str:
        return self._parts()[1]

    def _parts(self) -> tuple[str, str, str]:
        before, _, rest = self._page.read_text(encoding="utf-8").partition(self._begin)
        part, _, after = rest.partition(self._end)
        return before, part, after


def _turned(rows: list[list[str]]) -> list[list[str]]:
    """The table with a row for each program."""
    head, _, *body = rows
    columns = list(zip(head, *body, strict=True))
    return [list(columns[0]), ["---"] * len(columns[0]), *(list(column) for column in columns[1:])]
