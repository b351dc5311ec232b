"""`gatehouse tenant` and the offline tenant over TLS, from an empty tenant to a sign-in."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import signal
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from gatehouse_client.tenant import management
from mock_idp.pytest_plugin import offline_tenant_keys, start_offline_tenant  # noqa: F401 - fixtures
from tests.client.run_command import Command
from tests.support.scripted_browser import callback_parameters

FILE = Path(__file__).parents[3] / "auth0" / "tenant.yaml"
MANAGER = {"name": "Set-up", "client_id": "set-up", "client_secret": "the-secret-of-the-set-up"}
ALICE = {"email": "alice@example.com", "password": "Wonderland-1", "name": "Alice Adams", "roles": ["mcp-user"]}
API = "http://localhost:5555/mcp"
CALLBACK = "http://localhost:8642/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
DATABASE = "Username-Password-Authentication"


@dataclass
class Bench:
    """An offline tenant over TLS, the command, and the dashboard: direct calls of the Management API."""

    tenant: Any
    command: Command
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "tenant.yaml"

    @property
    def users(self) -> Path:
        return self.folder / "users.yaml"

    def run(self, name: str, *arguments: str, stdin: str | None = None, **variables: str) -> Any:
        files = ["--file", str(self.file)] + ([] if name == "export" else ["--users", str(self.users)])
        return self.command("tenant", name, *files, *arguments, stdin=stdin, **variables)

    def edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        document = yaml.safe_load(self.file.read_text(encoding="utf-8"))
        change(document)
        self.file.write_text(yaml.safe_dump(document), encoding="utf-8")

    def http(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.tenant.issuer)

    def dashboard(self, method: str, path: str, body: Any = None) -> Any:
        """Call the Management API, as the dashboard does."""
        with self.http() as http:
            form = {"grant_type": "client_credentials", "audience": f"{self.tenant.issuer}api/v2/"}
            credentials = {name: MANAGER[name] for name in ("client_id", "client_secret")}
            token = http.post("oauth/token", data={**form, **credentials}).json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            answer = http.request(method, f"api/v2/{path}", json=body, headers=headers)
            assert answer.is_success, answer.text
            return answer.json() if answer.content else None

    def one(self, path: str, **members: Any) -> Any:
        """The only object of a list with these members."""
        (found,) = [each for each in self.dashboard("GET", path) if members.items() <= each.items()]
        return found

    def fault(self, **order: Any) -> None:
        with self.http() as http:
            assert http.post("__mock__/faults", json=order).status_code == 201

    def configuration(self) -> dict[str, Any]:
        """The tenant's whole configuration, without empty parts."""
        with self.http() as http:
            document = http.get("__mock__/configuration").json()
        return {
            part: {name: value for name, value in sections.items() if value not in ([], {})}
            for part, sections in document.items()
        }

    def sent(self, *methods: str) -> list[str]:
        """The calls that the Management API received, in order."""
        with self.http() as http:
            journal = http.get("__mock__/requests").json()["requests"]
        return [
            f"{each['method']} {each['path'].removeprefix('/api/v2/')}"
            for each in journal
            if each["path"].startswith("/api/v2/") and each["method"] in methods
        ]


