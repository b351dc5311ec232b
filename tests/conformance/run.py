"""Tests with the programs of others: the MCP conformance suite against server, client and tenant, the TypeScript SDK's
server behind the gate, and Auth0's Deploy CLI against the tenant.

    make conformance [DO="short"]
    make conformance [DO="server-0.1 client-0.2 ..."]

`short` is the newest version of the suite against server and client, as in CI. Version 0.1 of the suite tests the
revisions with a handshake, version 0.2 the revision 2026-07-28.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from tests.conformance import client_scenarios, deploy_cli, server_scenarios, tenant_scenarios, upstream
from tests.conformance.on_fastmcp import OnFastMCP
from tests.conformance.suite import HERE
from tests.support.npm import installed

RUNS: dict[str, Callable[[Path], list[str]]] = {
    "server-0.1": lambda modules: server_scenarios.problems("0.1", modules),
    "server-0.2": lambda modules: server_scenarios.problems("0.2", modules),
    "fastmcp-0.1": lambda modules: server_scenarios.problems("0.1", modules, OnFastMCP),
    "fastmcp-0.2": lambda modules: server_scenarios.problems("0.2", modules, OnFastMCP),
    "upstream-0.1": lambda modules: upstream.scenarios("0.1", modules),
    "upstream-0.2": lambda modules: upstream.scenarios("0.2", modules),
    "everything": upstream.everything,
    "client-0.1": lambda modules: client_scenarios.problems("0.1", modules),
    "client-0.2": lambda modules: client_scenarios.problems("0.2", modules),
    "authorization": tenant_scenarios.problems,
    "deploy-cli": deploy_cli.problems,
}
SHORT = ("server-0.2", "client-0.2")


def main() -> int:
    """Exit code 0 if exactly the known failures fail."""
    chosen = list(SHORT) if sys.argv[1:] == ["short"] else sys.argv[1:] or list(RUNS)
    unknown = [name for name in chosen if name not in RUNS]
    if unknown:
        print(f"There is no {', '.join(unknown)}: choose of short, {', '.join(RUNS)}.")
        return 2
    folder = Path(os.environ.get("STACK_RUN_DIR") or HERE.parents[1] / ".run") / "conformance"
    modules = installed(folder, HERE / "package.json")
    logging.disable(logging.INFO)  # the SDK logs every request
    wrong = [problem for name in chosen for problem in RUNS[name](modules)]
    for problem in wrong:
        print(problem)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
