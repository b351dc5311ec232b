"""`@simulacrum/auth0-simulator`, another simulation of Auth0. It is served over https only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.providers.provider import ALICE, BOB, CLIENT_ID, CLIENT_SECRET, PASSWORDS, PERMISSIONS, Place, Provider
from tests.support.npm import node


class Auth0Simulator(Provider):
    name = "auth0-simulator"
    setting = "as a tenant of Auth0: `AUTH0_DOMAIN` and `AUTH0_CA_FILE`"
    package = "@simulacrum/auth0-simulator"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.authority = place.folder / "ca.pem"

    @property
    def issuer(self) -> str:
        return f"https://localhost:{self.place.port}/"

    def variables(self) -> dict[str, str]:
        return {
            "AUTH0_DOMAIN": f"localhost:{self.place.port}",
            "AUTH0_AUDIENCE": self.place.server,
            "AUTH0_CA_FILE": str(self.authority),
            "AUTH0_CLIENT_ID": CLIENT_ID,
            "AUTH0_CLIENT_SECRET": CLIENT_SECRET,
        }

    def configure(self, *, short_lived: bool) -> None:
        users = [{"id": email, "name": email, "email": email, "password": PASSWORDS[email]} for email in (ALICE, BOB)]
        scope = " ".join(["openid", "profile", "email", *PERMISSIONS])
        options = {"clientID": CLIENT_ID, "audience": self.place.server, "scope": scope}
        arguments = {"options": options, "initialState": {"users": users}}
        self._script.write_text(
            'const { simulation } = require("@simulacrum/auth0-simulator");\n'
            f"simulation({json.dumps(arguments)}).listen({self.place.port}, () => undefined);\n",
            encoding="utf-8",
        )
        # It reads its certificate from the home folder.
        certificates = self.place.folder / ".simulacrum" / "certs"
        if not certificates.exists():
            certificates.mkdir(parents=True)
            command = [sys.executable, "-m", "mock_idp", "certificate", str(self.place.folder), "localhost"]
            subprocess.run(command, env=os.environ, check=True, capture_output=True)
            (self.place.folder / "certificate.pem").rename(certificates / "localhost.pem")
            (self.place.folder / "key.pem").rename(certificates / "localhost-key.pem")

    def command(self) -> list[str]:
        return [node(self.place.modules), str(self._script)]

    def environment(self) -> dict[str, str]:
        return {"HOME": str(self.place.folder), "NODE_PATH": str(self.place.modules)}

    @property
    def _script(self) -> Path:
        return self.place.folder / "simulator.cjs"
