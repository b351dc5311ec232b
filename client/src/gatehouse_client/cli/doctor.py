"""The command: what it prints."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ..causes.catalogue import ENTRIES
from ..doctor.findings import Finding, Mark
from ..doctor.page import page, section
from ..errors import Exit, UsageError
from ..terminal.output import Terminal


async def doctor(terminal: Terminal, *, register: bool, skip: Sequence[str]) -> Exit:
    """Make the checks and show them; `Exit.FAILED` where something is wrong.

    Raises:
        UsageError: there is no such check to skip.
        ConfigurationError: a setting is wrong in itself.
    """
    from ..account import Account  # `explain` needs nothing of all this
    from ..doctor.checkup import examine
    from ..identity import settings_for

    for check in skip:
        _known(check)
    settings = settings_for(terminal)
    account = Account.from_settings(settings, terminal.say, terminal.trace)
    with terminal.busy(f"Checking {settings.mcp_public_url} and its tenant"):
        findings = await examine(settings, account, terminal.trace, register=register, skip=skip)
    wrong = [finding for finding in findings if finding.mark is Mark.WRONG]
    if terminal.as_json:
        terminal.result_json({"ok": not wrong, "checks": [_as_json(finding) for finding in findings]})
    else:
        _show(terminal, findings)
    return Exit.FAILED if wrong else Exit.OK


def explain(terminal: Terminal, check: str) -> None:
    """Print what a check is about; of `all` the whole page.

    Raises:
        UsageError: there is no such check.
    """
    if check == "all":
        terminal.result(page().removesuffix("\n"))
    else:
        terminal.result(f"{check}: {section(ENTRIES[_known(check)])}")


def _known(check: str) -> str:
    if check not in ENTRIES:
        raise UsageError(f"There is no check {check!r}. There are: {', '.join(ENTRIES)}.")
    return check


def _show(terminal: Terminal, findings: Sequence[Finding]) -> None:
    width = max(len(check) for check in ENTRIES)
    for group, members in groupby(findings, key=lambda finding: ENTRIES[finding.check].group):
        terminal.result(group)
        for finding in members:
            terminal.result(f"  {finding.mark.value} {finding.check:<{width}}  {finding.seen}")
            if finding.mark is Mark.WRONG:
                _show_fix(terminal, finding, " " * (width + 6))
    counts = {mark: sum(finding.mark is mark for finding in findings) for mark in Mark}
    summary = f"{counts[Mark.OK]} well, {counts[Mark.WRONG]} wrong, {counts[Mark.UNKNOWN]} not checked."
    more = " `gatehouse doctor --explain CHECK` says more." if counts[Mark.WRONG] else ""
    terminal.result(f"{summary}{more}")


def _show_fix(terminal: Terminal, finding: Finding, indent: str) -> None:
    terminal.result(f"{indent}{ENTRIES[finding.check].advice}")
    for where, how in finding.fixes().items():
        for line in how.splitlines():
            terminal.result(f"{indent}{where}: {line}")


def _as_json(finding: Finding) -> dict[str, object]:
    entry = ENTRIES[finding.check]
    shown = {"group": entry.group, "check": finding.check, "result": finding.mark.name.lower(), "seen": finding.seen}
    wrong = finding.mark is Mark.WRONG
    return {**shown, **({"advice": entry.advice, "fix": finding.fixes()} if wrong else {})}
