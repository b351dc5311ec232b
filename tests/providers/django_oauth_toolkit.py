"""django-oauth-toolkit, the OAuth provider of many Django sites. Its access tokens are opaque (RFC 7662)."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.providers.provider import CLIENT_ID, CLIENT_SECRET, PASSWORDS, PERMISSIONS, Provider

SERVER_ID = "gatehouse-server"
SERVER_SECRET = "the-secret-of-the-server-at-a-provider-of-the-tests"


class DjangoOAuthToolkit(Provider):
    name = "django-oauth-toolkit"
    setting = "permissions are scopes, which every user gets; the server introspects its opaque tokens"
    package = "django-oauth-toolkit"

    def configure(self, *, short_lived: bool) -> None:
        key_file = self.place.folder / "signing-key.pem"
        if not key_file.exists():
            key_file.write_bytes(_new_key())
        agent = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "name": "The agent",
            "redirect_uris": self.place.callback,
            "authorization_grant_type": "authorization-code",
        }
        server = {
            "client_id": SERVER_ID,
            "client_secret": SERVER_SECRET,
            "name": "The server",
            "authorization_grant_type": "client-credentials",
        }
        configuration = {
            "port": self.place.port,
            "database": str(self.place.folder / "site.sqlite"),
            "signing_key": key_file.read_text(encoding="ascii"),
            "scopes": PERMISSIONS,
            "lifetime": 30 if short_lived else 3600,
            "users": PASSWORDS,
            "clients": [agent, server],
        }
        self._configuration.write_text(json.dumps(configuration), encoding="utf-8")

    def variables(self) -> dict[str, str]:
        introspection = {"INTROSPECTION_CLIENT_ID": SERVER_ID, "INTROSPECTION_CLIENT_SECRET": SERVER_SECRET}
        return {**super().variables(), **introspection}

    def command(self) -> list[str]:
        return [str(self.place.python), str(Path(__file__).with_name("django_site.py")), str(self._configuration)]

    @property
    def _configuration(self) -> Path:
        return self.place.folder / "site.json"


def _new_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
