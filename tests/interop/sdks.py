"""Auth0's SDKs and libraries for OpenID Connect, unmodified, over TLS.

Each script in sdks/ is a test file of node's own test runner.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from mock_idp.tenant.example import EXAMPLE
from mock_idp.testing import offline_tenant
from tests.support.free_ports import free_port
from tests.support.processes import run_program

SCRIPTS = Path(__file__).parent / "sdks"
NAMES = [path.name.removesuffix(".test.mjs") for path in sorted(SCRIPTS.glob("*.test.mjs"))]
SECONDS = 180


def problems(name: str, packages: Path, home: Path) -> list[str]:
    """Run one script against a tenant of its own. Returns what is wrong.

    Args:
        packages: the folder with node_modules.
    """
    # node looks for packages in the folders above the script.
    folder = packages / "sdks"
    shutil.copytree(SCRIPTS, folder, dirs_exist_ok=True)
    app_port = free_port()
    with offline_tenant(*_documents(app_port)) as tenant:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "NODE_EXTRA_CA_CERTS": str(tenant.ca_file),
            "AUTH0_DOMAIN": tenant.domain,
            "AUTH0_ISSUER": tenant.issuer,
            "MOCK_IDP_CONTROL": f"{tenant.tls_issuer}__mock__/",
            "APP_PORT": str(app_port),
            "CHROMIUM": os.environ.get("CHROMIUM") or "/usr/bin/chromium",
        }
        script = str(folder / f"{name}.test.mjs")
        done = run_program(["node", "--test", "--test-reporter=spec", script], home, environment, SECONDS)
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


def _documents(app_port: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The built-in example for applications on this port, with an organization of alice."""
    tenant, offline = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in EXAMPLE if path)
    app = f"http://localhost:{app_port}"
    for client in tenant["clients"]:
        if client["name"] == "Web application":
            client |= {"callbacks": [f"{app}/callback"], "allowed_logout_urls": [app]}
        if client["name"] == "Single-page application":
            spa = app.replace("localhost", "app.localhost")
            client |= {"callbacks": [spa], "allowed_logout_urls": [spa], "web_origins": [spa]}
    for api in tenant["resourceServers"]:
        api["skip_consent_for_verifiable_first_party_clients"] = True
    tenant["organizations"] = [{"name": "acme", "display_name": "Acme"}]
    offline["organizations"] = {"acme": {"id": "org_acme000000000001", "members": ["alice@example.com"]}}
    return tenant, offline
