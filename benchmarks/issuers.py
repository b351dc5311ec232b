"""The mock issuers of `make bench DO=tenant`: how each is started, and how a client uses it.

Each runs as its users start it, with the settings that make the sign-in shortest. A sign-in is what a browser and a
client send: the login page, the filled form, the redirects, and the code for tokens.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import ssl
import subprocess
import sys
from abc import ABC, abstractmethod
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import yaml

CALLBACK = "https://app.example/callback"
CLIENT, SECRET = "BenchmarkClient00000000000000000", "benchmark-secret"
EMAIL, PASSWORD = "alice@example.com", "Wonderland-1"
API = "https://api.example/"
VERIFIER = "v" * 43
_CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
_TIMEOUT = 20


class UnexpectedAnswer(Exception):
    """The issuer sent another answer than the expected one."""


class Connection:
    """One connection that is kept open, and the cookies of one browser."""

    def __init__(self, port: int, authority: Path | None) -> None:
        if authority is None:
            self._http = HTTPConnection("localhost", port, timeout=_TIMEOUT)
        else:
            context = ssl.create_default_context(cafile=str(authority))
            self._http = HTTPSConnection("localhost", port, timeout=_TIMEOUT, context=context)
        self._cookies: dict[str, str] = {}

    def forget_cookies(self) -> None:
        self._cookies.clear()

    def get(self, path: str, status: int = 200) -> tuple[str, str]:
        """The body and the Location of an answer with this status.

        Raises:
            UnexpectedAnswer: the answer has another status.
        """
        return self._send("GET", path, None, status, {})

    def post(self, path: str, form: dict[str, str], status: int = 200, *, basic: bool = False) -> tuple[str, str]:
        """As `get`, for a filled form. `basic` moves the client's credentials to the header."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if basic:
            credentials = f"{form.pop('client_id')}:{form.pop('client_secret')}"
            headers["Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
        return self._send("POST", path, urlencode(form), status, headers)

    def reopen(self) -> None:
        """Connect again, because a server closes a connection that is idle for some seconds."""
        self._http.close()
        self._http.connect()

    def close(self) -> None:
        self._http.close()

    def _send(self, method: str, path: str, body: str | None, status: int, headers: dict[str, str]) -> tuple[str, str]:
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        self._http.request(method, path, body, headers)
        answer = self._http.getresponse()
        text = answer.read().decode()
        for cookie in answer.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        if answer.status != status:
            raise UnexpectedAnswer(f"{method} {path}: {answer.status} instead of {status}: {text[:500]}")
        return text, answer.headers.get("Location", "")


class Issuer(ABC):
    """A mock issuer: its command, and the requests of a client."""

    name: str
    keys: str
    """The path of the key set."""
    authority: Path | None = None
    """The certificate authority of an issuer that serves https only."""

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """The command that serves on this port of this machine."""

    def variables(self, port: int) -> dict[str, str]:
        """Environment variables of the command."""
        return {}

    def machine_token(self, connection: Connection) -> None:
        """A token by client credentials.

        Raises:
            NotImplementedError: the issuer does not have this grant.
        """
        raise NotImplementedError

    @abstractmethod
    def sign_in(self, connection: Connection) -> None:
        """A whole sign-in of a person whom the issuer does not know yet, up to the tokens."""


class MockIdp(Issuer):
    """The offline tenant, with the packages of its image and kept keys. `secure` serves https."""

    keys = "/.well-known/jwks.json"

    def __init__(self, python: Path, source: Path, folder: Path, *, secure: bool = False) -> None:
        self.name = "mock-idp, https" if secure else "mock-idp"
        self._python, self._source, self._folder = python, source, folder
        self._secure = secure
        if secure:
            self.authority = folder / "ca.pem"
            _issue_certificate(python, source, folder)
        (folder / "tenant.yaml").write_text(yaml.safe_dump(_TENANT), encoding="utf-8")
        (folder / "offline.yaml").write_text(yaml.safe_dump(_OFFLINE), encoding="utf-8")

    def command(self, port: int) -> list[str]:
        return [str(self._python), "-m", "mock_idp"]

    def variables(self, port: int) -> dict[str, str]:
        ports = {"MOCK_IDP_PORT": "0", "MOCK_IDP_TLS_PORT": str(port)} if self._secure else {"MOCK_IDP_PORT": str(port)}
        return {
            **ports,
            "PYTHONPATH": str(self._source),
            "MOCK_IDP_TENANT": str(self._folder / "tenant.yaml"),
            "MOCK_IDP_OFFLINE": str(self._folder / "offline.yaml"),
            "MOCK_IDP_STATE_DIR": str(self._folder),
            "MOCK_IDP_CA_FILE": str(self._folder / "ca.pem"),
        }

    def machine_token(self, connection: Connection) -> None:
        form = {"grant_type": "client_credentials", "audience": API, "client_id": CLIENT, "client_secret": SECRET}
        _checked(connection.post("/oauth/token", form))

    def sign_in(self, connection: Connection) -> None:
        asked = {**_authorization(CLIENT), "audience": API, "scope": "openid profile read:all"}
        _, page = connection.get(f"/authorize?{urlencode(asked)}", 302)
        connection.get(page)
        form = {"state": _query(page)["state"], "username": EMAIL, "password": PASSWORD, "action": "default"}
        _, resume = connection.post(page, form, 302)
        _, callback = connection.get(resume, 302)
        _checked(connection.post("/oauth/token", _code_form(callback, CLIENT, SECRET)))


class OidcProviderMock(Issuer):
    name = "oidc-provider-mock"
    keys = "/jwks"

    def __init__(self, python: Path) -> None:
        self._python = python

    def command(self, port: int) -> list[str]:
        return [str(self._python.parent / "oidc-provider-mock"), "--port", str(port)]

    def sign_in(self, connection: Connection) -> None:
        page = f"/oauth2/authorize?{urlencode(_authorization('benchmark'))}"
        connection.get(page)
        _, callback = connection.post(page, {"sub": EMAIL}, 302)
        _checked(connection.post("/oauth2/token", _code_form(callback, "benchmark", "secret")))


class NanoIdp(Issuer):
    name = "nanoidp"
    keys = "/.well-known/jwks.json"

    def __init__(self, python: Path, folder: Path) -> None:
        self._python, self._folder = python, folder
        (folder / "keys").mkdir(parents=True, exist_ok=True)
        settings = {
            "config_version": 1,
            "oauth": {
                "issuer": "http://localhost",
                "audience": API,
                "clients": [{"client_id": CLIENT, "client_secret": SECRET}],
            },
        }
        users = {"config_version": 1, "users": {EMAIL: {"password": PASSWORD, "email": EMAIL, "roles": ["USER"]}}}
        (folder / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        (folder / "users.yaml").write_text(yaml.safe_dump(users), encoding="utf-8")

    def command(self, port: int) -> list[str]:
        return [str(self._python.parent / "nanoidp"), "--port", str(port), "--config", str(self._folder)]

    def machine_token(self, connection: Connection) -> None:
        form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET}
        _checked(connection.post("/token", form, basic=True))

    def sign_in(self, connection: Connection) -> None:
        page = f"/authorize?{urlencode(_authorization(CLIENT))}"
        html, _ = connection.get(page)
        found = re.search(r'name="transaction_id" value="([^"]+)"', html)
        assert found is not None, html
        form = {"transaction_id": found[1], "username": EMAIL, "password": PASSWORD}
        _, callback = connection.post(page, form, 302)
        _checked(connection.post("/token", _code_form(callback, CLIENT, SECRET), basic=True))


class Auth0Simulator(Issuer):
    """@simulacrum/auth0-simulator, which serves https only. `folder` becomes its home folder."""

    name = "auth0-simulator, https"
    keys = "/.well-known/jwks.json"

    def __init__(self, node: str, modules: Path, folder: Path, python: Path, source: Path) -> None:
        self._node, self._script, self._folder = node, folder / "serve.cjs", folder
        self._modules, self.authority = modules, folder / "ca.pem"
        users = [{"id": "alice", "name": "Alice", "email": EMAIL, "password": PASSWORD}]
        options = {"options": {"clientID": CLIENT, "audience": API, "scope": "openid profile"}}
        options["initialState"] = {"users": users}
        self._script.write_text(
            'const { simulation } = require("@simulacrum/auth0-simulator");\n'
            f"simulation({json.dumps(options)}).listen(Number(process.argv[2]));\n",
            encoding="utf-8",
        )
        certificates = folder / ".simulacrum" / "certs"
        certificates.mkdir(parents=True)
        _issue_certificate(python, source, folder)
        (folder / "certificate.pem").rename(certificates / "localhost.pem")
        (folder / "key.pem").rename(certificates / "localhost-key.pem")

    def command(self, port: int) -> list[str]:
        return [self._node, str(self._script), str(port)]

    def variables(self, port: int) -> dict[str, str]:
        return {"HOME": str(self._folder), "NODE_PATH": str(self._modules)}

    def machine_token(self, connection: Connection) -> None:
        form = {"grant_type": "client_credentials", "audience": API, "client_id": CLIENT, "client_secret": SECRET}
        _checked(connection.post("/oauth/token", form))

    def sign_in(self, connection: Connection) -> None:
        asked = {**_authorization(CLIENT), "audience": API, "nonce": "n-1", "response_mode": "query"}
        _, page = connection.get(f"/authorize?{urlencode(asked)}", 302)
        connection.get(page)
        form = {"username": EMAIL, "password": PASSWORD, "nonce": "n-1", "redirect_uri": CALLBACK}
        connection.post("/usernamepassword/login", form)
        context = {"redirect_uri": CALLBACK, "nonce": "n-1", "state": "s-1"}
        _, callback = connection.post("/login/callback", {"wctx": json.dumps(context)}, 302)
        _checked(connection.post("/oauth/token", _code_form(callback, CLIENT, SECRET)))


def _authorization(client_id: str) -> dict[str, str]:
    return {
        "client_id": client_id,
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid profile",
        "state": "s-1",
        "code_challenge": _CHALLENGE,
        "code_challenge_method": "S256",
    }


def _code_form(callback: str, client_id: str, secret: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": _query(callback)["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        "client_id": client_id,
        "client_secret": secret,
    }


def _query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def _checked(answer: tuple[str, str]) -> None:
    if "access_token" not in json.loads(answer[0]):
        raise UnexpectedAnswer(f"no token in {answer[0][:500]}")


def _issue_certificate(python: Path, source: Path, folder: Path) -> None:
    command = [str(python), "-m", "mock_idp", "certificate", str(folder), "localhost"]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(source)}, stdout=sys.stderr)


_TENANT: dict[str, Any] = {
    "resourceServers": [
        {
            "name": "API",
            "identifier": API,
            "skip_consent_for_verifiable_first_party_clients": True,
            "scopes": [{"value": "read:all", "description": "Read"}],
        }
    ],
    "clients": [
        {
            "name": "Benchmark",
            "app_type": "regular_web",
            "callbacks": [CALLBACK],
            "grant_types": ["authorization_code", "client_credentials"],
        }
    ],
    "databases": [{"name": "Username-Password-Authentication", "strategy": "auth0", "enabled_clients": ["Benchmark"]}],
    "clientGrants": [{"client_id": "Benchmark", "audience": API, "scope": ["read:all"]}],
}
_OFFLINE: dict[str, Any] = {
    "clients": {"Benchmark": {"client_id": CLIENT, "client_secret": SECRET}},
    "users": [{"email": EMAIL, "user_id": "auth0|65a11ce00000000000000001", "password": PASSWORD}],
}
