"""The ways to sign in that open no browser on this machine, and an unregistered client."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from joserfc.jwk import RSAKey

from tests.support.quick_python import QuickPopen
from tests.support.scripted_browser import PASSWORDS, callback_url, sign_in
from tests.support.stack import NO_BROWSER, Stack

ALICE = "alice@example.com"
ALICE_ID = "auth0|65a11ce00000000000000001"
MACHINE = {
    "GATEHOUSE_SIGN_IN": "machine",
    "AUTH0_CLIENT_ID": "GatehouseMachineDemoClient000000",
    "AUTH0_CLIENT_SECRET": "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-2",
}
DEVICE = {"AUTH0_CLIENT_ID": "GatehouseDeviceDemoClient0000000", "AUTH0_CLIENT_SECRET": ""}
UNREGISTERED = {"AUTH0_CLIENT_ID": "", "AUTH0_CLIENT_SECRET": ""}
SECONDS = 90


def test_pasting_the_callback_url_of_another_browser_signs_in(stack: Stack, home: Path) -> None:
    with running_command(stack, home, "login", "--paste") as process:
        assert process.stdin is not None
        process.stdin.write(f"{callback_url(address_in(process, stack.issuer), ALICE)}\n")
        process.stdin.flush()
        out, err = rest_of_output(process)
    assert process.returncode == 0, err
    assert f"as {ALICE_ID}" in out
    assert stack.gatehouse("call", "whoami", home=home, browser=NO_BROWSER).returncode == 0


def test_a_person_signs_in_on_another_device(stack: Stack, home: Path) -> None:
    with running_command(stack, home, "login", "--device", **DEVICE) as process:
        address = address_in(process, f"{stack.issuer}activate")
        page = sign_in(address, ALICE, PASSWORDS[ALICE])
        assert page.status_code == 200, page.text
        out, err = rest_of_output(process)
    assert process.returncode == 0, err
    assert f"as {ALICE_ID}" in out
    assert address.rpartition("=")[2] in err, "the code to compare is shown"
    assert stack.gatehouse("call", "whoami", home=home, browser=NO_BROWSER, **DEVICE).returncode == 0


def test_declining_on_the_other_device_ends_with_one_sentence(stack: Stack, home: Path) -> None:
    with running_command(stack, home, "login", "--device", **DEVICE) as process:
        sign_in(address_in(process, f"{stack.issuer}activate"), ALICE, PASSWORDS[ALICE], consent="deny")
        _, err = rest_of_output(process)
    assert process.returncode == 3, err
    assert "declined" in err
    assert "Traceback" not in err


def test_a_machine_client_signs_in_and_stores_no_refresh_token(stack: Stack, home: Path) -> None:
    with_the_scopes_of_the_example = {**MACHINE, "OAUTH_SCOPE": "openid profile email"}
    answer = stack.gatehouse(
        "--json", "call", "whoami", home=home, browser=NO_BROWSER, **with_the_scopes_of_the_example
    )
    assert answer.returncode == 0, answer.stderr
    assert f"{MACHINE['AUTH0_CLIENT_ID']}@clients" in answer.stdout
    (kept,) = (json.loads(path.read_text(encoding="utf-8")) for path in home.rglob("tokens/*.json"))
    assert kept["refresh_token"] is None


def test_a_machine_client_with_a_wrong_secret_gets_an_error_that_says_so(stack: Stack, home: Path) -> None:
    wrong = {**MACHINE, "AUTH0_CLIENT_SECRET": "wr0ng-s3cret"}
    answer = stack.gatehouse("tools", home=home, browser=NO_BROWSER, **wrong)
    assert answer.returncode == 3, answer.stderr
    assert "AUTH0_CLIENT_SECRET" in answer.stderr
    assert "wr0ng-s3cret" not in answer.stderr


def test_a_machine_client_signs_in_with_a_private_key(stack: Stack, home: Path) -> None:
    key = RSAKey.generate_key(2048)
    (home / "key.pem").write_bytes(key.as_pem(private=True))
    client_id = register_machine_with(stack, key)
    variables = {
        "GATEHOUSE_SIGN_IN": "machine",
        "AUTH0_CLIENT_ID": client_id,
        "AUTH0_CLIENT_SECRET": "",
        "AUTH0_CLIENT_PRIVATE_KEY_FILE": str(home / "key.pem"),
    }
    answer = stack.gatehouse("--json", "call", "whoami", home=home, browser=NO_BROWSER, **variables)
    assert answer.returncode == 0, answer.stderr
    assert f"{client_id}@clients" in answer.stdout


def test_a_ready_token_is_used_and_not_stored(stack: Stack, home: Path) -> None:
    (home / "token").write_text(stack.mint() + "\n", encoding="utf-8")
    ready = {"GATEHOUSE_TOKEN_FILE": str(home / "token"), **UNREGISTERED}
    answer = stack.gatehouse("call", "whoami", home=home, browser=NO_BROWSER, **ready)
    assert answer.returncode == 0, answer.stderr
    assert not list(home.rglob("tokens/*.json"))


def test_an_expired_ready_token_ends_with_one_sentence(stack: Stack, home: Path) -> None:
    expired = stack.mint(claims={"iat": 1_600_000_000, "exp": 1_600_003_600})
    answer = stack.gatehouse("tools", home=home, browser=NO_BROWSER, GATEHOUSE_TOKEN=expired)
    assert answer.returncode == 3, answer.stderr
    assert "GATEHOUSE_TOKEN" in answer.stderr
    assert "It has expired." in answer.stderr
    assert expired not in answer.stderr


def test_an_unregistered_client_registers_itself_once(stack: Stack, home: Path) -> None:
    signed_in = stack.gatehouse("login", home=home, **UNREGISTERED)
    assert signed_in.returncode == 0, signed_in.stderr
    (kept,) = home.rglob("clients/*.json")
    client_id = json.loads(kept.read_text(encoding="utf-8"))["client_id"]
    assert client_id.startswith("tpc_")
    answer = stack.gatehouse("call", "whoami", home=home, browser=NO_BROWSER, **UNREGISTERED)
    assert answer.returncode == 0, answer.stderr
    assert stack.gatehouse("logout", home=home, browser=NO_BROWSER, **UNREGISTERED).returncode == 0
    assert stack.gatehouse("login", home=home, **UNREGISTERED).returncode == 0
    assert json.loads(kept.read_text(encoding="utf-8"))["client_id"] == client_id
    # After the tenant's page "unknown client", a new sign-in is enough: it registers a new client.
    assert stack.gatehouse("login", "--force", home=home, **UNREGISTERED).returncode == 0
    assert json.loads(kept.read_text(encoding="utf-8"))["client_id"] != client_id


def register_machine_with(stack: Stack, key: RSAKey) -> str:
    """Create an application in the tenant that has this key and no secret. Returns its Client ID."""
    name, client_id = "A machine with a key", "GatehouseKeyMachineOfTheTests000"
    credential = {
        "credential_type": "public_key",
        "name": "key",
        "pem": key.as_pem(private=False).decode(),
        "alg": "RS256",
    }
    client = {
        "name": name,
        "app_type": "non_interactive",
        "is_first_party": True,
        "oidc_conformant": True,
        "grant_types": ["client_credentials"],
        "client_authentication_methods": {"private_key_jwt": {"credentials": [credential]}},
    }
    grant = {"client_id": name, "audience": stack.audience, "subject_type": "client", "scope": ["access:mcp"]}
    stack.control(
        "PATCH",
        "configuration",
        tenant={"clients": [client], "clientGrants": [grant]},
        offline={"clients": {name: {"client_id": client_id}}},
    )
    return client_id


@contextmanager
def running_command(stack: Stack, home: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run the agent's command as a process; a test writes to its standard input."""
    process = QuickPopen(
        [sys.executable, "-m", "gatehouse_client", *arguments],
        env=stack.environment(home, NO_BROWSER, **variables),
        cwd=home,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def address_in(process: subprocess.Popen[str], start: str) -> str:
    """The sign-in address that the agent shows."""
    assert process.stderr is not None
    seen: list[str] = []
    for line in process.stderr:
        seen.append(line)
        if line.startswith(start):
            return line.strip()
    raise AssertionError(f"no address of {start} in {seen}")


def rest_of_output(process: subprocess.Popen[str]) -> tuple[str, str]:
    """The rest of standard output and standard error. `communicate` would lose the lines that are already buffered."""
    assert process.stdout is not None
    assert process.stderr is not None
    killer = threading.Timer(SECONDS, process.kill)
    killer.start()
    try:
        err, out = process.stderr.read(), process.stdout.read()
        process.wait()
    finally:
        killer.cancel()
    return out, err
