"""The suite's authorization scenarios against the offline tenant. The suite has its own client; alice signs in."""

from __future__ import annotations

import re
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

import yaml

from mock_idp.tenant.keywords import with_keywords
from mock_idp.testing import offline_tenant
from tests.conformance.suite import command, report, results_in
from tests.support.free_ports import free_port
from tests.support.scripted_browser import PASSWORDS, sign_in

ROOT = Path(__file__).resolve().parents[2]
CLIENT = "Conformance suite"
CLIENT_ID = "ConformanceSuiteClient0000000000"
USER = "alice@example.com"
SECONDS = 120


def problems(modules: Path) -> list[str]:
    """Run the scenarios. Returns the unexpected results."""
    with tempfile.TemporaryDirectory() as folder:
        printed = _run([*command(modules, "0.2"), "authorization", "--output-dir", folder])
        return report("Tenant, conformance 0.2 authorization", results_in(Path(folder)), {}, printed)


def _run(suite: list[str]) -> str:
    tenant, offline = (_yaml(name) for name in ("tenant.yaml", "offline.yaml"))
    port = free_port()
    tenant["clients"].append(
        {
            "name": CLIENT,
            "app_type": "native",
            "is_first_party": False,
            "oidc_conformant": True,
            "callbacks": [f"http://127.0.0.1:{port}/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",  # the suite sends no secret
        }
    )
    offline["clients"][CLIENT] = {"client_id": CLIENT_ID}
    resource = tenant["resourceServers"][0]["identifier"]
    with offline_tenant(tenant, offline) as running:
        who = ["--url", running.issuer, "--client-id", CLIENT_ID, "--port", str(port), "--resource", resource]
        process = subprocess.Popen([*suite, *who], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        killer = threading.Timer(SECONDS, process.kill)
        killer.start()
        try:
            return _signed_in(process)
        finally:
            killer.cancel()
            process.kill()
            process.wait()


def _signed_in(process: subprocess.Popen[str]) -> str:
    """Sign in at every URL that the suite prints, until it ends. Returns its output."""
    printed = ""
    assert process.stdout is not None
    for line in process.stdout:
        printed += line
        asked = re.search(r"http://localhost:\d+/authorize\?\S+", line)
        if asked:
            # The suite continues to print: this loop must not wait for the browser.
            threading.Thread(target=sign_in, args=(asked[0], USER, PASSWORDS[USER]), daemon=True).start()
    return printed


KEYWORDS = {"MCP_PUBLIC_URL": "http://localhost:5555/mcp", "OAUTH_CALLBACK_URI": "http://localhost:8642/callback"}


def _yaml(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(
        with_keywords((ROOT / "auth0" / name).read_text(encoding="utf-8"), KEYWORDS)
    )
    return document
