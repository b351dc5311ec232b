"""The command `gatehouse doctor`, and the page `docs/troubleshooting.md` that it prints."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from ..causes.catalogue import ENTRIES, Entry
from ..causes.providers import AUTH0, AUTH0_CHECKS, OTHERS_CHECKS, TITLES, entry_for, spoken_profile
from ..doctor.findings import Finding, Mark
from ..errors import Exit, UsageError
from ..terminal.invocation import as_typed
from ..terminal.output import Terminal

_HEAD: Final = """# Troubleshooting

`gatehouse doctor` runs these checks. It shows the fix below each line that it marks with ✗. An error message of the
agent names the check that explains it. `gatehouse doctor --explain CHECK` prints one section of this page, and
`gatehouse doctor --explain all` prints the whole page.

| what you see | check |
|---|---|
"""


async def doctor(terminal: Terminal, *, others: bool, register: bool, skip: Sequence[str]) -> Exit:
    """Run the checks and show the findings. Returns `Exit.FAILED` if the configured way to sign in does not work.

    Args:
        others: whether also to run the checks that only clients of other people need. They do not change the result.
        register: whether to register such a client for them.

    Raises:
        UsageError: `skip` names an unknown check.
        ConfigurationError: a setting is invalid, or the machine's proxy or certificate authorities are.
    """
    from ..account import Account  # `explain` does not need these
    from ..doctor.graph import examine, only_for_others
    from ..identity import settings_for
    from ..signin.http.network import authorities
    from ..signin.http.proxies import proxy_for

    for check in skip:
        _known(check)
    settings = settings_for(terminal)
    account = Account.from_settings(settings, terminal.say, terminal.trace)
    # No check can say anything without them.
    authorities(settings.auth0_ca_file)
    for url in filter(None, (settings.mcp_public_url, settings.issuer)):
        proxy_for(url)
    of_others = only_for_others(settings)
    left_out = frozenset() if others or register else of_others
    with terminal.busy(f"Checking {settings.mcp_public_url} and its tenant"):
        findings = await examine(settings, account, terminal.trace, register=register, skip=left_out.union(skip))
    works = not any(finding.mark is Mark.WRONG for finding in findings if finding.check not in of_others)
    if terminal.as_json:
        shown = [{**_as_json(finding), "only_for_others": finding.check in of_others} for finding in findings]
        terminal.result_json({"ok": works, "checks": shown})
    else:
        _show(terminal, [finding for finding in findings if finding.check not in of_others])
        if shown_for_others := [finding for finding in findings if finding.check in of_others]:
            terminal.result("\nNot needed here. MCP clients of other people, such as editors, need it:")
            _show(terminal, shown_for_others)
        else:
            terminal.result(as_typed("`gatehouse doctor --others` also checks what MCP clients of other people need."))
    return Exit.OK if works else Exit.FAILED


def explain(terminal: Terminal, check: str) -> None:
    """Explain a check, or print the whole page for `all`.

    Raises:
        UsageError: the check is unknown.
    """
    profile = spoken_profile()
    if check == "all":
        terminal.result(page(profile).removesuffix("\n"))
    else:
        shown = AUTH0 if _known(check) in AUTH0_CHECKS else profile
        shown = "oidc" if check in OTHERS_CHECKS and profile == AUTH0 else shown
        terminal.result(as_typed(f"{check}: {_section(entry_for(check, shown), TITLES[shown])}"))


def _known(check: str) -> str:
    if check not in ENTRIES:
        raise UsageError(f"There is no check {check!r}. The checks are {', '.join(ENTRIES)}.")
    return check


def _show(terminal: Terminal, findings: Sequence[Finding]) -> None:
    width = max(len(check) for check in ENTRIES)
    for group, members in groupby(findings, key=lambda finding: ENTRIES[finding.check].group):
        terminal.result(group)
        for finding in members:
            terminal.labelled(f"  {finding.mark.value} {finding.check}", as_typed(finding.seen), width + 6)
            if finding.mark is Mark.WRONG:
                _show_fix(terminal, finding, width + 6)
    counts = {mark: sum(finding.mark is mark for finding in findings) for mark in Mark}
    summary = f"{counts[Mark.OK]} ok, {counts[Mark.WRONG]} wrong, {counts[Mark.UNKNOWN]} not checked."
    more = " `gatehouse doctor --explain CHECK` says more." if counts[Mark.WRONG] else ""
    terminal.result(as_typed(f"{summary}{more}"))


def _show_fix(terminal: Terminal, finding: Finding, indent: int) -> None:
    terminal.labelled("", as_typed(finding.advice or finding.entry.advice), indent)
    for place, fix in finding.fixes().items():
        for line in fix.splitlines():
            terminal.labelled("", f"{place}: {line}", indent)


def _as_json(finding: Finding) -> dict[str, object]:
    shown = {
        "group": ENTRIES[finding.check].group,
        "check": finding.check,
        "result": finding.mark.name.lower(),
        "seen": finding.seen,
    }
    wrong = finding.mark is Mark.WRONG
    advice = finding.advice or finding.entry.advice
    return {**shown, **({"advice": advice, "fix": finding.fixes()} if wrong else {})}


def page(profile: str = AUTH0) -> str:
    """The page of all checks for tenants of a provider, in Markdown."""
    left_out = OTHERS_CHECKS if profile == AUTH0 else AUTH0_CHECKS
    names = [check for check in ENTRIES if check not in left_out]
    checks = {check: entry_for(check, profile) for check in names}
    symptoms = [(seen.replace("|", "\\|"), check) for check, entry in checks.items() for seen in entry.symptoms]
    rows = [f"| {seen} | [`{check}`](#{check}) |" for seen, check in symptoms]
    parts = [_HEAD + "\n".join(rows)]
    for group, entries in groupby(checks.items(), key=lambda item: item[1].group):
        parts.append(f"## {group}")
        parts += [f"### {check}\n\n{_section(entry, TITLES[profile])}" for check, entry in entries]
    return "\n\n".join(parts) + "\n"


def _section(entry: Entry, title: str) -> str:
    parts = [entry.title, f"**Seen:** {'; '.join(entry.symptoms)}"]
    parts += [f"**Cause:** {entry.cause}", f"**Fix:** {entry.advice}"]
    fixes = [f"- In {title}'s dashboard: {entry.dashboard}"] if entry.dashboard else []
    fixes += [f"- By command: `{entry.command}`"] if entry.command else []
    if entry.environment:
        fixes.append(f"- In `.env`: {', '.join(f'`{line}`' for line in entry.environment.splitlines())}")
    parts += ["\n".join(fixes)] if fixes else []
    parts += [f"**Not established:** {entry.unsure}"] if entry.unsure else []
    return "\n\n".join(parts)
