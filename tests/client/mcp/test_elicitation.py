"""What a server asks the person during a call, on a terminal and without one."""

from __future__ import annotations

import queue
import webbrowser
from pathlib import Path

import pytest
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitRequestURLParams, ElicitResult
from pydantic import BaseModel

from gatehouse_client import gatehouse_auth, load_settings
from gatehouse_client.mcp.elicitation import Elicitation
from gatehouse_client.mcp.session import Connection, text_of
from gatehouse_client.signin.http.trace import Trace
from gatehouse_client.terminal.output import Terminal
from tests.client.run_command import Command
from tests.support.pty_session import CTRL_C, CTRL_D
from tests.support.serve_in_thread import serve_in_thread

BOOK = ("call", "book", "room=Blue")


def test_the_person_fills_in_the_form(command: Command) -> None:
    assert command("login").exit_code == 0
    with command.on_terminal(*BOOK) as session:
        assert f"{command.variables['MCP_PUBLIC_URL']} asks: Book Blue [2J?" in session.until("hours - how long")
        session.until("(integer from 1 to 8): ")
        session.type("nine")
        assert "'nine' is not valid: it must be integer from 1 to 8." in session.until("(integer from 1 to 8): ")
        session.type("9")
        assert "'9' is not valid" in session.until("(integer from 1 to 8): ")
        session.type("2")
        session.until("lights - Lights on? (yes or no) [yes]: ")
        session.type("no")
        session.until("contact - Whom to write to (email) [none]: ")
        session.type("nobody")
        session.until("'nobody' is not valid: it must be email.")
        session.until("(email) [none]: ")
        session.type("")
        session.until("(one of garden, street) [garden]: ")
        session.type("Street")
        session.until('booked Blue: {"hours":2,"lights":false,"view":"street"}\n')
        assert session.end() == 0
    assert "\x1b[2J" not in session.raw


@pytest.mark.parametrize(("reply", "outcome"), [("!decline", "decline"), ("!cancel", "cancel"), (CTRL_D, "cancel")])
def test_the_person_may_say_no(command: Command, reply: str, outcome: str) -> None:
    assert command("login").exit_code == 0
    with command.on_terminal(*BOOK) as session:
        session.until("(integer from 1 to 8): ")
        session.type(reply)
        session.until(f"Blue not booked: {outcome}\n")
        assert session.end() == 0


def test_ctrl_c_at_a_question_ends_the_command(command: Command) -> None:
    assert command("login").exit_code == 0
    with command.on_terminal(*BOOK) as session:
        session.until("(integer from 1 to 8): ")
        session.type(CTRL_C)
        assert session.end() == 130
    assert session.text.endswith("Interrupted.\n")
    assert "Traceback" not in session.text


def test_in_a_chat_the_person_is_asked_too(command: Command) -> None:
    assert command("login").exit_code == 0
    with command.on_terminal("chat") as session:
        session.until("you>")
        session.type("book the room 'Blue'")
        for reply in ("3", "", "", ""):
            session.until("]: " if reply == "" else "from 1 to 8): ")
            session.type(reply)
        session.until('booked Blue: {"hours":3,"lights":true,"view":"garden"}\n')
        session.until("you>")
        session.type(CTRL_D)
        assert session.end() == 0


@pytest.mark.parametrize("arguments", [BOOK, ("ask", "book the room 'Blue'")])
def test_without_a_terminal_it_is_declined_and_said(command: Command, arguments: tuple[str, ...]) -> None:
    result = command(*arguments)
    assert result.exit_code == 0
    assert "asks: Book Blue [2J?" in result.stderr
    assert "Declined: nobody is at a terminal to answer." in result.stderr
    assert result.stdout.endswith("Blue not booked: decline\n")


def test_a_long_tool_shows_how_far_it_is_on_a_terminal_only(command: Command) -> None:
    assert command("login").exit_code == 0
    with command.on_terminal("call", "count", "steps=3") as session:
        assert session.end() == 0
    assert "Calling count: step 3" in session.text
    assert session.text.endswith("counted 3\n")
    quiet = command("call", "count", "steps=3")
    assert (quiet.stdout, quiet.stderr) == ("counted 3\n", "")


class Answers(Terminal):
    """A terminal at which a person answers each question with `yes`."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []

    @property
    def is_conversation(self) -> bool:
        return True

    def say(self, text: str, style: str | None = None) -> None:
        self.shown += text.splitlines()

    async def reply(self, prompt: str) -> str | None:
        return "yes"


async def asked_to_open(monkeypatch: pytest.MonkeyPatch, url: str) -> tuple[str, list[str], list[str]]:
    """The person's action, the lines on the terminal, and the addresses that the browser opened."""
    opened: queue.Queue[str] = queue.Queue()
    monkeypatch.setenv("BROWSER", "robot")
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.put(url) or True)
    terminal = Answers()
    asked = ElicitRequestURLParams(mode="url", message="Pay here", url=url, elicitation_id="1")
    result = await Elicitation(terminal, "https://mcp.example/mcp").answer(asked)
    addresses = [opened.get(timeout=10)] if result.action == "accept" else []
    return result.action, terminal.shown, addresses


LONG = "https://pay.example/start?next=" + "a" * 5000


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("url", "shown", "host"),
    [
        (LONG, LONG, "pay.example"),
        ("http://localhost:8123/x", "http://localhost:8123/x", "localhost:8123"),
        ("https://pay.example/\u202eä", "https://pay.example/%E2%80%AE%C3%A4", "pay.example"),
        ("https://раy.example/", "https://xn--y-7sb1c.example/", "xn--y-7sb1c.example"),
    ],
)
async def test_the_address_that_is_shown_whole_is_the_one_that_opens(
    monkeypatch: pytest.MonkeyPatch, url: str, shown: str, host: str
) -> None:
    action, lines, opened = await asked_to_open(monkeypatch, url)
    assert (action, opened) == ("accept", [shown])
    assert shown in lines
    assert f"    {host}" in lines
    assert any("other letters (раy.example)" in line for line in lines) == host.startswith("xn--")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "url",
    [
        "http://pay.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://user@pay.example/",
        "https://evil.example\\.pay.example/",
    ],
)
async def test_an_address_that_is_not_safe_is_declined(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    action, lines, opened = await asked_to_open(monkeypatch, url)
    assert (action, opened) == ("decline", [])
    assert lines[-1].startswith("Declined: the server asks you to open")


class Name(BaseModel):
    """What a server of an earlier revision asks."""

    name: str


class EarlierConnection(Connection):
    """To a server that knows no revision without a handshake."""

    @property
    def mode(self) -> str:
        return "legacy"


@pytest.mark.anyio
async def test_a_server_of_an_earlier_revision_may_ask_in_the_middle_of_a_call(tmp_path: Path) -> None:
    mcp = MCPServer("earlier")

    @mcp.tool()
    async def greet(ctx: Context) -> str:
        answered = await ctx.elicit("Who are you?", Name)
        return f"{answered.action}: {answered.data.name if answered.action == 'accept' else ''}"

    asked: list[str] = []

    async def answer(params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        asked.append(params.message)
        return ElicitResult(action="accept", content={"name": "alice"})

    with serve_in_thread(mcp.streamable_http_app(host="0.0.0.0")) as origin:
        url = f"{origin}/mcp"
        settings = load_settings(mcp_public_url=url, auth0_client_id="id", gatehouse_home=tmp_path)
        connection = EarlierConnection(url, gatehouse_auth(settings), Trace(), 30)
        async with connection.session(answer) as session:
            assert text_of(await session.call("greet", {})) == "accept: alice"
    assert asked == ["Who are you?"]
