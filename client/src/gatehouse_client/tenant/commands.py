"""The commands `gatehouse tenant plan`, `apply`, `destroy` and `export`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigurationError, Exit, GatehouseError, UsageError
from ..terminal.output import Terminal
from .environment import environment, require_writable, write_environment
from .existing import Existing, load_existing
from .file import TenantFile, load_tenant_file
from .management import InsufficientScope, Management
from .members import give, role_with
from .ownership import Ownership
from .planning import Plan, Step
from .removing import Removal
from .settings import TenantSettings, load_tenant_settings

HEADINGS = ("Action", "What", "Name", "Tenant → file")
_WITHHELD = (
    "Put {name} into .env, from the dashboard: Applications > Applications > the application > Settings. The"
    " management application lacks the scope read:client_keys, so the tenant does not show it here."
)
_GIVE_ROLE = (
    "Give the role {name} to each person who may use the server. {nobody}Without it the server answers 403."
    " By command: gatehouse tenant apply --give-role E-MAIL. In the dashboard: User Management > Users > the user >"
    " Roles > Assign Roles."
)
_RESTART = "Restart the server (`make down && make up`), then check everything with `gatehouse doctor`."


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


def apply(
    terminal: Terminal,
    sources: Sources,
    *,
    yes: bool,
    env_file: Path | None,
    show_secrets: bool,
    give_role: Sequence[str] = (),
) -> None:
    """Change the tenant to what the file says, show the settings for `.env`, and say what remains to be done.

    Args:
        give_role: the people who get the role that the server requires, by e-mail address or user id.

    Raises:
        UsageError: a person has no account, or the file has no such role.
        GatehouseError: the tenant refused a change, or it accepted a change without making it.
    """
    if env_file is not None:
        require_writable(env_file)
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
        to_do = [_WITHHELD.format(name=name) for name in found.withheld]
        to_do += _for_people(terminal, compared, give_role, may_ask=not yes)
    is_written = env_file or compared.settings.auth0_client_id == found.public.get("AUTH0_CLIENT_ID")
    to_do.append(_RESTART if is_written else f"Put the settings into .env. {_RESTART}")
    shown = {**found.public, **(found.secrets if show_secrets else {})}
    if terminal.as_json:
        done = [change.as_json() for change in changes]
        terminal.result_json({"changes": done, "environment": shown, "to_do": to_do})
    else:
        for name, value in shown.items():
            terminal.result(f"{name}={value}")
    if found.secrets and env_file is None and not show_secrets:
        terminal.say(f"Not shown: {', '.join(found.secrets)}. --env-file .env writes them, --show-secrets shows them.")
    if remaining:
        lines = [f"The tenant refused nothing, but it still differs from {sources.file}:"]
        for step in remaining:
            reason = "; ".join(str(each) for each in step.differences or ()) or "it is missing"
            lines.append(f"  {step.kind} {step.name}: {reason}")
        raise GatehouseError("\n".join(lines))
    if not terminal.as_json:
        terminal.say("\n".join(["What remains to be done:", *(f"  - {line}" for line in to_do)]))


def _for_people(terminal: Terminal, compared: _Comparison, people: Sequence[str], *, may_ask: bool) -> list[str]:
    """Give people the role that the server requires. Returns what remains to be done for people."""
    permission = compared.settings.required_permission
    name = role_with(compared.file, permission)
    role = compared.existing.roles.get(name or "")
    if role is None:
        if people:
            raise UsageError(f"No role in the tenant file has the permission {permission}, so none can be given.")
        return []
    try:
        somebody = bool(people) or compared.management.has_members(role)
    except InsufficientScope:
        somebody = None
    if somebody is False and may_ask and terminal.is_conversation:
        answer = terminal.ask(f"Nobody has the role {name}. Who gets it? (e-mail address or user id; empty: nobody) ")
        people = [answer] if answer else []
    for person in people:
        give(compared.management, role, person)
        terminal.say(f"{person} has the role {name}.")
    nobody = "" if somebody is None else "Nobody has it yet. "
    return [] if somebody or people else [_GIVE_ROLE.format(name=name, nobody=nobody)]


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
