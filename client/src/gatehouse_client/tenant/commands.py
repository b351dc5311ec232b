"""The commands `gatehouse tenant plan`, `apply`, `destroy` and `export`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigurationError, Exit, GatehouseError, UsageError
from ..terminal.output import Terminal
from .environment import environment, write_environment
from .existing import Existing, load_existing
from .file import TenantFile, load_tenant_file
from .management import Management
from .ownership import Ownership
from .planning import Plan, Step
from .removing import Removal
from .settings import TenantSettings, load_tenant_settings

HEADINGS = ("Action", "What", "Name", "Tenant → file")


@dataclass(frozen=True)
class Sources:
    """The files that a command reads."""

    file: Path
    users: Path | None = None


@dataclass
class _Comparison:
    """The tenant and the file."""

    settings: TenantSettings
    management: Management
    file: TenantFile
    ownership: Ownership
    existing: Existing

    def changes(self) -> list[Step]:
        return Plan(self.management, self.file, self.existing, self.ownership).steps()

    def removals(self) -> list[Step]:
        return Removal(self.management, self.file, self.existing, self.ownership).steps()

    def reload(self) -> None:
        self.existing = load_existing(self.management, self.file, self.ownership)


def plan(terminal: Terminal, sources: Sources) -> Exit:
    """Show what `apply` would do. Returns `Exit.DIFFERENT` if the tenant and the file differ."""
    with _compared(terminal, sources) as compared:
        changes = compared.changes()
    if terminal.as_json:
        terminal.result_json([change.as_json() for change in changes])
    elif changes:
        terminal.table(HEADINGS, [row for change in changes for row in _rows(change)])
    else:
        terminal.result(f"{compared.management.issuer} is as {sources.file} says.")
    return Exit.DIFFERENT if changes else Exit.OK


def apply(terminal: Terminal, sources: Sources, *, yes: bool, env_file: Path | None, show_secrets: bool) -> None:
    """Change the tenant to what the file says, and show the settings for `.env`.

    Raises:
        GatehouseError: the tenant refused a change, or it accepted a change without making it.
    """
    with _compared(terminal, sources, changes_tenant=True) as compared:
        changes = compared.changes()
        foreign = [change for change in changes if not change.ours]
        if foreign and not yes:
            terminal.table(HEADINGS, [row for change in foreign for row in _rows(change)])
            _confirm(terminal, f"`apply` did not create this. Change it at {compared.management.issuer}?")
        _carry_out(terminal, changes)
        # The tenant is read again: it now has secrets, and it may not have made every change.
        compared.reload()
        found = environment(compared.file, compared.existing, compared.settings, compared.management.issuer)
        remaining = compared.changes()
    if env_file is not None:
        write_environment(env_file, found)
        terminal.say(f"{env_file} has the settings and secrets. Only you can read it.")
    shown = {**found.public, **(found.secrets if show_secrets else {})}
    if terminal.as_json:
        terminal.result_json({"changes": [change.as_json() for change in changes], "environment": shown})
    else:
        for name, value in shown.items():
            terminal.result(f"{name}={value}")
    if found.secrets and env_file is None and not show_secrets:
        terminal.say(f"Not shown: {', '.join(found.secrets)}. --env-file .env writes them, --show-secrets shows them.")
    for name in found.withheld:
        terminal.say(f"The tenant does not show {name}: the management application lacks the scope read:client_keys.")
    if remaining:
        lines = [f"The tenant refused nothing, but it still differs from {sources.file}:"]
        for step in remaining:
            reason = "; ".join(str(each) for each in step.differences or ()) or "it is missing"
            lines.append(f"  {step.kind} {step.name}: {reason}")
        raise GatehouseError("\n".join(lines))


def destroy(terminal: Terminal, sources: Sources, *, yes: bool) -> None:
    """Remove what the file names."""
    with _compared(terminal, sources, changes_tenant=True) as compared:
        removals = compared.removals()
        if removals and not yes:
            terminal.table(HEADINGS[:3], [(each.action, each.kind, _marked(each)) for each in removals])
            _confirm(terminal, f"Remove this from {compared.management.issuer}? It cannot be undone.")
        _carry_out(terminal, removals)
    removed = {(each.kind, each.name) for each in removals}
    for name in compared.existing.connections:
        if ("connection", name) not in removed:
            terminal.say(f"The connection {name} stays: `apply` did not create it, and it has people's accounts.")
    if terminal.as_json:
        terminal.result_json([each.as_json() for each in removals])
    elif not removals:
        terminal.result(f"{compared.management.issuer} has nothing that {sources.file} names.")


def _load_file(sources: Sources, settings: TenantSettings) -> TenantFile:
    return load_tenant_file(sources.file, settings.keywords(), sources.users)


@contextmanager
def _compared(terminal: Terminal, sources: Sources, *, changes_tenant: bool = False) -> Iterator[_Comparison]:
    settings = load_tenant_settings()
    file = _load_file(sources, settings)
    if file.ignored:
        terminal.say(f"Not handled in {sources.file}: {', '.join(file.ignored)}. The Deploy CLI may handle them.")
    for note in file.notes:
        terminal.say(note)
    if changes_tenant and file.missing:
        raise ConfigurationError(
            f"A keyword without a value would reach the tenant as text: {', '.join(file.missing)}."
        )
    with Management(settings, terminal.trace) as management:
        ownership = Ownership.load(settings.gatehouse_home, management.issuer)
        existing = load_existing(management, file, ownership)
        yield _Comparison(settings, management, file, ownership, existing)


def _carry_out(terminal: Terminal, steps: Sequence[Step]) -> None:
    done = 0
    try:
        for step in steps:
            terminal.say(f"[{done + 1}/{len(steps)}] {step.action} {step.kind} {step.name}")
            step.carry_out()
            done += 1
    except (GatehouseError, KeyboardInterrupt):
        terminal.say(f"{done} of {len(steps)} steps are done. Run the same command again to continue.")
        raise


def _confirm(terminal: Terminal, question: str) -> None:
    if terminal.ask(f"{question} [y/N] ").lower() not in ("y", "yes"):
        raise UsageError("Nothing was changed. --yes answers the question in advance.")


def _rows(step: Step) -> list[tuple[str, ...]]:
    return [(step.action, step.kind, _marked(step), str(each)) for each in step.differences or ("",)]


def _marked(step: Step) -> str:
    return step.name if step.ours else f"{step.name} (not created by apply)"
