"""`whoami` and `token`: who is signed in, and what the access token says, without giving it away."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest

from gatehouse_client.claims import claims_of, decoded
from gatehouse_client.storage.grant import Grant
from gatehouse_client.storage.token_store import TokenStore
from tests.client.fake_stack import CLIENT_ID, FakeStack
from tests.client.run_command import Command


@pytest.fixture
def home(command: Command) -> Path:
    return Path(command.variables["GATEHOUSE_HOME"])


def kept(stack: FakeStack, home: Path, **changes: object) -> Grant:
    """A sign-in of the past, put into the store."""
    token = stack.issue(frozenset({"access:mcp"}))
    values = {
        "server": stack.server,
        "resource": stack.server,
        "issuer": stack.issuer,
        "client_id": CLIENT_ID,
        "token_endpoint": f"{stack.issuer}oauth/token",
        "token_endpoint_auth_method": "client_secret_post",
        "access_token": token["access_token"],
        "scope": token["scope"],
        "obtained_at": time.time() - 7200,
        "expires_at": time.time() - 3600,
    }
    grant = Grant.model_validate({**values, **changes})
    TokenStore(home, pytest.fail).save(grant)
    return grant


@pytest.mark.parametrize("name", ["whoami", "token"])
def test_when_nobody_is_signed_in_it_says_so_and_exits_with_3(stack: FakeStack, command: Command, name: str) -> None:
    result = command(name)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == f"Nobody is signed in to {stack.server}: run `gatehouse login`.\n"
    assert json.loads(command(name, "--json").stderr)["error"] == "not_signed_in"
    assert stack.journal == [], "nobody was asked"


def test_whoami_says_who_for_what_and_until_when(stack: FakeStack, command: Command) -> None:
    command("login")
    asked = len(stack.journal)
    result = command("whoami")
    assert result.exit_code == 0
    shown = dict(line.split("\t") for line in result.stdout.splitlines())
    assert shown["Person"] == "alice@example.com"
    assert shown["Subject"] == "auth0|1"
    assert (shown["Server"], shown["Tenant"]) == (stack.server, stack.issuer)
    assert shown["Permissions"] == "access:mcp"
    assert shown["Until"].endswith(", then renewed without the browser")
    assert len(stack.journal) == asked, "nobody was asked"


def test_whoami_as_json(stack: FakeStack, command: Command) -> None:
    command("login")
    told = json.loads(command("whoami", "--json").stdout)
    assert (told["signed_in"], told["person"], told["subject"]) == (True, "alice@example.com", "auth0|1")
    assert (told["server"], told["issuer"]) == (stack.server, stack.issuer)
    assert (told["permissions"], told["renewable"]) == (["access:mcp"], True)
    assert told["expires_at"].endswith("+00:00")


def test_a_sign_in_that_ran_out_and_cannot_be_renewed_is_none(stack: FakeStack, command: Command, home: Path) -> None:
    kept(stack, home)
    result = command("whoami")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == f"The sign-in to {stack.server} has expired: run `gatehouse login`.\n"


def test_a_sign_in_that_ran_out_and_can_be_renewed_is_one(stack: FakeStack, command: Command, home: Path) -> None:
    kept(stack, home, refresh_token="r")
    result = command("whoami")
    assert result.exit_code == 0
    assert "the next call renews it without the browser" in result.stdout


def test_an_opaque_token_has_a_scope_but_no_person(stack: FakeStack, command: Command, home: Path) -> None:
    kept(stack, home, access_token="opaque", expires_at=None)
    shown = dict(line.split("\t") for line in command("whoami").stdout.splitlines())
    assert shown["Person"] == "(the token does not say)"
    assert shown["Permissions"] == "access:mcp"
    refused = command("token")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "not a JWT" in refused.stderr
    assert "opaque" not in refused.stderr
    assert command("token", "--raw").stdout == "opaque\n"


def test_token_shows_the_claims_and_only_raw_the_token(stack: FakeStack, command: Command) -> None:
    command("login")
    (issued,) = stack.tokens
    decoded_token = command("token")
    assert json.loads(decoded_token.stdout)["claims"]["email"] == "alice@example.com"
    assert json.loads(command("token", "--json").stdout)["header"] == {}
    assert issued not in decoded_token.output
    assert issued.rpartition(".")[2] not in decoded_token.output
    assert command("token", "--raw").stdout == f"{issued}\n"


def test_token_renews_one_that_is_about_to_run_out(stack: FakeStack, command: Command) -> None:
    stack.lifetime = 0.000001
    command("login")
    stack.lifetime = 3600
    raw = command("token", "--raw").stdout.strip()
    assert stack.tokens[raw].expires_at > time.time() + 3000
    assert len(stack.entries("authorize")) == 1


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "a.b.c.d", "e30.W10.x", "e30.bnVsbA.x", "\x00.é.\x00"])
def test_what_is_no_jwt_has_no_claims(token: str) -> None:
    assert claims_of(token) == {}


def test_header_and_claims_are_told_apart() -> None:
    assert decoded("eyJhIjoxfQ.eyJiIjoyfQ.x") == ({"a": 1}, {"b": 2})


def token_with(**claims: object) -> str:
    """An access token with these claims, as a tenant issues it."""
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.x"


@pytest.mark.parametrize(
    ("token", "variables", "permissions", "by_roles"),
    [
        (token_with(scope="a c openid", permissions=["a", "b"]), {}, "a", "a b"),
        (token_with(scope="openid"), {}, "none", None),
        ("opaque", {}, "a c", None),
        (token_with(realm_access={"roles": ["a"]}, scope="c"), {"OIDC_PROFILE": "keycloak"}, "a", None),
        (token_with(scp="a b", roles=["c"]), {"OIDC_PROFILE": "entra"}, "a b", None),
        (token_with(roles=["c"], scope="a"), {"OIDC_PROFILE": "oidc", "GRANT_CLAIM": "roles"}, "c", None),
    ],
)
def test_whoami_shows_the_permissions_in_the_token_by_provider(
    stack: FakeStack,
    home: Path,
    command: Command,
    token: str,
    variables: dict[str, str],
    permissions: str,
    by_roles: str | None,
) -> None:
    kept(stack, home, access_token=token, scope="a c openid offline_access", expires_at=None)
    shown = dict(line.split("\t") for line in command("whoami", **variables).stdout.splitlines())
    assert (shown["Permissions"], shown.get("By roles")) == (permissions, by_roles)
    listed = json.loads(command("whoami", "--json", **variables).stdout)["permissions"]
    assert listed == permissions.replace("none", "").split()


def test_on_a_terminal_whoami_is_a_list_to_read(command: Command) -> None:
    assert command("login").exit_code == 0
    with command.on_terminal("whoami") as session:
        assert session.end() == 0
    assert session.text.splitlines()[0].split() == ["Person", "alice@example.com"]


@pytest.mark.parametrize(
    ("claims", "person"),
    [
        ({"sub": "auth0|1", "email": "alice@corp.example", "name": "Alice"}, "alice@corp.example"),
        ({"sub": "auth0|1", "name": "アリス"}, "アリス"),
        ({"sub": "auth0|1"}, "auth0|1"),
        (None, "auth0|1"),
    ],
    ids=["e-mail", "name", "nothing", "no ID token"],
)
def test_a_name_that_only_the_id_token_has_is_shown_beside_the_subject(
    stack: FakeStack, command: Command, claims: dict[str, str] | None, person: str
) -> None:
    stack.person, stack.id_token_claims = "", claims
    shown = command("login").stdout
    assert f" as {person}{'' if person == 'auth0|1' else ' (auth0|1)'} (access until" in shown
    stack.forget_access_tokens()
    assert command("call", "get_time").exit_code == 0, "a renewal keeps the name"
    assert len(stack.entries("refresh")) == 1
    told = json.loads(command("whoami", "--json").stdout)
    assert (told["person"], told["subject"]) == (person, "auth0|1")
