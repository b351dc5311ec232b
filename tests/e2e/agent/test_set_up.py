"""`gatehouse tenant` and `.env` lead from an empty tenant to a tool call and back, over TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.e2e.agent.dotenv_stack import PASSWORDS, DotenvStack, dotenv_example
from tests.support.free_ports import free_port
from tests.support.stack import TENANT_FILE, LocalStack

MANAGER = {"name": "Set-up", "client_id": "set-up", "client_secret": "the-secret-of-the-set-up"}
USERS = [
    {"email": "carol@example.org", "password": PASSWORDS["carol@example.org"], "roles": ["mcp-user"]},
    {"email": "dave@example.org", "password": PASSWORDS["dave@example.org"]},
]


@contextmanager
def empty_tenant(stack: LocalStack) -> Iterator[DotenvStack]:
    """A tenant that has only the management application, and a folder with a `.env` that names only that."""
    folder = stack.folder / "agent"
    folder.mkdir()
    tls = free_port()
    domain = f"127.0.0.1:{tls}"
    (stack.folder / "nothing.yaml").write_text("{}", encoding="utf-8")
    (stack.folder / "issued.yaml").write_text(yaml.safe_dump({"management_clients": [MANAGER]}), encoding="utf-8")
    (folder / "users.yaml").write_text(yaml.safe_dump({"users": USERS}), encoding="utf-8")
    known = {
        "AUTH0_DOMAIN": domain,
        "AUTH0_ISSUER": "",
        **dict.fromkeys(("AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET", "AUTH0_AUDIENCE"), ""),
        **dict.fromkeys(("EXCHANGE_CLIENT_ID", "EXCHANGE_CLIENT_SECRET"), ""),
        "AUTH0_MGMT_CLIENT_ID": MANAGER["client_id"],
        "AUTH0_MGMT_CLIENT_SECRET": MANAGER["client_secret"],
        "MCP_PORT": str(stack.mcp_port),
        "MCP_PUBLIC_URL": stack.mcp_url,
        "OAUTH_CALLBACK_URI": f"http://localhost:{stack.callback_port}/callback",
        "OAUTH_CALLBACK_PORT": str(stack.callback_port),
    }
    (folder / ".env").write_text(dotenv_example(known), encoding="utf-8")
    of_tenant = {
        "MOCK_IDP_TENANT": str(stack.folder / "nothing.yaml"),
        "MOCK_IDP_OFFLINE": str(stack.folder / "issued.yaml"),
        "MOCK_IDP_TLS_PORT": str(tls),
        "MOCK_IDP_TLS_ISSUER": f"https://{domain}/",
        "MOCK_IDP_CONTROL": "false",
    }
    with stack.tenant(**of_tenant):
        yield DotenvStack(folder, domain, stack.mcp_url, stack.folder / "keys" / "ca.pem")


def test_an_empty_tenant_is_set_up_signs_users_in_and_is_empty_again(tmp_path: Path) -> None:
    stack = LocalStack.on_free_ports(tmp_path)
    with empty_tenant(stack) as running:
        files = ("--file", str(TENANT_FILE), "--users", "users.yaml")

        planned = running.gatehouse("tenant", "plan", *files, "--json")
        assert planned.returncode == 6, planned.stderr
        missing = json.loads(planned.stdout)
        assert {each["action"] for each in missing if each["kind"] != "tenant settings"} == {"create"}

        applied = running.gatehouse("tenant", "apply", *files, "--yes", "--env-file", ".env")
        assert applied.returncode == 0, applied.stderr
        again = running.gatehouse("tenant", "plan", *files, "--json")
        assert (again.returncode, again.stdout) == (0, "[]\n")

        with running.server():
            signed_in = running.gatehouse("login")
            assert signed_in.returncode == 0, signed_in.stderr
            at = ("time=2026-07-28T12:00", "from_timezone=UTC", "to_timezone=Asia/Tokyo")
            called = running.gatehouse("call", "convert_time", *at)
            assert called.returncode == 0, called.stderr
            assert "21:00" in called.stdout
            refused = running.gatehouse("call", "get_time", user="dave@example.org")
            assert refused.returncode == 4, refused.stderr
            examined = running.gatehouse("doctor", "--others", "--json")
            assert examined.returncode == 0, examined.stdout
            results = {check["check"]: check["result"] for check in json.loads(examined.stdout)["checks"]}
            assert {check for check, result in results.items() if result != "ok"} == set()

        destroyed = running.gatehouse("tenant", "destroy", *files, "--yes")
        assert destroyed.returncode == 0, destroyed.stderr
        assert json.loads(running.gatehouse("tenant", "plan", *files, "--json").stdout) == missing
