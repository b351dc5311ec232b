"""The commands against a running tenant and server: what they print, where, and what they exit with."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from gatehouse_client.foreign_text import printable
from tests.client.fake_stack import FakeStack
from tests.client.run_command import Command


def test_the_first_command_signs_in_and_the_next_one_does_not(stack: FakeStack, command: Command) -> None:
    first = command("tools")
    assert first.exit_code == 0, first.stderr
    assert [line.split("\t")[0] for line in first.stdout.splitlines()] == ["get_time", "add", "fail", "count", "book"]
    second = command("call", "get_time", "timezone=Asia/Tokyo")
    assert (second.exit_code, second.stdout) == (0, "12:00 in Asia/Tokyo\n")
    assert second.stderr == ""
    assert len(stack.entries("authorize")) == 1


def test_the_sign_in_sends_audience_and_resource_and_what_the_challenge_asks_for(
    stack: FakeStack, command: Command
) -> None:
    command("login")
    asked = stack.entries("authorize")[0]
    assert asked["resource"] == asked["audience"] == stack.server
    assert asked["scope"] == "access:mcp offline_access"
    assert asked["prompt"] == "consent"  # OpenID Connect Core section 11
    assert asked["code_challenge_method"] == "S256"
    assert stack.entries("code")[0]["resource"] == stack.server


def test_without_offline_access_the_sign_in_does_not_ask_for_consent(stack: FakeStack, command: Command) -> None:
    stack.tenant_overrides["scopes_supported"] = ["openid"]
    command("login")
    asked = stack.entries("authorize")[0]
    assert (asked["scope"], asked.get("prompt")) == ("access:mcp", None)


def test_a_configured_audience_is_sent_beside_the_resource(stack: FakeStack, command: Command) -> None:
    command("login", AUTH0_AUDIENCE="urn:the-api")
    asked = stack.entries("authorize")[0]
    assert (asked["audience"], asked["resource"]) == ("urn:the-api", stack.server)


def test_login_says_who_until_when(command: Command) -> None:
    result = command("login")
    assert "Signed in to" in result.stdout
    assert "as alice@example.com (auth0|1) (access until 20" in result.stdout
    described = json.loads(command("login", "--json").stdout)
    assert described["person"] == "alice@example.com"
    assert described["scopes"] == ["access:mcp", "offline_access"]


def test_login_force_signs_in_anew(stack: FakeStack, command: Command) -> None:
    command("login")
    command("login", "--force")
    command("login")
    assert len(stack.entries("authorize")) == 2


def test_the_browser_page_speaks_english_and_japanese(command: Command) -> None:
    command("login")
    assert "Signed in" in command.pages[0]
    assert "サインインしました" in command.pages[0]


def test_tokens_are_kept_for_the_owner_only_and_never_printed(
    stack: FakeStack, command: Command, tmp_path: Path
) -> None:
    shown = [command("--trace", "tools"), command("login", "--json"), command("--trace", "logout")]
    command("login")
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert [path for path in files if path.suffix == ".json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "home" / "tokens").stat().st_mode) == 0o700
    kept = json.loads(next(path for path in files if path.suffix == ".json").read_text())
    secrets = [*stack.tokens, *stack.refresh_tokens, kept["access_token"], "the-secret"]
    secrets += [entry["code_verifier"] for entry in stack.entries("code")] + [stack.entries("code")[0]["code"]]
    assert not [secret for secret in secrets for result in shown if secret in result.output]


def test_trace_shows_each_exchange_on_stderr(stack: FakeStack, command: Command) -> None:
    result = command("--trace", "call", "get_time")
    assert result.stdout == "12:00 in the server zone\n"
    lines = result.stderr.splitlines()
    assert f"→ POST {stack.server} server/discover" in lines
    assert f"→ POST {stack.server} tools/call get_time" in lines
    assert any(line.startswith("← 401 WWW-Authenticate: Bearer resource_metadata=") for line in lines)
    assert any("client_secret=***" in line and "code=***" in line for line in lines)
    assert "\x1b[" not in result.stderr


def test_trace_can_be_switched_on_by_the_environment(command: Command) -> None:
    assert "→ POST" in command("tools", GATEHOUSE_TRACE="1").stderr
    assert command("tools").stderr == ""


def test_call_takes_the_types_of_the_schema(command: Command) -> None:
    assert command("call", "add", "a=1", "b=2").stdout == "3\n"
    assert command("call", "add", "b=5", "--args", '{"a": 1, "b": 2}').stdout == "6\n"
    assert json.loads(command("call", "add", "a=1", "b=2", "--json").stdout)["structuredContent"] == {"result": 3}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("call", "add", "a=x", "b=2"), "a is 'x': it must be of type integer."),
        (("call", "add", "a=1"), "The tool needs b (key=value). Its arguments are: a, b."),
        (("call", "add", "a=1", "b=2", "c=3"), "The tool has no argument c. Its arguments are: a, b."),
        (("call", "add", "nonsense"), "'nonsense' is not of the form key=value."),
        (("call", "add", "--args", "[1]"), "--args must be a JSON object"),
        (("call", "add", "--args", "{"), "--args is not JSON"),
        (("call", "subtract"), "The server has no tool subtract. Its tools are get_time, add, fail, count, book."),
    ],
)
def test_wrong_arguments_are_told_in_a_sentence(command: Command, arguments: tuple[str, ...], said: str) -> None:
    result = command(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_a_tool_that_fails_exits_with_1(command: Command) -> None:
    result = command("call", "fail")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1] == "fail failed: it broke on purpose"


def test_an_access_token_that_the_server_no_longer_takes_is_renewed_without_a_browser(
    stack: FakeStack, command: Command
) -> None:
    command("login")
    stack.forget_access_tokens()
    assert command("tools").exit_code == 0
    assert (len(stack.entries("refresh")), len(stack.entries("authorize"))) == (1, 1)


def test_an_access_token_that_is_about_to_run_out_is_renewed_ahead(stack: FakeStack, command: Command) -> None:
    stack.lifetime = 0.000001
    command("login")
    stack.lifetime = 3600
    requests = len(stack.entries("mcp"))
    assert command("tools").exit_code == 0
    assert len(stack.entries("refresh")) >= 1
    methods = [entry["method"] for entry in stack.entries("mcp")[requests:]]
    assert methods == ["server/discover", "tools/list"], "no request was refused first"


def test_a_refresh_token_that_is_no_longer_valid_leads_to_a_clean_sign_in(stack: FakeStack, command: Command) -> None:
    command("login")
    stack.forget_access_tokens()
    stack.refresh_tokens.clear()
    result = command("tools")
    assert result.exit_code == 0
    assert len(stack.entries("authorize")) == 2


@pytest.mark.parametrize("other", ["damaged", "json"])
def test_logout_removes_a_stored_sign_in_that_cannot_be_read(
    stack: FakeStack, command: Command, tmp_path: Path, other: str
) -> None:
    command("login")
    (file,) = (tmp_path / "home" / "tokens").glob("*.json")
    kept = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**kept, "version": 2}), encoding="utf-8")
    if other == "damaged":
        assert command("whoami").exit_code == 3  # it renames the file
    result = command("logout")
    assert result.stdout == f"Signed out of {stack.server}.\n"
    assert (
        "1 stored sign-in could not be read: deleted here, but a refresh token in it is not revoked." in result.stderr
    )
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert not [path for path in files if kept["refresh_token"] in path.read_text(encoding="utf-8")]
    assert command("logout").stdout == "Nobody was signed in.\n"


def test_logout_says_that_the_sign_in_of_another_application_is_not_revoked(stack: FakeStack, command: Command) -> None:
    command("login")
    result = command("logout", AUTH0_CLIENT_ID="another", AUTH0_CLIENT_SECRET="")
    assert result.stdout == f"Signed out of {stack.server}.\n"
    assert "belongs to the application the-client" in result.stderr
    assert "its refresh token cannot be revoked" in result.stderr
    assert stack.entries("revoke") == []


def test_logout_revokes_the_sign_in_of_another_public_application(stack: FakeStack, command: Command) -> None:
    command("login", AUTH0_CLIENT_SECRET="")
    result = command("logout", AUTH0_CLIENT_ID="another", AUTH0_CLIENT_SECRET="a-secret-of-another")
    assert (result.stdout, result.stderr) == (f"Signed out of {stack.server}.\n", "")
    (revoked,) = stack.entries("revoke")
    assert revoked["client_id"] == "the-client"
    assert "a-secret-of-another" not in str(revoked)


@pytest.mark.parametrize("kind", ["link", "tokens link", "writable", "tokens writable"])
def test_a_home_of_others_is_refused(command: Command, tmp_path: Path, kind: str) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    if kind == "link":
        home.symlink_to(elsewhere)
    else:
        home.mkdir()
        if kind == "tokens link":
            (home / "tokens").symlink_to(elsewhere)
        else:
            folder = home if kind == "writable" else home / "tokens"
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)
    result = command("login")
    assert result.exit_code == 2
    seen = "is a symbolic link" if "link" in kind else "can be written by every user"
    assert seen in result.stderr
    assert "Set GATEHOUSE_HOME to a folder that only you can write." in result.stderr
    assert list(elsewhere.iterdir()) == []


def test_logout_removes_and_revokes(stack: FakeStack, command: Command, tmp_path: Path) -> None:
    command("login")
    (refresh_token,) = stack.refresh_tokens
    result = command("logout")
    assert result.exit_code == 0
    assert stack.entries("revoke")[0]["token"] == refresh_token
    assert not list((tmp_path / "home").rglob("*.json"))
    assert command("logout").stdout == "Nobody was signed in.\n"


def test_errors_are_json_when_results_are(command: Command) -> None:
    result = command("--json", "tools", MCP_PUBLIC_URL="http://localhost:1/mcp")
    assert json.loads(result.stderr)["error"] == "unreachable"
    assert json.loads(command("tools", "--json").stdout)[0]["name"] == "get_time"


def test_the_agent_calls_a_tool_and_says_that_the_model_is_offline(command: Command) -> None:
    result = command("ask", "What", "time", "is", "it", "in", "Tokyo?")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "12:00 in Asia/Tokyo\n"
    assert '· get_time(timezone="Asia/Tokyo")' in result.stderr
    assert "offline" in result.stderr


def test_ask_as_json_has_the_calls_and_the_answer(command: Command) -> None:
    answer = json.loads(command("--json", "ask", "add 3 and 4").stdout)
    assert answer["tool_calls"] == [{"tool": "add", "arguments": {"a": 3, "b": 4}}]
    assert answer["answer"] == "The result of add is 7."


def test_chat_takes_questions_from_a_pipe(command: Command) -> None:
    result = command("chat", stdin="What time is it?\n\nadd 1 and 2\nabracadabra\n")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[:2] == [
        "12:00 in the server zone",
        "The result of add is 3.",
    ]
    assert "No tool fits" in result.stdout


def test_a_tool_that_fails_is_shown_to_the_agent_and_the_person(command: Command) -> None:
    result = command("ask", "please fail")
    assert result.exit_code == 1
    assert "· fail failed: it broke on purpose\n" in result.stderr
    assert "fail failed: it broke on purpose" in result.stdout


def test_the_agent_is_forbidden_as_a_sentence(stack: FakeStack, command: Command) -> None:
    stack.permission_of_tool = {"get_time": "time:read"}
    result = command("ask", "What time is it?")
    assert result.exit_code == 4
    assert "The permission time:read is missing" in result.stderr.splitlines()[-1]
    assert result.stdout == ""


def test_what_the_server_says_cannot_steer_a_terminal(command: Command) -> None:
    assert printable("a\x1b[2Jb\tc\nd\x9b") == "a\ufffd[2Jb\tc\nd\ufffd"
    hidden = "Asia/\x9b2J\u202eTokyo\U000e0041"
    result = command("call", "get_time", f"timezone={hidden}", "--json")
    assert json.loads(result.stdout)["structuredContent"] == {"result": f"12:00 in {hidden}"}
    assert not set("\x9b\u202e\U000e0041") & set(result.stdout)


def test_in_a_chat_what_fails_is_told_and_the_chat_goes_on(stack: FakeStack, command: Command) -> None:
    assert command("login").exit_code == 0
    stack.permission_of_tool = {"get_time": "time:read"}
    stack.deny = ("access_denied", "the person said no")
    with command.on_terminal("chat", BROWSER="true") as session:
        session.until("you>")
        session.type("What time is it?")
        session.until("· get_time()\n")
        url = next(line for line in session.until("S256").splitlines() if line.startswith(stack.issuer))
        assert command.browse(url)
        session.until("did not let you sign in (access_denied: the person said no)")
        session.until("you>")
        session.type("add 1 and 2")
        session.until("The result of add is 3.\n")
        stack.server_status = 503
        session.until("you>")
        session.type("add 2 and 3")
        session.until("cannot serve now: it answered 503")
        stack.server_status = None
        session.until("you>")
        session.type("add 3 and 4")
        session.until("The result of add is 7.\n")
        session.until("you>")
        session.type("bye")
        assert session.end() == 0
    assert "Traceback" not in session.text
