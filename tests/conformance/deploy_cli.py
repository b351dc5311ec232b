"""Auth0's Deploy CLI imports auth0/tenant.yaml into an empty offline tenant over TLS.

The result must equal the tenant that the offline tenant reads from the file, and `gatehouse tenant plan` must find no
difference.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from mock_idp.state.idp import Idp
from mock_idp.testing import OfflineTenant, offline_tenant
from tests.support.npm import node

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "auth0" / "tenant.yaml"
OFFLINE = ROOT / "auth0" / "offline.yaml"
MANAGER = {"name": "Deploy CLI", "client_id": "deploy-cli", "client_secret": "the-secret-of-the-deploy-cli"}
KEYWORDS = {"MCP_PUBLIC_URL": "http://localhost:5555/mcp", "OAUTH_CALLBACK_URI": "http://localhost:8642/callback"}
# One import takes half a minute, most of it for the CLI's schema.
SECONDS = 180
REPEATS = ("a new tenant", "once more")


def problems(modules: Path) -> list[str]:
    """Returns the differences. Prints one line for each import."""
    print("\nAuth0's Deploy CLI")
    command = [node(modules), str(modules / "auth0-deploy-cli" / "lib" / "index.js")]
    with (
        tempfile.TemporaryDirectory() as folder,
        offline_tenant(FILE, OFFLINE, keywords=KEYWORDS) as wanted,
        offline_tenant({}, {"management_clients": [MANAGER]}) as empty,
    ):
        for name in REPEATS:
            problem = (
                _imported(command, empty, Path(folder))
                or _compared(_configuration(wanted.idp), _configuration(empty.idp))
                or _planned(empty, Path(folder))
            )
            print(f"  {'MISS' if problem else 'ok  '} {name}: imports, and equals the tenant of the file")
            if problem:
                return [f"deploy-cli, {name}: {problem}"]
    return []


def _imported(command: list[str], tenant: OfflineTenant, folder: Path) -> str:
    config = folder / "config.json"
    settings = {
        "AUTH0_DOMAIN": tenant.domain,
        "AUTH0_CLIENT_ID": MANAGER["client_id"],
        "AUTH0_CLIENT_SECRET": MANAGER["client_secret"],
        "AUTH0_ALLOW_DELETE": False,
        "AUTH0_API_MAX_RETRIES": 1,
        "AUTH0_KEYWORD_REPLACE_MAPPINGS": KEYWORDS,
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    # Without --env=false the CLI reads settings from the whole environment.
    command = [*command, "import", "-c", str(config), "-i", str(FILE), "--env=false"]
    return _failure(command, folder, NODE_EXTRA_CA_CERTS=str(tenant.ca_file))


def _planned(tenant: OfflineTenant, folder: Path) -> str:
    """`gatehouse tenant plan` sees no difference."""
    command = [sys.executable, "-m", "gatehouse_client", "tenant", "plan", "--file", str(FILE)]
    return _failure(
        command,
        folder,
        AUTH0_DOMAIN=tenant.domain,
        AUTH0_ISSUER="",
        AUTH0_CA_FILE=str(tenant.ca_file),
        AUTH0_MGMT_CLIENT_ID=MANAGER["client_id"],
        AUTH0_MGMT_CLIENT_SECRET=MANAGER["client_secret"],
        GATEHOUSE_HOME=str(folder),
    )


def _failure(command: list[str], folder: Path, **variables: str) -> str:
    # The folder has no .env, which could name another tenant.
    environment = {**os.environ, **variables}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return "" if done.returncode == 0 else f"exit code {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}"


def _configuration(idp: Idp) -> dict[str, Any]:
    """The tenant's configuration without the ids and secrets that each tenant issues."""
    tenant = idp.tenant
    clients = [client for client in tenant.clients.values() if client.registration == "file"]
    names = {client.client_id: client.name for client in clients}
    grants = [grant for grant in tenant.client_grants if grant.client_id is None or grant.client_id in names]
    return {
        "settings": tenant.settings,
        "apis": tenant.apis,
        "clients": {client.name: replace(client, client_id="", secret="") for client in clients},
        "grants": {replace(grant, client_id=names.get(grant.client_id or "")) for grant in grants},
        "roles": tenant.roles,
        "connections": tenant.connections,
    }


def _compared(wanted: dict[str, Any], seen: dict[str, Any]) -> str:
    different = [f"{name}: {seen[name]} instead of {wanted[name]}" for name in wanted if wanted[name] != seen[name]]
    return "\n".join(different)
