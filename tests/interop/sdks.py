"""Auth0's SDKs and libraries for OpenID Connect, unmodified, over TLS.

Each script in sdks/ is a test file of node's own test runner, or of pytest.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from mock_idp.tenant.example import EXAMPLE
from mock_idp.testing import offline_tenant
from tests.interop import signed_in
from tests.support.free_ports import free_port
from tests.support.processes import run_program

SCRIPTS = Path(__file__).parent / "sdks"
FILES = {path.name.partition(".test.")[0]: path.name for path in sorted(SCRIPTS.glob("*.test.*"))}
NAMES = list(FILES)
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
            "BROWSER": signed_in.environment(home)["BROWSER"],
            "ROBOT_USER": "alice@example.com",
            "AUTH0_CA_FILE": str(tenant.ca_file),
            "SSL_CERT_FILE": str(tenant.ca_file),
            "CHROMIUM": os.environ.get("CHROMIUM") or "/usr/bin/chromium",
        }
        script = folder / FILES[name]
        node = ["node", "--test", "--test-reporter=spec"]
        pytest = [os.environ["INTEROP_PYTHON"], "-m", "pytest", "-q", "-c", "/dev/null", "--import-mode=importlib"]
        runner = pytest if script.suffix == ".py" else node
        done = run_program([*runner, str(script)], home, environment, SECONDS)
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


def _documents(app_port: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The built-in example for applications on this port, with an organization of alice."""
    tenant, offline = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in EXAMPLE if path)
    app = f"http://localhost:{app_port}"
    for client in tenant["clients"]:
        if client["name"] == "Web application":
            client |= {"callbacks": [f"{app}/callback"], "allowed_logout_urls": [app], "organization_usage": "allow"}
        if client["name"] == "Single-page application":
            spa = app.replace("localhost", "app.localhost")
            client |= {"callbacks": [spa], "allowed_logout_urls": [spa], "web_origins": [spa]}
    for api in tenant["resourceServers"]:
        api["skip_consent_for_verifiable_first_party_clients"] = True
    tenant["tenant"]["pushed_authorization_requests_supported"] = True
    connection = {"name": "Username-Password-Authentication"}
    tenant["organizations"] = [{"name": "acme", "display_name": "Acme", "connections": [connection]}]
    offline["organizations"] = {"acme": {"id": "org_acme000000000001", "members": ["alice@example.com"]}}
    return tenant, offline
