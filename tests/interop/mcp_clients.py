"""MCP clients from npm against the default stack: each registers itself, alice signs in, and it calls tools.

`convert_time` needs a permission that the first sign-in did not ask for: a client has to step up.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.interop import signed_in
from tests.support.processes import run_program
from tests.support.stack import DEMO_CLIENT, LocalStack

SECONDS = 120
CONVERT = {"time": "2026-07-28T09:30", "from_timezone": "Asia/Tokyo", "to_timezone": "UTC"}
CONVERTED = "2026-07-28T00:30:00+00:00"
TOOLS = ("get_time", "convert_time")


def inspector(stack: LocalStack, programs: Path, home: Path) -> list[str]:
    """The MCP Inspector's command line: lists, calls, steps up."""
    environment = _environment(programs, home, MCP_AUTO_OPEN_ENABLED="true", MCP_INSPECTOR_SECRET_STORE="file")
    call = ("--method", "tools/call", "--tool-name")
    converted = ("convert_time", "--tool-arg", *(f"{name}={value}" for name, value in CONVERT.items()))
    steps = {
        ("--method", "tools/list"): TOOLS,
        (*call, "get_time", "--tool-arg", "timezone=UTC"): ('"weekday"',),
        (*call, *converted): (CONVERTED,),
    }
    command = [str(programs / "mcp-inspector"), "--cli", stack.mcp_url]
    return [
        problem
        for arguments, wanted in steps.items()
        for problem in _unmet([*command, *arguments], home, environment, wanted)
    ]


def mcporter(stack: LocalStack, programs: Path, home: Path) -> list[str]:
    """mcporter: signs in, lists, calls. It does not step up, and says so."""
    environment = _environment(programs, home)
    program = str(programs / "mcporter")
    add = ("config", "add", "gatehouse", stack.mcp_url, "--auth", "oauth", "--scope", "home")
    converted = ("call", "gatehouse.convert_time", *(f"{name}={value}" for name, value in CONVERT.items()))
    steps = {
        add: ("Added 'gatehouse'",),
        ("auth", "gatehouse"): (),
        ("list", "gatehouse"): TOOLS,
        ("call", "gatehouse.get_time", "timezone=UTC"): ('"weekday"',),
    }
    found = [
        problem
        for arguments, wanted in steps.items()
        for problem in _unmet([program, *arguments], home, environment, wanted)
    ]
    refused = run_program([program, *converted], home, environment, SECONDS)
    if "Authorization required" not in refused.stdout + refused.stderr:
        found.append(f"mcporter without the permission: {refused.stdout}{refused.stderr}")
    return found


def mcp_remote(stack: LocalStack, programs: Path, home: Path) -> list[str]:
    """mcp-remote, between a client over stdio and the server: lists, calls, steps up."""
    environment = _environment(programs, home)
    command = StdioServerParameters(
        command=str(programs / "mcp-remote"), args=[stack.mcp_url, "--transport", "http-only"], env=environment
    )
    try:
        seen = asyncio.run(asyncio.wait_for(_through(command, home), SECONDS))
    except TimeoutError:
        seen = {}
    log = (home / "mcp-remote.log").read_text(encoding="utf-8")[-2000:]
    found = [f"mcp-remote lists {seen.get('tools')}: {log}"] if not set(TOOLS) <= set(seen.get("tools", "")) else []
    if CONVERTED not in str(seen.get("converted")):
        found.append(f"mcp-remote: convert_time answers {seen.get('converted')}: {log}")
    return found


async def _through(command: StdioServerParameters, home: Path) -> dict[str, object]:
    with (home / "mcp-remote.log").open("w", encoding="utf-8") as log:
        async with stdio_client(command, errlog=log) as streams, ClientSession(*streams) as session:
            await session.initialize()
            tools = [tool.name for tool in (await session.list_tools()).tools]
            converted = await session.call_tool("convert_time", dict(CONVERT))
    return {"tools": tools, "converted": converted.model_dump_json()}


def typescript(stack: LocalStack, programs: Path, home: Path) -> list[str]:
    """The client of the TypeScript SDK 2, registered by itself and beforehand: lists, calls, steps up."""
    # Node looks for packages in the folders above the script.
    script = programs.parents[1] / "typescript_sdk_2.mjs"
    shutil.copyfile(Path(__file__).with_name(script.name), script)
    environment = _environment(programs, home, BROWSER_COMMAND=json.dumps([str(home / "browser")]))
    command = ["node", str(script), stack.mcp_url, str(stack.callback_port)]
    wanted = (*TOOLS, '"permissions":["access:mcp"]', CONVERTED)
    beforehand = [DEMO_CLIENT["AUTH0_CLIENT_ID"], DEMO_CLIENT["AUTH0_CLIENT_SECRET"]]
    return [
        problem for client in ([], beforehand) for problem in _unmet([*command, *client], home, environment, wanted)
    ]


CLIENTS: dict[str, Callable[[LocalStack, Path, Path], list[str]]] = {
    "inspector": inspector,
    "mcporter": mcporter,
    "mcp-remote": mcp_remote,
    "typescript": typescript,
}


def _environment(programs: Path, home: Path, **more: str) -> dict[str, str]:
    """As of the other programs, with the Node that these clients need."""
    environment = signed_in.environment(home, **more)
    return {**environment, "PATH": f"{programs.parent / 'node' / 'bin'}:{environment['PATH']}"}


def _unmet(command: list[str], home: Path, environment: dict[str, str], wanted: tuple[str, ...]) -> list[str]:
    """What is wrong with a command that must succeed and print these texts."""
    done = run_program(command, home, environment, SECONDS)
    missing = [text for text in wanted if text not in done.stdout]
    if done.returncode == 0 and not missing:
        return []
    shown = re.sub(r"(https?://\S+?)\?\S+", r"\1?...", done.stdout + done.stderr)
    return [f"`{' '.join(command[1:])}` ended with {done.returncode}, without {json.dumps(missing)}: {shown[-2000:]}"]
