"""nanoidp, a small identity provider from PyPI: once with permissions as scopes, once as roles of the user."""

from __future__ import annotations

import subprocess
from typing import Any

import httpx2
import yaml

from tests.providers.provider import ALICE, BOB, CLIENT_ID, CLIENT_SECRET, PASSWORDS, PERMISSIONS, Provider


class NanoIdp(Provider):
    name = "nanoidp"
    setting = "permissions are scopes, which every user gets"
    package = "nanoidp"
    scopes: tuple[str, ...] = PERMISSIONS

    def configure(self, *, short_lived: bool) -> None:
        oauth: dict[str, Any] = {
            "issuer": self.issuer,
            "audience": "another-api",
            "token_expiry_minutes": 1 if short_lived else 60,
            "refresh_token_rotation": True,
            "require_pkce": True,
            "scopes_supported": ["openid", "profile", "email", *self.scopes],
            "clients": [
                {
                    "client_id": CLIENT_ID,
                    "client_secret": CLIENT_SECRET,
                    "token_endpoint_auth_method": "client_secret_basic",
                    "redirect_uris": [self.place.callback],
                }
            ],
        }
        users = {
            ALICE: {"password": PASSWORDS[ALICE], "email": ALICE, "roles": list(PERMISSIONS)},
            BOB: {"password": PASSWORDS[BOB], "email": BOB, "roles": ["visitor"]},
        }
        self._write("settings.yaml", {"config_version": 1, "oauth": oauth})
        self._write("users.yaml", {"config_version": 1, "users": users})

    def command(self) -> list[str]:
        program = self.place.python.parent / "nanoidp"
        return [str(program), "--config", str(self.place.folder), "--port", str(self.place.port)]

    def rotate_keys(self, process: subprocess.Popen[bytes]) -> None:
        answer = httpx2.post(f"{self.issuer}/api/keys/rotate")
        assert answer.status_code == 200, answer.text

    def _write(self, name: str, document: dict[str, Any]) -> None:
        (self.place.folder / name).write_text(yaml.safe_dump(document), encoding="utf-8")


class NanoIdpRoles(NanoIdp):
    name = "nanoidp-roles"
    setting = "permissions are roles of the user, in the claim `roles`"
    scopes = ()

    def variables(self) -> dict[str, str]:
        return {**super().variables(), "GRANT_CLAIM": "roles"}
