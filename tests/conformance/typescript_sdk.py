"""The client of the TypeScript SDK, registered dynamically and preregistered."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.npm import node
from tests.support.stack import DEMO_CLIENT, LocalStack

HERE = Path(__file__).parent
SCRIPTED_BROWSER = HERE.parent / "support" / "scripted_browser.py"
SECONDS = 120


def problems(modules: Path) -> list[str]:
    """Returns the unexpected results. Prints one line for each sign-in."""
    script = modules.parent / "typescript_sdk.mjs"
    shutil.copyfile(HERE / "typescript_sdk.mjs", script)  # Node looks for packages beside the script
    print("\nThe TypeScript SDK's client")
    found = []
    with tempfile.TemporaryDirectory() as folder, LocalStack.on_free_ports(Path(folder)).running() as stack:
        secrets = (DEMO_CLIENT["AUTH0_CLIENT_ID"], DEMO_CLIENT["AUTH0_CLIENT_SECRET"])
        for name, client in (("registers itself", ()), ("registered beforehand", secrets)):
            problem = _problem([node(modules), str(script)], stack, client)
            print(f"  {'MISS' if problem else 'ok  '} {name}: lists, calls, steps up")
            found += [f"typescript, {name}: {problem}"] if problem else []
    return found


def _problem(command: list[str], stack: LocalStack, client: tuple[str, ...]) -> str:
    variables = {**os.environ, "BROWSER_COMMAND": json.dumps([sys.executable, str(SCRIPTED_BROWSER)])}
    command = [*command, stack.mcp_url, str(stack.callback_port), *client]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        return (done.stdout + done.stderr)[-2000:]
    saw = json.loads(done.stdout)
    right = (
        {"get_time", "whoami", "convert_time"} <= set(saw["tools"])
        and saw["who"]["permissions"] == ["access:mcp"]
        and saw["converted"]["time"] == "2026-07-28T00:30:00+00:00"
        and len(saw["asked"]) == 2  # the sign-in, and the step-up
        and "time:convert" in saw["asked"][1].split()
    )
    return "" if right else f"saw {saw}"
