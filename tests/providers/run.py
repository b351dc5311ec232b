"""Gatehouse behind identity providers of others: real processes of each on this machine, without the internet.

    make providers [DO="nanoidp rotation"]  judges all, or these providers and checks
    make providers DO=table                writes what is expected into docs/providers.md

Server and agent are the real ones, and know the provider by environment variables only; a scripted browser takes the
place of the person. What a provider cannot do is in expected_misses.py.
"""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.providers import table
from tests.providers.auth0_simulator import Auth0Simulator
from tests.providers.checks import CHECKS, SIGN_IN
from tests.providers.django_oauth_toolkit import DjangoOAuthToolkit
from tests.providers.nanoidp import NanoIdp, NanoIdpRoles
from tests.providers.oidc_provider import OidcProvider
from tests.providers.provider import Provider
from tests.providers.world import World
from tests.support import no_way_out, npm
from tests.support.judged import CannotDo, Miss

HERE = Path(__file__).parent
PROVIDERS: dict[str, type[Provider]] = {
    kind.name: kind for kind in (OidcProvider, NanoIdp, NanoIdpRoles, DjangoOAuthToolkit, Auth0Simulator)
}
KINDS = list(PROVIDERS.values())


def main() -> int:
    """Exit code 0 if exactly the expected misses were seen."""
    if sys.argv[1:] == ["table"]:
        table.PART.write(table.text(KINDS))
        return 0
    unknown = [name for name in sys.argv[1:] if name not in (*PROVIDERS, *CHECKS)]
    if unknown:
        print(f"There is no {', '.join(unknown)}: choose of table, {', '.join((*PROVIDERS, *CHECKS))}.")
        return 2
    folder = Path(os.environ.get("STACK_RUN_DIR") or HERE.parents[1] / ".run") / "providers"
    if not no_way_out.is_inside():
        npm.installed(folder, HERE / "package.json")
        return no_way_out.run_again(__file__, sys.argv[1:])
    no_way_out.enter()
    providers = [name for name in sys.argv[1:] if name in PROVIDERS] or list(PROVIDERS)
    checks = [name for name in CHECKS if name in sys.argv[1:]] or list(CHECKS)
    # Most of the time is spent waiting until a token has expired.
    with ThreadPoolExecutor(len(providers)) as pool:
        judged = pool.map(lambda name: _judge(PROVIDERS[name], checks, folder / "node_modules"), providers)
        report = table.judgement(KINDS).report
        wrong = [
            problem
            for name, seen in zip(providers, judged, strict=True)
            for problem in report(name, seen, f": {PROVIDERS[name].setting}")
        ]
    if table.PART.read() != table.text(KINDS):
        wrong.append("docs/providers.md: the table is not the expected one. `make providers DO=table` writes it.")
    for problem in wrong:
        print(problem)
    return 1 if wrong else 0


def _judge(kind: type[Provider], checks: list[str], modules: Path) -> dict[str, str]:
    """What was seen, by the check's name; empty if it holds. Without a sign-in nothing else is checked."""
    seen = {}
    python = Path(os.environ["PROVIDERS_PYTHON"])
    with tempfile.TemporaryDirectory(prefix=f"{kind.name}-") as folder:
        world = World(kind, Path(folder), modules, python)
        try:
            world.start_provider()
            world.start_server()
            for name in checks:
                try:
                    CHECKS[name](world)
                    seen[name] = ""
                except (Miss, CannotDo) as miss:
                    seen[name] = str(miss)
                if name == SIGN_IN and seen[name]:
                    break
        finally:
            world.close()
    return seen


if __name__ == "__main__":
    sys.exit(main())
