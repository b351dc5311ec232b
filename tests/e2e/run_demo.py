"""The demo without input: a refusal, a sign-in, an answer, and a refusal for a missing permission.

Everything is real: the agent's command line, the tenant's pages (a scripted browser fills them in), the server.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2
from rich.console import Console
from rich.text import Text

SCRIPTED_BROWSER = Path(__file__).parents[1] / "support" / "scripted_browser.py"
# The scripted browser's lines if it does not reach the agent's callback.
BROWSER, BROWSER_ENDED = "scripted browser: ", "scripted browser: end"
QUESTION = "What time is it now?"
FORBIDDEN = 4

console = Console(highlight=False, soft_wrap=True, force_terminal=True if os.environ.get("FORCE_COLOR") else None)


class DemoError(Exception):
    """A step of the demo had another result than expected."""


def main() -> int:
    """Exit code 0 if every step had the expected result."""
    server = os.environ.get("MCP_PUBLIC_URL", "http://localhost:5555/mcp")
    try:
        _refused(server)
        with tempfile.TemporaryDirectory() as home:
            _alice(Path(home))
        with tempfile.TemporaryDirectory() as home:
            _bob(Path(home))
    except (DemoError, httpx2.HTTPError) as error:
        console.print(f"The demo stopped: {error}", style="bold red")
        return 1
    _title("The end")
    console.print("The agent never got a password. The server never got a client secret. bob got no answer.\n")
    return 0


def _refused(server: str) -> None:
    _title("1. Nobody is signed in: the server refuses")
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with _http() as http:
        refusal = http.post(server, json=body, headers={"Accept": "application/json, text/event-stream"})
        _exchange(f"→ POST {server} tools/list")
        challenge = refusal.headers.get("WWW-Authenticate", "")
        _exchange(f"← {refusal.status_code} WWW-Authenticate: {challenge}")
        _expect(refusal.status_code == 401, f"401 was expected, not {refusal.status_code}")
        document = re.search(r'resource_metadata="([^"]+)"', challenge)
        scope = re.search(r'scope="([^"]+)"', challenge)
        if document is None or scope is None:
            raise DemoError("the challenge does not say where to sign in, and for what")
        metadata = http.get(document[1])
        _exchange(f"→ GET {document[1]}")
        _exchange(f"← {metadata.status_code} {json.dumps(metadata.json())}")
        tenant = metadata.json()["authorization_servers"][0]
        _explain(f"An agent now knows where to sign in ({tenant}) and which scope to request ({scope[1]}).")


def _http() -> httpx2.Client:
    # The stack is on this machine: a proxy does not lead to it.
    return httpx2.Client(verify=_trusted(), trust_env=False)


def _trusted() -> ssl.SSLContext:
    """The system's authorities, and that of AUTH0_CA_FILE."""
    context = httpx2.create_ssl_context()
    if authority := os.environ.get("AUTH0_CA_FILE"):
        context.load_verify_locations(authority)
    return context


def _alice(home: Path) -> None:
    _title("2. alice@example.com signs in (she has the role mcp-user)")
    _run(["--trace", "login"], home, "alice@example.com")
    _explain("The agent first asked the tenant, without a person (prompt=none), whether the sign-in can succeed.")
    _explain("A scripted browser filled in the tenant's login and consent pages; the agent got a code, then a token.")
    _title("3. With her token: the tools")
    _run(["--trace", "tools"], home, "alice@example.com")
    _title(f"4. The agent is asked: {QUESTION}")
    answer = _run(["--trace", "ask", QUESTION], home, "alice@example.com")
    _expect(re.search(r"\d\d:\d\d:\d\d", answer) is not None, "the answer holds no time")
    _explain("The model chose the tool get_time. The server accepted the call, because the token has access:mcp.")


def _bob(home: Path) -> None:
    _title("5. bob@example.com signs in (he has no role)")
    _run(["--trace", "ask", QUESTION], home, "bob@example.com", expected=FORBIDDEN)
    _explain("403: bob signed in, but he lacks the permission access:mcp. A role in the tenant would grant it.")


def _run(arguments: list[str], home: Path, user: str, expected: int = 0) -> str:
    console.print(Text("$ gatehouse " + shlex.join(arguments), style="bold"))
    robot = shlex.join([sys.executable, str(SCRIPTED_BROWSER)]) + " %s &"
    variables = {**os.environ, "GATEHOUSE_HOME": str(home), "BROWSER": robot, "ROBOT_USER": user, "NO_COLOR": "1"}
    variables.pop("FORCE_COLOR", None)
    lines = []
    with subprocess.Popen(
        [sys.executable, "-m", "gatehouse_client", *arguments],
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if line.rstrip() == BROWSER_ENDED:
                process.terminate()  # nobody will sign in: do not wait for the time limit
                raise DemoError("the tenant did not let the scripted browser sign in. Its page is shown above.")
            _show(line.rstrip())
    _expect(process.returncode == expected, f"exit code {expected} was expected, not {process.returncode}")
    return "".join(lines)


def _show(line: str) -> None:
    if line.startswith(("→", "←")):
        _exchange(line)
    elif line.startswith(BROWSER):
        console.print(Text(f"  {line.removeprefix(BROWSER)}", style="red"))
    else:
        console.print(Text(f"  {line}"))


def _exchange(line: str) -> None:
    refused = re.match(r"← (4|5)\d\d", line)
    style = "red" if refused else "cyan" if line.startswith("→") else "green"
    console.print(Text(f"  {line}", style=style))


def _title(text: str) -> None:
    console.print()
    console.print(Text(text, style="bold yellow"))


def _explain(text: str) -> None:
    console.print(Text(f"  {text}", style="italic"))


def _expect(held: bool, otherwise: str) -> None:
    if not held:
        raise DemoError(otherwise)


if __name__ == "__main__":
    sys.exit(main())
