"""`oidc-provider`, a certified OpenID Connect provider for Node, with resources (RFC 8707) and JWTs (RFC 9068)."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

from tests.providers.provider import ALICE, BOB, CLIENT_ID, CLIENT_SECRET, PASSWORDS, PERMISSIONS, Provider
from tests.support.npm import node


class OidcProvider(Provider):
    name = "oidc-provider"
    setting = "permissions are scopes of the API, granted by role on the consent page"
    package = "oidc-provider"

    def configure(self, *, short_lived: bool) -> None:
        place = self.place
        # Node looks for packages in the folders above the script.
        script = Path(__file__).with_suffix(".mjs")
        self._script.write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
        client = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uris": [place.callback],
            "grant_types": ["authorization_code", "refresh_token"],
        }
        users = {
            ALICE: {"password": PASSWORDS[ALICE], "permissions": PERMISSIONS},
            BOB: {"password": PASSWORDS[BOB], "permissions": []},
        }
        configuration = {
            "port": place.port,
            "api": {"identifier": place.server, "scopes": PERMISSIONS},
            "clients": [client],
            "users": users,
            "lifetime": 2 if short_lived else 3600,
        }
        self._configuration.write_text(json.dumps(configuration), encoding="utf-8")

    def variables(self) -> dict[str, str]:
        # A person without a permission needs something to consent to.
        return {**super().variables(), "OIDC_PROFILE": "rfc9068", "OAUTH_SCOPE": "openid email"}

    def command(self) -> list[str]:
        return [node(self.place.modules), str(self._script), str(self._configuration)]

    def rotate_keys(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGHUP)

    @property
    def _script(self) -> Path:
        return self.place.modules.parent / "oidc_provider.mjs"

    @property
    def _configuration(self) -> Path:
        return self.place.folder / "oidc-provider.json"
