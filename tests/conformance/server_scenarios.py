"""The suite's server scenarios against the protected scenario server."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests.conformance.known_failures import SERVER
from tests.conformance.on_fastmcp import OnFastMCP
from tests.conformance.protected_server import protected_scenario_server
from tests.conformance.scenario_server import OnMCPServer
from tests.conformance.suite import SECONDS, command, report, results_in

ARGUMENTS = {"0.1": ("--suite", "active"), "0.2": ("--requirements", "2026-07-28")}
SESSIONS = {"0.1": True, "0.2": False}


def problems(version: str, modules: Path, kind: type[OnMCPServer | OnFastMCP] = OnMCPServer) -> list[str]:
    """Run the scenarios of the suite's version. Returns the unexpected results."""
    arguments = ARGUMENTS[version]
    with tempfile.TemporaryDirectory() as folder, protected_scenario_server(kind, sessions=SESSIONS[version]) as url:
        words = [*command(modules, version), "server", "--url", url, "-o", folder, *arguments]
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
        results = results_in(Path(folder))
    title = f"{kind.__name__}, conformance {version} {' '.join(arguments)}"
    return report(title, results, SERVER.get(version, {}), done.stdout + done.stderr)
