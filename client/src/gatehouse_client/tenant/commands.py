"""What `gatehouse tenant plan`, `apply`, `destroy` and `export` do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import Exit, GatehouseError, UsageError
from ..terminal.output import Terminal
from .environment import environment, write_environment
from .existing import Present, load_present
from .exporting import FORMATS
from .file import TenantFile, load_tenant_file
from .management import Management
from .ownership import Record
from .planning import Change, Plan
from .removing import Removal, Removals
from .settings import TenantSettings, load_tenant_settings

HEADINGS = ("Action", "What", "Name", "Tenant → file")


@dataclass(frozen=True)
class Sources:
    """The files that a command reads."""

    file: Path
    users: Path | None = None


@dataclass(frozen=True)
class _Work:
    """The tenant, the file, and what is known of both."""

    settings: TenantSettings
    management: Management
    file: TenantFile
    present: Present
    record: Record

    def changes(self) -> list[Change]:
        return Plan(self.management, self.file, self.present, self.record).changes()


def plan(terminal: Terminal, sources: Sources) -> Exit:
    """Show what `apply` would do. DIFFERENT when there is something."""
    with _opened(terminal, sources) as work:
        changes = work.changes()
    if terminal.as_json:
        terminal.result_json([change.as_json() for change in changes])
    elif changes:
        terminal.table(HEADINGS, [row for change in changes for row in _rows(change)])
    else:
        terminal.result(f"{work.management.issuer} is as {sources.file} says.")
    return Exit.DIFFERENT if changes else Exit.OK


def apply(terminal: Terminal, sources: Sources, *, yes: bool, env_file: Path | None, show_secrets: bool) -> None:
    """Bring the tenant to what the file says, and tell what to put into `.env`.

    Raises:
        GatehouseError: the tenant refused, or kept something otherwise than it was sent.
    """
    with _opened(terminal, sources) as work:
        changes = work.changes()
        foreign = [change for change in changes if not change.ours]
        if foreign and not yes:
            terminal.table(HEADINGS, [row for change in foreign for row in _rows(change)])
            _confirm(terminal, f"`apply` did not make this. Change it at {work.management.issuer}?")
        _carry_out(terminal, changes)
        # Once more, for the secrets and for what the tenant made of it.
        present = load_present(work.management, work.file, work.record)
        found = environment(work.file, present, work.settings, work.management.issuer)
        remaining = Plan(work.management, work.file, present, work.record).changes()
    if env_file is not None:
        write_environment(env_file, found)
        terminal.say(f"{env_file} has the settings and secrets (readable by you only).")
    shown = {**found.public, **(found.secrets if show_secrets else {})}
    if terminal.as_json:
        terminal.result_json({"changes": [change.as_json() for change in changes], "environment": shown})
    else:
        for name, value in shown.items():
            terminal.result(f"{name}={value}")
    if found.secrets and env_file is None and not show_secrets:
        terminal.say(f"Not shown: {', '.join(found.secrets)}. --env-file .env writes them, --show-secrets shows them.")
    for name in found.withheld:
        terminal.say(f"{name} is not shown by the tenant: the management application lacks read:client_keys.")
    if remaining:
        lines = [f"The tenant did not take on all of the file ({sources.file}), though it refused nothing:"]
        raise GatehouseError("\n".join([*lines, *(f"  {each.kind} {each.name}: {_told(each)}" for each in remaining)]))


def destroy(terminal: Terminal, sources: Sources, *, yes: bool) -> None:
    """Take away what the file names."""
    with _opened(terminal, sources) as work:
        found = Removals(work.management, work.file, work.present, work.record).steps()
        if found and not yes:
            terminal.table(HEADINGS[:3], [(each.action, each.kind, _marked(each)) for each in found])
            _confirm(terminal, f"Take this away from {work.management.issuer}? It cannot be undone.")
        _carry_out(terminal, found)
        kept = [
            name for name in work.present.connections if ("connection", name) not in {(f.kind, f.name) for f in found}
        ]
    for name in kept:
        terminal.say(f"The connection {name} stays: `apply` did not make it, and people's accounts are in it.")
    if terminal.as_json:
        terminal.result_json([each.as_json() for each in found])
    elif not found:
        terminal.result(f"{work.management.issuer} has nothing of what {sources.file} names.")


def export(terminal: Terminal, sources: Sources, form: str) -> None:
    """Print the file for another tool."""
    settings = load_tenant_settings()
    file = load_tenant_file(sources.file, settings.keywords(), sources.users)
    if form not in FORMATS:
        raise UsageError(f"There is no format {form}: it must be one of {', '.join(FORMATS)}.")
    terminal.result(FORMATS[form](file).rstrip("\n"))


@contextmanager
def _opened(terminal: Terminal, sources: Sources) -> Iterator[_Work]:
    settings = load_tenant_settings()
    file = load_tenant_file(sources.file, settings.keywords(), sources.users)
    if file.ignored:
        terminal.say(f"Not looked at in {sources.file}: {', '.join(file.ignored)}. The Deploy CLI may know it.")
    with Management(settings, terminal.trace) as management:
        record = Record.load(settings.gatehouse_home, management.issuer)
        yield _Work(settings, management, file, load_present(management, file, record), record)


def _carry_out(terminal: Terminal, steps: Sequence[Change | Removal]) -> None:
    done = 0
    try:
        for step in steps:
            terminal.say(f"[{done + 1}/{len(steps)}] {step.action} {step.kind} {step.name}")
            step.carry_out()
            done += 1
    except (GatehouseError, KeyboardInterrupt):
        terminal.say(f"{done} of {len(steps)} steps are done. The same command goes on from there.")
        raise


def _confirm(terminal: Terminal, question: str) -> None:
    if terminal.ask(f"{question} [y/N] ").lower() not in ("y", "yes"):
        raise UsageError("Nothing was changed. --yes answers the question beforehand.")


def _rows(change: Change) -> list[tuple[str, ...]]:
    told = [str(each) for each in change.differences] or [""]
    return [(change.action, change.kind, _marked(change), each) for each in told]


def _marked(step: Change | Removal) -> str:
    return step.name if step.ours else f"{step.name} (not made by apply)"


def _told(change: Change) -> str:
    return "; ".join(str(each) for each in change.differences) or "it is missing"
