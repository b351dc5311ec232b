"""An offline tenant over TLS, from two documents: a process with a CA, ids and secrets of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.support.free_ports import free_ports
from tests.support.processes import environment_without_settings, running_process, wait_for_status


@contextmanager
def tls_tenant(folder: Path, tenant: Mapping[str, object], issued: Mapping[str, object]) -> Iterator[tuple[str, Path]]:
    """Run it on free ports, with its files in a new folder. Gives its domain, and the certificate of its CA.

    Args:
        tenant: the tenant file.
        issued: what a real tenant would issue itself: client ids, secrets and users.
    """
    folder.mkdir()
    port, tls = free_ports(2)
    domain = f"127.0.0.1:{tls}"
    (folder / "tenant.yaml").write_text(yaml.safe_dump(dict(tenant)), encoding="utf-8")
    (folder / "issued.yaml").write_text(yaml.safe_dump(dict(issued)), encoding="utf-8")
    variables = {
        "AUTH0_ISSUER": f"http://localhost:{port}/",
        "MOCK_IDP_PORT": str(port),
        "MOCK_IDP_TENANT": str(folder / "tenant.yaml"),
        "MOCK_IDP_OFFLINE": str(folder / "issued.yaml"),
        "MOCK_IDP_STATE_DIR": str(folder / "state"),
        "MOCK_IDP_TLS_PORT": str(tls),
        "MOCK_IDP_TLS_ISSUER": f"https://{domain}/",
    }
    environment = {**environment_without_settings(), **variables}
    with running_process([sys.executable, "-m", "mock_idp"], environment, folder, log=folder / "log") as process:
        wait_for_status(f"http://localhost:{port}/.well-known/openid-configuration", 200, process)
        yield domain, folder / "state" / "ca.pem"
