"""A second tenant over TLS, as a new Auth0 tenant is: a database with a person, and a management application.

It is an offline tenant with a CA, ids and secrets of its own. The dashboard is its Management API.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.support.tls_tenant import tls_tenant

DATABASE = "Username-Password-Authentication"
PERSON = {"email": "you@example.com", "password": "Harbour-4"}
MANAGER = {"name": "Set-up", "client_id": "set-up", "client_secret": "the-secret-of-the-set-up"}


@dataclass
class SecondTenant:
    """The running tenant."""

    domain: str
    ca_file: Path
    _token: str = field(default="", init=False)

    def dashboard(self, method: str, path: str, body: Any = None) -> Any:
        """Do what the dashboard does: a call of the Management API."""
        with httpx2.Client(base_url=f"https://{self.domain}/", verify=self.trusted) as http:
            if not self._token:
                form = {"grant_type": "client_credentials", "audience": f"https://{self.domain}/api/v2/"}
                credentials = {name: MANAGER[name] for name in ("client_id", "client_secret")}
                self._token = http.post("oauth/token", data={**form, **credentials}).json()["access_token"]
            headers = {"Authorization": f"Bearer {self._token}"}
            answer = http.request(method, f"api/v2/{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    @property
    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))

    @property
    def browser(self) -> dict[str, str]:
        """Variables that let the scripted browser sign the person in."""
        return {"ROBOT_USER": PERSON["email"], "ROBOT_PASSWORD": PERSON["password"]}


@contextmanager
def second_tenant(folder: Path) -> Iterator[SecondTenant]:
    """Run it on free ports."""
    database = {"name": DATABASE, "strategy": "auth0"}
    issued = {"management_clients": [MANAGER], "users": [{**PERSON, "roles": []}]}
    with tls_tenant(folder, {"databases": [database]}, issued) as (domain, ca_file):
        yield SecondTenant(domain, ca_file)