@pytest.fixture
def bench(
    start_offline_tenant: Callable[..., Any],  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Bench:
    tenant = start_offline_tenant({}, {"management_clients": [MANAGER]})
    variables = {
        "AUTH0_DOMAIN": tenant.domain,
        "AUTH0_CA_FILE": str(tenant.ca_file),
        "AUTH0_MGMT_CLIENT_ID": MANAGER["client_id"],
        "AUTH0_MGMT_CLIENT_SECRET": MANAGER["client_secret"],
        "GATEHOUSE_HOME": str(tmp_path / "home"),
    }
    bench = Bench(tenant, Command(monkeypatch, tmp_path, variables), tmp_path)
    bench.file.write_text(FILE.read_text(encoding="utf-8"), encoding="utf-8")
    bench.users.write_text(yaml.safe_dump({"users": [ALICE]}), encoding="utf-8")
    monkeypatch.setattr(management, "backoff", lambda _attempt: 0.0)
    return bench


def actions(result: Any) -> list[tuple[str, str, str]]:
    return [(each["action"], each["kind"], each["name"]) for each in json.loads(result.stdout)]


def variables_of(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


def sign_in(bench: Bench, client: tuple[str, str]) -> Any:
    """Sign in as Alice through the tenant's pages, and return the answer of the token endpoint."""
    asked = {
        "response_type": "code",
        "client_id": client[0],
        "redirect_uri": CALLBACK,
        "scope": "openid access:mcp time:convert",
        "resource": API,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    code = callback_parameters(str(httpx2.URL(f"{bench.tenant.issuer}authorize", params=asked)), ALICE["email"])["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    secret = {"client_id": client[0], "client_secret": client[1]}
    with bench.http() as http:
        return http.post("oauth/token", data={**form, **secret}).json()


def claims(token: str) -> dict[str, Any]:
    return dict(json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==")))


def test_from_nothing_to_a_sign_in_and_back_to_nothing(bench: Bench) -> None:
    before = bench.configuration()
    planned = bench.run("plan", "--json")
    assert planned.exit_code == 6, planned.stderr
    assert {action for action, kind, _ in actions(planned) if kind != "tenant settings"} == {"create"}
    assert bench.configuration() == before, "a plan changes nothing"
    assert bench.sent("POST", "PATCH", "PUT", "DELETE") == []

    env_file = bench.folder / ".env"
    applied = bench.run("apply", "--yes", "--env-file", str(env_file))
    assert applied.exit_code == 0, applied.stderr
    again = bench.run("plan")
    assert (again.exit_code, again.stdout) == (0, f"{bench.tenant.tls_issuer} is as {bench.file} says.\n")

    written = variables_of(env_file.read_text(encoding="utf-8"))
    answer = sign_in(bench, (written["AUTH0_CLIENT_ID"], written["AUTH0_CLIENT_SECRET"]))
    assert answer["scope"].split() == ["openid", "access:mcp", "time:convert"]
    assert "access:mcp" in claims(answer["access_token"])["permissions"]

    destroyed = bench.run("destroy", "--yes")
    assert destroyed.exit_code == 0, destroyed.stderr
    after = bench.configuration()
    defaults = {"flags": {"enable_dynamic_client_registration": False}, "resource_parameter_profile": "audience"}
    assert after["tenant"].pop("tenant").items() >= defaults.items()
    assert after == before
    assert not list((bench.folder / "home").rglob("*.json")), "no record is left"
    assert json.loads(bench.run("destroy", "--yes", "--json").stdout) == []


def test_destroy_restores_the_earlier_settings(bench: Bench) -> None:
    bench.dashboard("PATCH", "tenants/settings", {"friendly_name": "Acme", "flags": {"enable_sso": True}})
    before = bench.dashboard("GET", "tenants/settings")
    assert bench.run("apply", "--yes").exit_code == 0
    assert bench.dashboard("GET", "tenants/settings")["friendly_name"] == "Gatehouse"
    assert bench.run("destroy", "--yes").exit_code == 0
    assert bench.dashboard("GET", "tenants/settings") == before


def test_the_plan_is_a_table_for_people_and_lines_for_programs(bench: Bench) -> None:
    lines = bench.run("plan").stdout.splitlines()
    assert f"create\tAPI\t{API}\t" in lines
    assert "create\tapplication\tGatehouse agent\t" in lines
    settings = f"change\ttenant settings\t{bench.tenant.tls_issuer} (not created by apply)\t"
    assert f'{settings}resource_parameter_profile: "audience" → "compatibility"' in lines


def test_the_offline_tenant_of_this_project_is_as_its_file_says(
    start_offline_tenant: Callable[..., Any],  # noqa: F811 - the fixture
    bench: Bench,
) -> None:
    bench.tenant = start_offline_tenant(FILE, FILE.with_name("offline.yaml"))
    example = variables_of((FILE.parents[1] / ".env.example").read_text(encoding="utf-8"))
    secret = example["AUTH0_MGMT_CLIENT_SECRET"]
    variables = {"AUTH0_MGMT_CLIENT_ID": example["AUTH0_MGMT_CLIENT_ID"], "AUTH0_MGMT_CLIENT_SECRET": secret}
    users = str(FILE.with_name("offline.yaml"))
    result = bench.command(
        "tenant", "plan", "--file", str(FILE), "--users", users, AUTH0_ISSUER=bench.tenant.issuer, **variables
    )
    assert (result.exit_code, result.stdout) == (0, f"{bench.tenant.issuer} is as {FILE} says.\n"), result.stderr


def test_a_second_apply_changes_nothing(bench: Bench) -> None:
    assert bench.run("apply", "--yes").exit_code == 0
    count = len(bench.sent("POST", "PATCH", "DELETE"))
    again = bench.run("apply")
    assert again.exit_code == 0, again.stderr
    assert len(bench.sent("POST", "PATCH", "DELETE")) == count


@pytest.mark.parametrize("step", ["clients", "connections", "client-grants", "roles", "users", "tenants/settings"])
def test_an_apply_that_failed_can_be_continued(bench: Bench, step: str) -> None:
    bench.fault(
        path=f"/api/v2/{step}", method="PATCH" if "settings" in step else "POST", status=400, body={"message": "No."}
    )
    broken = bench.run("apply", "--yes")
    assert broken.exit_code == 1
    assert re.search(
        r"^\d+ of \d+ steps are done. Run the same command again to continue.$", broken.stderr, re.MULTILINE
    )
    assert broken.stderr.splitlines()[-1].endswith(": No.")
    converged = bench.run("apply", "--yes")
    assert converged.exit_code == 0, converged.stderr
    assert bench.run("plan").exit_code == 0
    posts = [each for each in bench.sent("POST") if each == "POST clients"]
    names = [each["name"] for each in bench.dashboard("GET", "clients")]
    assert len(names) == len(set(names)), "nothing was created twice"
    assert len(posts) == 5 + (step == "clients")


def test_an_object_that_was_created_incompletely_is_completed(bench: Bench) -> None:
    """The role exists, but its permissions are missing."""
    assert bench.run("apply", "--yes").exit_code == 0
    role = bench.one("roles", name="mcp-user")
    permissions = bench.dashboard("GET", f"roles/{role['id']}/permissions")
    held = [{key: each[key] for key in ("permission_name", "resource_server_identifier")} for each in permissions]
    bench.dashboard("DELETE", f"roles/{role['id']}/permissions", {"permissions": held})
    assert bench.run("plan").exit_code == 6
    assert bench.run("apply").exit_code == 0, "apply repairs what it created without a question"
    assert bench.dashboard("GET", f"roles/{role['id']}/permissions") == permissions


def test_an_apply_that_was_interrupted_can_be_continued(bench: Bench) -> None:
    bench.fault(path="/api/v2/roles", method="POST", action="hang")
    process = bench.command.process("tenant", "apply", "--yes", "--file", str(bench.file), "--users", str(bench.users))
    assert process.stderr is not None
    with process, process.stderr as chatter:
        for line in chatter:
            if line.endswith("create role mcp-user\n"):
                break
        process.send_signal(signal.SIGINT)
        rest = chatter.read()
    assert process.returncode == 130
    assert rest.endswith("10 of 13 steps are done. Run the same command again to continue.\nInterrupted.\n")
    with bench.http() as http:
        http.delete("__mock__/faults")  # the signal may have come before the request
    assert bench.run("apply", "--yes").exit_code == 0
    assert bench.run("plan").exit_code == 0
    assert len(bench.dashboard("GET", "clients")) == 6, "nothing was created twice"


def test_drift_in_the_dashboard_is_shown_and_repaired(bench: Bench) -> None:
    assert bench.run("apply", "--yes").exit_code == 0
    api = bench.one("resource-servers", identifier=API)
    agent = bench.one("clients", name="Gatehouse agent")
    connection = bench.one("connections", name=DATABASE)
    grant = bench.one("client-grants", default_for="third_party_clients")
    role = bench.one("roles", name="mcp-user")
    bench.dashboard("PATCH", f"resource-servers/{api['id']}", {"enforce_policies": False, "scopes": api["scopes"][1:]})
    bench.dashboard("PATCH", f"clients/{agent['client_id']}", {"callbacks": ["http://localhost:1/callback"]})
    bench.dashboard("PATCH", f"connections/{connection['id']}", {"is_domain_connection": False})
    disabled = [{"client_id": agent["client_id"], "status": False}]
    bench.dashboard("PATCH", f"connections/{connection['id']}/clients", disabled)
    bench.dashboard("PATCH", f"client-grants/{grant['id']}", {"scope": []})
    bench.dashboard("PATCH", f"roles/{role['id']}", {"description": "Whatever"})
    bench.dashboard("PATCH", "tenants/settings", {"resource_parameter_profile": "audience"})
    shown = json.loads(bench.run("plan", "--json").stdout)
    seen = {(each["kind"], difference["path"]) for each in shown for difference in each["differences"]}
    assert seen == {
        ("API", "enforce_policies"),
        ("API", "scopes"),
        ("application", "callbacks"),
        ("connection", "is_domain_connection"),
        ("connection", "enabled_clients"),
        ("client grant", "scope"),
        ("role", "description"),
        ("role", "permissions"),
        ("tenant settings", "resource_parameter_profile"),
    }
    repaired = bench.run("apply")
    assert repaired.exit_code == 0, repaired.stderr
    assert bench.run("plan").exit_code == 0
    assert bench.one("clients", name="Gatehouse agent")["callbacks"] == [CALLBACK]


def test_what_the_file_does_not_name_is_left_alone(bench: Bench) -> None:
    other = bench.dashboard("POST", "clients", {"name": "Somebody else's", "app_type": "spa"})
    api = bench.dashboard("POST", "resource-servers", {"identifier": "https://other.example/", "name": "Other"})
    connection = bench.dashboard("POST", "connections", {"name": DATABASE, "strategy": "auth0", "options": {"a": 1}})
    bench.dashboard(
        "PATCH", f"connections/{connection['id']}/clients", [{"client_id": other["client_id"], "status": True}]
    )
    bench.dashboard("POST", "users", {"connection": DATABASE, "email": "carol@example.com", "password": "Caro-1"})
    assert bench.run("apply", "--yes").exit_code == 0
    assert other["client_id"] in bench.one("connections", name=DATABASE)["enabled_clients"]
    destroyed = bench.run("destroy", "--yes")
    assert destroyed.exit_code == 0
    assert f"The connection {DATABASE} stays" in destroyed.stderr
    assert bench.one("clients", name="Somebody else's")["client_id"] == other["client_id"]
    assert bench.one("resource-servers", identifier="https://other.example/")["id"] == api["id"]
    assert [user["email"] for user in bench.dashboard("GET", "users")] == ["carol@example.com"]
    assert bench.one("connections", name=DATABASE)["options"] == {"a": 1}


def test_apply_asks_before_it_changes_an_object_that_it_did_not_create(bench: Bench) -> None:
    made = bench.dashboard("POST", "resource-servers", {"identifier": API, "name": "Mine"})
    refused = bench.run("apply", stdin="n\n")
    assert refused.exit_code == 2
    assert f'change\tAPI\t{API} (not created by apply)\tname: "Mine" → "Gatehouse MCP server"' in refused.stdout
    assert refused.stderr.endswith("? [y/N] Nothing was changed. --yes answers the question in advance.\n")
    assert bench.run("apply", stdin="").exit_code == 2, "no answer is a refusal"
    assert bench.sent("POST", "PATCH") == ["POST resource-servers"]
    assert bench.run("apply", stdin="y\n").exit_code == 0
    assert bench.one("resource-servers", identifier=API)["id"] == made["id"]


def test_destroy_asks(bench: Bench) -> None:
    assert bench.run("apply", "--yes").exit_code == 0
    refused = bench.run("destroy", stdin="no\n")
    assert refused.exit_code == 2
    assert f"delete\tAPI\t{API}" in refused.stdout
    assert bench.sent("DELETE") == []


def test_a_client_that_registered_itself_with_our_name_is_not_ours(bench: Bench) -> None:
    bench.dashboard("PATCH", "tenants/settings", {"flags": {"enable_dynamic_client_registration": True}})
    with bench.http() as http:
        metadata = {"client_name": "Gatehouse agent", "redirect_uris": ["https://evil.example/cb"]}
        stranger = http.post("oidc/register", json=metadata).json()["client_id"]
    applied = bench.run("apply", "--yes", "--json", "--show-secrets")
    assert applied.exit_code == 0, applied.stderr
    assert json.loads(applied.stdout)["environment"]["AUTH0_CLIENT_ID"] != stranger
    assert bench.dashboard("GET", f"clients/{stranger}")["callbacks"] == ["https://evil.example/cb"]
    assert bench.run("destroy", "--yes").exit_code == 0
    assert bench.dashboard("GET", f"clients/{stranger}")["name"] == "Gatehouse agent"


def test_secrets_go_to_a_private_file_or_on_request_to_the_terminal(bench: Bench) -> None:
    env_file = bench.folder / ".env"
    env_file.write_text("# ours\nMCP_PORT=5555\nAUTH0_CLIENT_ID=old\nAUTH0_CLIENT_SECRET=old\n", encoding="utf-8")
    applied = bench.run("apply", "--yes", "--trace", "--env-file", str(env_file))
    assert applied.exit_code == 0, applied.stderr
    text = env_file.read_text(encoding="utf-8")
    written = variables_of(text)
    assert text.startswith("# ours\nMCP_PORT=5555\nAUTH0_CLIENT_ID=")
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    agent = bench.one("clients", name="Gatehouse agent")
    server = bench.one("clients", name="Gatehouse server")
    assert written["AUTH0_DOMAIN"] == bench.tenant.domain
    assert written["AUTH0_ISSUER"] == ""
    assert written["AUTH0_AUDIENCE"] == API
    assert (written["AUTH0_CLIENT_ID"], written["AUTH0_CLIENT_SECRET"]) == (agent["client_id"], agent["client_secret"])
    assert (written["EXCHANGE_CLIENT_ID"], written["EXCHANGE_CLIENT_SECRET"]) == (
        server["client_id"],
        server["client_secret"],
    )
    shown = bench.run("apply", "--trace")
    assert "Not shown: AUTH0_CLIENT_SECRET, EXCHANGE_CLIENT_SECRET" in shown.stderr
    secrets = [agent["client_secret"], server["client_secret"], MANAGER["client_secret"], ALICE["password"]]
    assert not [secret for secret in secrets for result in (applied, shown) if str(secret) in result.output]
    assert variables_of(bench.run("apply", "--show-secrets").stdout)["AUTH0_CLIENT_SECRET"] == agent["client_secret"]


def test_a_file_that_cannot_be_written_is_named_before_the_tenant_is_changed(bench: Bench) -> None:
    refused = bench.run("apply", "--yes", "--env-file", "nowhere/.env")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "nowhere/.env cannot be written here. --show-secrets prints the lines instead.\n",
    )
    assert bench.sent("POST", "PATCH") == []


def test_an_env_file_that_is_not_text_is_named_and_left_as_it_is(bench: Bench) -> None:
    env_file = bench.folder / "new.env"
    env_file.write_bytes(b"# caf\xe9\nMY_OWN=stays\n")
    refused = bench.run("apply", "--yes", "--env-file", str(env_file))
    assert refused.exit_code == 2
    assert f"{env_file} cannot be read or written" in refused.stderr
    assert "Name another file with --env-file." in refused.stderr
    assert env_file.read_bytes() == b"# caf\xe9\nMY_OWN=stays\n"
    again = bench.run("apply", "--yes", "--env-file", str(bench.folder / "other.env"))
    assert again.exit_code == 0, again.stderr


def test_a_variable_that_the_env_file_has_twice_is_written_once(bench: Bench) -> None:
    env_file = bench.folder / "new.env"
    lines = ["export AUTH0_CLIENT_ID=old", "# a note", "AUTH0_CLIENT_ID = older", "no variable", ""]
    env_file.write_text("\n".join(lines), encoding="utf-8")
    applied = bench.run("apply", "--yes", "--env-file", str(env_file))
    assert applied.exit_code == 0, applied.stderr
    written = env_file.read_text(encoding="utf-8").splitlines()
    agent = bench.one("clients", name="Gatehouse agent")
    assert [line for line in written if "AUTH0_CLIENT_ID" in line] == [f"AUTH0_CLIENT_ID={agent['client_id']}"]
    assert written[1:3] == ["# a note", "no variable"]


def test_the_env_file_has_nothing_left_of_another_tenant(bench: Bench) -> None:
    env_file = bench.folder / "new.env"
    example = FILE.parents[1].joinpath(".env.example").read_text(encoding="utf-8")
    left_over = "COMPOSE_PROFILES=mock\nOIDC_ISSUER=https://other.example/\nMY_OWN=stays\n"
    env_file.write_text(example + left_over, encoding="utf-8")
    bench.edit(lambda document: document["clients"].pop(3))  # the server's own application
    applied = bench.run("apply", "--yes", "--env-file", str(env_file))
    assert applied.exit_code == 0, applied.stderr
    text = env_file.read_text(encoding="utf-8")
    written = variables_of(text)
    assert "demo-secret" not in text
    assert "DemoClient" not in text
    emptied = ("EXCHANGE_CLIENT_ID", "EXCHANGE_CLIENT_SECRET", "AUTH0_MGMT_CLIENT_ID", "AUTH0_MGMT_CLIENT_SECRET")
    assert {written[name] for name in (*emptied, "COMPOSE_PROFILES", "OIDC_ISSUER")} == {""}
    assert written["AUTH0_CA_FILE"] == str(bench.tenant.ca_file)
    assert (written["AUTH0_DOMAIN"], written["MY_OWN"]) == (bench.tenant.domain, "stays")


def test_the_offline_tenants_own_credentials_stay_in_its_env_file(
    start_offline_tenant: Callable[..., Any],  # noqa: F811 - the fixture
    bench: Bench,
) -> None:
    example = FILE.parents[1] / ".env.example"
    env_file = bench.folder / "offline.env"
    env_file.write_text(example.read_text(encoding="utf-8"), encoding="utf-8")
    tenant = start_offline_tenant(FILE, FILE.with_name("offline.yaml"))
    before = variables_of(env_file.read_text(encoding="utf-8"))
    credentials = {name: value for name, value in before.items() if name.startswith("AUTH0_MGMT")}
    trusted = {"AUTH0_CA_FILE": str(tenant.ca_file), "AUTH0_DOMAIN": tenant.domain}
    applied = bench.command(
        "tenant", "apply", "--file", str(FILE), "--env-file", str(env_file), **trusted, **credentials
    )
    assert applied.exit_code == 0, applied.stderr
    after = variables_of(env_file.read_text(encoding="utf-8"))
    assert {name: after[name] for name, value in before.items() if "emo" in value} == {
        name: value for name, value in before.items() if "emo" in value
    }


def test_apply_ends_with_what_remains_to_be_done(bench: Bench) -> None:
    bench.users.write_text(yaml.safe_dump({"users": [{**ALICE, "roles": []}]}), encoding="utf-8")
    applied = bench.run("apply", "--yes", "--env-file", str(bench.folder / ".env"))
    assert applied.exit_code == 0, applied.stderr
    what = applied.stderr.partition("What remains to be done:\n")[2]
    assert what.startswith("  - Give the role mcp-user to each person who may use the server. Nobody has it yet.")
    assert "gatehouse tenant apply --give-role E-MAIL" in what
    assert "`make down && make up`" in what

    given = bench.run("apply", "--yes", "--json", "--give-role", "Alice@example.com")
    assert "Alice@example.com has the role mcp-user." in given.stderr
    (to_do,) = json.loads(given.stdout)["to_do"]
    assert to_do.startswith("Restart the server"), ".env has the settings"
    (bench.folder / ".env").unlink()
    (to_do,) = json.loads(bench.run("apply", "--json").stdout)["to_do"]
    assert to_do.startswith("Put the settings into .env. Restart the server")
    user = bench.one("users", email=ALICE["email"])
    assert [role["name"] for role in bench.dashboard("GET", f"users/{user['user_id']}/roles")] == ["mcp-user"]
    assert "Give the role" not in bench.run("apply", "--yes").stderr, "somebody has it"
    assert bench.run("apply", "--yes", "--give-role", user["user_id"]).exit_code == 0, "a role can be given twice"


def test_the_role_is_given_only_to_one_account_that_exists(bench: Bench) -> None:
    nobody = bench.run("apply", "--yes", "--give-role", "nobody@example.com")
    assert nobody.exit_code == 2
    assert "no user with the e-mail address nobody@example.com" in nobody.stderr
    assert "User Management > Users" in nobody.stderr
    unknown = bench.run("apply", "--yes", "--give-role", "auth0|65f000000000000000000000")
    assert (unknown.exit_code, "give the role mcp-user to auth0|65f0" in unknown.stderr) == (1, True)
    twins = [{"user_id": "auth0|1", "email": ALICE["email"]}, {"user_id": "google-oauth2|2", "email": ALICE["email"]}]
    bench.fault(path="/api/v2/users-by-email", method="GET", status=200, body=twins, times=None)
    bench.users.write_text("users: []", encoding="utf-8")
    several = bench.run("apply", "--yes", "--give-role", ALICE["email"])
    assert "has 2 accounts: auth0|1, google-oauth2|2. Name one by its id." in several.stderr
    other = bench.run("apply", "--yes", "--give-role", ALICE["email"], REQUIRED_PERMISSION="mcp:use")
    assert "No role in the tenant file has the permission mcp:use" in other.stderr


def test_on_a_terminal_apply_asks_who_gets_the_role(bench: Bench) -> None:
    bench.users.write_text(yaml.safe_dump({"users": [{**ALICE, "roles": []}]}), encoding="utf-8")
    assert bench.run("apply", "--yes").exit_code == 0
    with bench.command.on_terminal("tenant", "apply", "--file", str(bench.file)) as session:
        session.until("Who gets it?")
        session.type(ALICE["email"])
        session.until(f"{ALICE['email']} has the role mcp-user.")
        session.until("Restart the server")
    user = bench.one("users", email=ALICE["email"])
    assert len(bench.dashboard("GET", f"users/{user['user_id']}/roles")) == 1


def test_a_rate_limited_call_is_repeated(bench: Bench) -> None:
    fault = {"path": "/api/v2/clients", "method": "POST", "action": "rate_limit", "headers": {"retry-after": "0"}}
    bench.fault(**fault, times=2)
    assert bench.run("apply", "--yes").exit_code == 0
    assert len(bench.dashboard("GET", "clients")) == 6
    bench.fault(endpoint="management", action="rate_limit", headers={"retry-after": "0"}, times=None)
    limited = bench.run("plan")
    assert limited.exit_code == 5
    assert "Global limit has been reached. Try again later." in limited.stderr


def test_a_change_that_the_tenant_accepts_but_does_not_make_is_an_error(bench: Bench) -> None:
    bench.fault(path="/api/v2/tenants/settings", method="PATCH", status=200, body={})
    result = bench.run("apply", "--yes")
    assert result.exit_code == 1
    assert "The tenant refused nothing, but it still differs from" in result.stderr
    assert 'resource_parameter_profile: "audience" → "compatibility"' in result.stderr
    assert bench.run("apply", "--yes").exit_code == 0


def test_ssl_cert_file_can_also_name_the_trusted_authority(bench: Bench) -> None:
    assert bench.run("plan", AUTH0_CA_FILE="", SSL_CERT_FILE=str(bench.tenant.ca_file)).exit_code == 6


def test_a_call_that_failed_in_the_tenant_is_repeated_unless_it_creates_something(bench: Bench) -> None:
    for failure in ({"status": 503}, {"action": "drop"}):
        bench.fault(path="/api/v2/clients", method="GET", **failure, times=2)
        assert bench.run("plan").exit_code == 6
    bench.fault(path="/api/v2/clients", method="POST", status=503, times=None)
    assert bench.run("apply", "--yes").exit_code == 5
    assert bench.sent("POST").count("POST clients") == 1


@pytest.mark.parametrize(
    ("variables", "code", "said"),
    [
        ({"AUTH0_MGMT_CLIENT_SECRET": ""}, 2, "Not set: AUTH0_MGMT_CLIENT_SECRET. In the dashboard, create"),
        (
            {"AUTH0_MGMT_CLIENT_SECRET": "wrong"},
            2,
            "does not accept AUTH0_MGMT_CLIENT_ID with AUTH0_MGMT_CLIENT_SECRET",
        ),
        ({"AUTH0_MGMT_TOKEN": "nonsense"}, 2, "The tenant does not accept AUTH0_MGMT_TOKEN: Invalid token."),
        ({"AUTH0_DOMAIN": ""}, 2, "AUTH0_DOMAIN is not set"),
        ({"AUTH0_DOMAIN": "localhost:1"}, 5, "https://localhost:1/ cannot be reached to read the tenant settings"),
        ({"AUTH0_CA_FILE": ""}, 5, "is not trusted"),
        (
            {"AUTH0_CA_FILE": "/nowhere.pem"},
            2,
            "AUTH0_CA_FILE is '/nowhere.pem': it must be a file with the certificate",
        ),
        ({"AUTH0_KEYWORD_REPLACE_MAPPINGS": "{"}, 2, "AUTH0_KEYWORD_REPLACE_MAPPINGS is '{': it must be a JSON object"),
    ],
)
def test_a_missing_or_wrong_setting_is_one_message(
    bench: Bench, variables: dict[str, str], code: int, said: str
) -> None:
    result = bench.run("plan", **variables)
    assert result.exit_code == code, result.stderr
    assert said in result.stderr
    assert MANAGER["client_secret"] not in result.output
    assert "Traceback" not in result.output


def test_a_tenant_that_never_answered_is_an_error_after_one_attempt(bench: Bench) -> None:
    result = bench.run("plan", "--trace", AUTH0_DOMAIN="localhost:1")
    assert result.exit_code == 5
    assert result.stderr.count("→ POST https://localhost:1/oauth/token") == 1


def test_a_missing_scope_is_named_with_its_place_in_the_dashboard(
    start_offline_tenant: Callable[..., Any],  # noqa: F811 - the fixture
    bench: Bench,
) -> None:
    narrow = {**MANAGER, "scope": ["read:tenant_settings"]}
    bench.tenant = start_offline_tenant({}, {"management_clients": [narrow]})
    result = bench.run("plan", AUTH0_DOMAIN=bench.tenant.domain, AUTH0_CA_FILE=str(bench.tenant.ca_file))
    assert result.exit_code == 4
    assert "may not read the APIs: Insufficient scope, expected any of: read:resource_servers." in result.stderr
    assert "Auth0 Management API > Machine to Machine Applications" in result.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file.update(clients={}), "there is no client 'Gatehouse machine' in the file"),
        (lambda file: file.update(roles=["x"]), "roles[0] must be a mapping with name."),
        (lambda file: file.update(tenant=[1]), "tenant must be a mapping of settings."),
        (lambda file: file["roles"].append(file["roles"][0]), "roles: name 'mcp-user' occurs 2 times."),
        (lambda file: file["clientGrants"][0].pop("client_id"), "clientGrants[0] needs one of client_id"),
    ],
)
def test_a_mistake_in_the_file_is_reported_with_its_place(
    bench: Bench, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    bench.edit(change)
    result = bench.run("plan")
    assert result.exit_code == 2
    assert said in result.stderr
    assert bench.sent("GET") == []


@pytest.mark.parametrize("name", ["older_full_export", "newer_full_export"])
def test_a_whole_export_is_planned(bench: Bench, name: str) -> None:
    export = FILE.parents[1] / f"tests/support/exports/loads/{name}.yaml"
    result = bench.command("tenant", "plan", "--file", str(export))
    assert result.exit_code == 6, result.stderr
    assert "Orchard API" in result.stdout or "https://api.orchard.example/" in result.stdout
    assert "Not handled in" in result.stderr


def test_a_keyword_without_a_value_is_shown_by_plan_and_never_reaches_the_tenant(bench: Bench) -> None:
    bench.edit(lambda file: file["tenant"].update(friendly_name="##NAME##"))
    plan = bench.run("plan")
    assert "has no value for ##NAME##, which therefore stays as text. Set an environment variable" in plan.stderr
    assert "##NAME##" in plan.stdout
    apply = bench.run("apply", "--yes")
    assert apply.exit_code == 2
    assert "A keyword without a value would reach the tenant as text: ##NAME##." in apply.stderr
    assert bench.sent("POST") == bench.sent("PATCH") == []


def test_the_tenants_error_message_is_shown(bench: Bench) -> None:
    bench.edit(lambda file: file["clients"][0].update(colour="red"))
    result = bench.run("apply", "--yes")
    assert result.exit_code == 1
    assert "refused to create the application Gatehouse agent: Payload validation error:" in result.stderr
    assert "Additional properties not allowed: colour" in result.stderr


def test_a_member_that_cannot_be_changed_is_named(bench: Bench) -> None:
    assert bench.run("apply", "--yes").exit_code == 0
    other = "https://calendar.gatehouse.example/"
    bench.edit(lambda file: file["clients"][3].update(resource_server_identifier=other))
    result = bench.run("apply", "--yes")
    assert result.exit_code == 1
    assert "The resource_server_identifier of the application Gatehouse server cannot be changed" in result.stderr


def test_keywords_are_replaced_as_the_deploy_cli_does(bench: Bench) -> None:
    bench.edit(lambda file: file["tenant"].update(friendly_name="##NAME##"))
    mappings = json.dumps({"NAME": "Acme"})
    assert bench.run("apply", "--yes", AUTH0_KEYWORD_REPLACE_MAPPINGS=mappings).exit_code == 0
    assert bench.dashboard("GET", "tenants/settings")["friendly_name"] == "Acme"


def test_sections_that_are_not_handled_are_named(bench: Bench) -> None:
    bench.edit(lambda file: file.update(actions=[], branding={}))
    assert f"Not handled in {bench.file}: actions, branding." in bench.run("plan").stderr
