"""A day at the terminal, recorded: every command of a person against the stack, as the terminal shows it.

`python -m tests.e2e.agent.terminal_sessions FOLDER` writes one transcript for each kind of terminal.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.pty_session import CTRL_C, PtySession, on_terminal
from tests.support.stack import LocalStack, Stack

COMMANDS = (
    ("login",),
    ("whoami",),
    ("tools",),
    ("call", "get_time", "timezone=Asia/Tokyo"),
    ("call", "no_such_tool"),
    ("ask", "What time is it in Tokyo and Paris?"),
    ("ask", "東京は今何時？"),
    ("doctor",),
)
QUESTIONS = {
    "/help": "even if a / follows.",
    "/tools": "list_events",
    "What time is it in Tokyo?": " in Asia/Tokyo.",
    "東京は？": "です。",
    "/nonsense": "There is no command /nonsense.",
    CTRL_C: "Ctrl-D or /exit ends",
}
"""What the person types in a conversation, and what the answer has."""


@dataclass(frozen=True)
class Look:
    """A kind of terminal."""

    name: str
    columns: int
    variables: dict[str, str]


LOOKS = (
    *(Look(f"english-{columns}", columns, {"LANG": "en_US.UTF-8"}) for columns in (40, 80, 200)),
    *(Look(f"japanese-{columns}", columns, {"LANG": "ja_JP.UTF-8"}) for columns in (40, 80, 200)),
    Look("no-color-80", 80, {"NO_COLOR": "1"}),
    Look("dumb-80", 80, {"TERM": "dumb"}),
    Look("cp932-80", 80, {"PYTHONIOENCODING": "cp932", "PYTHONUTF8": "0"}),
)


@dataclass(frozen=True)
class Recorded:
    """What a command showed.

    Attributes:
        raw: with escape sequences.
        text: without them.
    """

    command: str
    code: int
    raw: str
    text: str


def record(stack: Stack, home: Path, look: Look) -> list[Recorded]:
    """Run every command on such a terminal, and a conversation at the end."""
    variables = {
        "OAUTH_SCOPE": "openid profile email",
        "TERM": "xterm-256color",
        "COLUMNS": str(look.columns),
        "LINES": "50",
        **look.variables,
    }
    environment = stack.environment(home, None, ROBOT_USER="alice@example.com", **variables)
    encoding = look.variables.get("PYTHONIOENCODING", "utf-8")
    found = []
    for arguments in (*COMMANDS, ("chat",)):
        command = [sys.executable, "-m", "gatehouse_client", *arguments]
        with on_terminal(command, env=environment, cwd=home, encoding=encoding) as session:
            if arguments == ("chat",):
                _talk(session)
            code = session.end()
        found.append(Recorded(" ".join(arguments), code, session.raw, session.text))
    return found


def _talk(session: PtySession) -> None:
    for question, expected in QUESTIONS.items():
        session.until("you>")
        session.type(question)
        session.until(expected)  # before it the editor may show the prompt again
    session.until("you>")
    session.type("/exit")


def main() -> None:
    """Write the transcripts into the given folder."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, LocalStack.on_free_ports(Path(scratch)).running() as stack:
        for look in LOOKS:
            home = Path(scratch) / look.name
            home.mkdir()
            parts = [f"$ gatehouse {each.command}\n{each.text}[{each.code}]\n" for each in record(stack, home, look)]
            (folder / f"{look.name}.txt").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
