"""Paths of the project, the variables of .env, and checks of ports and URLs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from report import Problem, say

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = os.environ.get("ENV") == "prod"
"""Whether the command is for docker-compose.prod.yml (`make up ENV=prod`)."""
DOTENV = ROOT / (".env.prod" if PRODUCTION else ".env")
EXAMPLE = ROOT / ".env.example"
START_SECONDS = 60
TENANT_SECONDS = 10
"""How long the server may not be ready because of a tenant that is not part of the stack."""
RUN = Path(os.environ.get("STACK_RUN_DIR") or ROOT / ".run")
AUTHORITY = RUN / "authority" / "ca.pem"
"""The certificate of the stack's own authority, for https under PUBLIC_HOST."""


DEFAULT_PORTS = {"MCP_PORT": 5555, "MOCK_IDP_PORT": 9000, "OAUTH_CALLBACK_PORT": 8642}
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Environment:
    """The variables of .env. Variables of the shell override them, and an empty one follows from others.

    `given(name)` is the variable as it is written; `self[name]` is its value, if need be derived from others.
    """

    values: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.given(name) or self.derived.get(name, "")

    def given(self, name: str) -> str:
        """The variable as the shell or .env has it; empty if neither does."""
        return os.environ.get(name, self.values.get(name, ""))

    @cached_property
    def derived(self) -> dict[str, str]:
        """Variables that follow from others, by name. The packages' settings derive them alike."""
        host = self.public_host
        listens_on = self.given("MCP_HOST")
        server_host = self.given("PUBLIC_HOST") or (listens_on if listens_on in LOOPBACK_HOSTS else host)
        port = self._port("MCP_PORT", "MCP_PUBLIC_URL")
        public_url = self.given("MCP_PUBLIC_URL") or f"{_origin(server_host, port)}/mcp"
        found = {
            "MCP_PORT": str(port),
            "MCP_PUBLIC_URL": public_url,
            "OAUTH_CALLBACK_PORT": str(self._port("OAUTH_CALLBACK_PORT", "OAUTH_CALLBACK_URI")),
        }
        found["OAUTH_CALLBACK_URI"] = f"http://localhost:{self._port('OAUTH_CALLBACK_PORT', '')}/callback"
        if self.offline:
            tenant_port = self._port("MOCK_IDP_PORT", "")
            forwarded = self.given("MOCK_IDP_PUBLIC_URL").rstrip("/")
            found |= {
                "MOCK_IDP_PORT": str(tenant_port),
                "AUTH0_ISSUER": f"{forwarded or _origin(host, tenant_port)}/",
                "AUTH0_AUDIENCE": public_url,
                "OFFLINE_TENANT": "1",
                "MOCK_IDP_TENANT": "auth0/tenant.yaml",
                "MOCK_IDP_STATE_DIR": str(RUN / "tenant"),
            }
        if not self.given("OIDC_ISSUER") and not self.given("AUTH0_DOMAIN"):
            issuer = _split(self.given("AUTH0_ISSUER") or found.get("AUTH0_ISSUER", ""))
            found["AUTH0_DOMAIN"] = issuer.netloc if issuer else ""
        if self.own_tls:
            found["AUTH0_CA_FILE"] = str(AUTHORITY)
        return found

    @property
    def offline(self) -> bool:
        """Whether the offline tenant is part of the stack. Only the issuer decides.

        It is part of it if no variable names an issuer, or if the issuer is this machine's, on the tenant's port.
        """
        issuer = next(filter(None, map(self.given, ("OIDC_ISSUER", "AUTH0_ISSUER", "AUTH0_DOMAIN"))), "")
        parts = _split(issuer if "//" in issuer else f"//{issuer}")
        if not issuer or self.given("OIDC_ISSUER") or parts is None:
            return not issuer
        on_this_machine = parts.hostname in (*LOOPBACK_HOSTS, self.public_host)
        return on_this_machine and parts.port == self._port("MOCK_IDP_PORT", "")

    @property
    def profiles(self) -> str:
        """COMPOSE_PROFILES, with `mock` exactly if the offline tenant is part of the stack."""
        others = [name for name in self.given("COMPOSE_PROFILES").split(",") if name not in ("", "mock")]
        return ",".join([*others, *(["mock"] if self.offline else [])])

    @property
    def forwarded(self) -> bool:
        """Whether another program, such as a proxy, forwards the issuer's URL to the offline tenant."""
        return self.offline and bool(self.given("MOCK_IDP_PUBLIC_URL"))

    @property
    def public_host(self) -> str:
        """The host name or address that the stack is reached by."""
        return self.given("PUBLIC_HOST") or "localhost"

    @property
    def own_tls(self) -> bool:
        """Whether the stack itself serves https: under any other name than this machine's own."""
        return self.public_host not in LOOPBACK_HOSTS

    @property
    def bind_address(self) -> str:
        """The address of this machine that the ports are opened on."""
        return self.given("BIND_ADDRESS") or "127.0.0.1"

    @property
    def server_url(self) -> str:
        """The server's URL on this machine, which may differ from its public URL."""
        return _origin(self.public_host, int(self["MCP_PORT"]))

    @property
    def tenant_url(self) -> str:
        """The offline tenant's URL on this machine, which may differ from its issuer."""
        return f"{_origin(self.public_host, int(self['MOCK_IDP_PORT']))}/"

    @property
    def issuer(self) -> str:
        return self["AUTH0_ISSUER"] or self["OIDC_ISSUER"] or f"https://{self['AUTH0_DOMAIN']}/"

    @property
    def public_url(self) -> str:
        return self["MCP_PUBLIC_URL"]

    def _port(self, name: str, url_name: str) -> int:
        """The port in the variable `name`; else that of the URL, if the URL is this machine's; else the default."""
        if given := self.given(name):
            return _number(name, given)
        port = _loopback_port(self.given(url_name)) if url_name else None
        return DEFAULT_PORTS[name] if port is None else port

    def variables(self) -> dict[str, str]:
        """What the parts of the stack are started with: the shell's variables, .env, and what follows from them."""
        return {**self.values, **os.environ, **{name: self[name] for name in self.derived}}

    def for_demo(self) -> dict[str, str]:
        """The variables of the demo, which needs no model's provider: only MODEL chooses one, not a key."""
        return {**self.variables(), "MODEL": self.given("MODEL") or "offline"}

    def contradictions(self) -> list[str]:
        """What two variables say differently, a sentence each; checked before anything is built or started."""
        found = []
        callback = self.given("OAUTH_CALLBACK_URI")
        if (port := _loopback_port(callback)) is not None and port != int(self["OAUTH_CALLBACK_PORT"]):
            found.append(
                f"OAUTH_CALLBACK_URI is {callback}, and OAUTH_CALLBACK_PORT is {self['OAUTH_CALLBACK_PORT']}: the"
                " browser would be sent to a port on which nothing listens. Remove OAUTH_CALLBACK_URI, it"
                " follows the port."
            )
        url = _split(self.public_url)
        if url is None or not url.hostname:
            found.append(f"MCP_PUBLIC_URL is {self.public_url!r}: a URL is needed, such as http://localhost:5555/mcp.")
            return found
        port = _loopback_port(self.public_url)
        if port is not None and url.path == "/mcp" and port != int(self["MCP_PORT"]):
            found.append(
                f"MCP_PUBLIC_URL is {self.public_url}, and MCP_PORT is {self['MCP_PORT']}: clients would not reach the"
                " server. Remove one of the two, it follows the other."
            )
        if self.given("PUBLIC_HOST") and self.given("MCP_PUBLIC_URL") and url.hostname != self.public_host:
            found.append(
                f"PUBLIC_HOST is {self.public_host}, and MCP_PUBLIC_URL is {self.public_url}: the hosts differ. Remove"
                " one of the two."
            )
        return found + (self._contradictions_of_the_tenant() if self.offline else [])

    def _contradictions_of_the_tenant(self) -> list[str]:
        found = []
        if self["AUTH0_AUDIENCE"] != self.public_url:
            found.append(
                f"AUTH0_AUDIENCE is {self['AUTH0_AUDIENCE']}, and MCP_PUBLIC_URL is {self.public_url}: in the offline"
                " tenant the API's Identifier is the server's URL. Remove AUTH0_AUDIENCE, it follows the URL."
            )
        issuer, domain = _split(self.issuer), self.given("AUTH0_DOMAIN")
        if issuer is None or issuer.scheme not in ("http", "https"):
            url = self.given("MOCK_IDP_PUBLIC_URL")
            found.append(f"MOCK_IDP_PUBLIC_URL is {url!r}: a URL is needed, such as https://login.example.com/.")
        elif domain and self.given("AUTH0_ISSUER") and domain != issuer.netloc:
            found.append(
                f"AUTH0_DOMAIN is {domain}, and AUTH0_ISSUER is {self.issuer}: the hosts differ. Remove AUTH0_DOMAIN,"
                " it follows the issuer."
            )
        if self.given("PUBLIC_HOST") and issuer is not None and issuer.hostname != self.public_host:
            found.append(
                f"PUBLIC_HOST is {self.public_host}, and the offline tenant is {self.issuer}: the hosts differ. Remove"
                " AUTH0_ISSUER, AUTH0_DOMAIN and MOCK_IDP_PUBLIC_URL, they follow PUBLIC_HOST."
            )
        return found

    def secrets(self, names: Iterable[str]) -> dict[str, str]:
        """The values of the variables that are set by NAME_FILE, read from the files.

        The shell overrides .env, and in each of them NAME overrides NAME_FILE.
        """
        found: dict[str, str] = {}
        for name in names:
            for variables in (os.environ, self.values):
                if variables.get(name):
                    break
                if path := variables.get(f"{name}_FILE"):
                    found[name] = _content(f"{name}_FILE", path)
                    break
                if name in variables:  # an empty variable of the shell overrides .env
                    break
        return found

    def ports(self) -> dict[str, int]:
        """Ports that the stack listens on, by the variable that moves each."""
        names = ["MCP_PORT", *(["MOCK_IDP_PORT"] if self.offline else [])]
        if self.offline and self["MOCK_IDP_TLS_PORT"]:
            names.append("MOCK_IDP_TLS_PORT")
        return {name: _number(name, self[name]) for name in names}

    def callback_port(self) -> dict[str, int]:
        """The port of the agent's sign-in callback, by the variable that moves it."""
        return {"OAUTH_CALLBACK_PORT": _number("OAUTH_CALLBACK_PORT", self["OAUTH_CALLBACK_PORT"])}


def load(path: Path = DOTENV) -> Environment:
    """Read .env. If there is none, create it from .env.example.

    Raises:
        Problem: the file is not UTF-8 text.
    """
    if path == DOTENV and not DOTENV.exists() and not PRODUCTION:
        text = EXAMPLE.read_text(encoding="utf-8")
        _write(text.replace("REQUEST_STATE_SECRET=\n", f"REQUEST_STATE_SECRET={secrets.token_hex(32)}\n"))
        say("Created .env from .env.example (offline tenant, demo users).")
    values: dict[str, str] = {}
    for line in _text(path).splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith("#"):
            values[name.strip().removeprefix("export ").strip()] = _value(value.strip())
    return Environment(values)


def write(changes: dict[str, str]) -> None:
    """Set variables in .env; its other lines stay."""
    rest, lines = dict(changes), []
    for line in _text(DOTENV).splitlines():
        name = line.partition("=")[0].strip()
        lines.append(f"{name}={rest.pop(name)}" if name in rest else line)
    _write("\n".join([*lines, *(f"{name}={value}" for name, value in rest.items())]) + "\n")


def _write(text: str) -> None:
    # The file has secrets: it is private from the first byte on.
    descriptor = os.open(DOTENV, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        if error.object.startswith((b"\xff\xfe", b"\xfe\xff")):
            seen = "it is UTF-16 text (PowerShell's > writes it)"
        else:
            seen = f"line {error.object[: error.start].count(10) + 1} has the byte 0x{error.object[error.start]:02x}"
        raise Problem(f"{path.name} is not UTF-8 text: {seen}. Save the file as UTF-8.") from None
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}.") from None


def _value(text: str) -> str:
    """A value as python-dotenv and Compose read it: quotes off, and a comment after a blank."""
    if text[:1] in ("'", '"') and text.find(text[0], 1) > 0:
        return text[1 : text.index(text[0], 1)]
    return re.split(r"\s+#", text, maxsplit=1)[0].strip() if not text.startswith("#") else ""


def _origin(host: str, port: int) -> str:
    """Where a part of the stack is: http on this machine, https under any other name (RFC 9700 section 2.6)."""
    scheme = "http" if host in LOOPBACK_HOSTS else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _loopback_port(url: str) -> int | None:
    """The port of an http URL on this machine; None for any other URL."""
    parts = _split(url)
    if parts is None or parts.scheme != "http" or parts.hostname not in LOOPBACK_HOSTS:
        return None
    return parts.port or 80


def _number(name: str, text: str) -> int:
    if text.isdecimal() and 0 < int(text) <= 65535:
        return int(text)
    raise Problem(f"{name} is {text!r}: a port number from 1 to 65535 is needed.")


def _content(name: str, path: str) -> str:
    try:
        return (ROOT / path).read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        seen = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Problem(f"{name} is {path!r}: the file cannot be read ({seen}). A readable file is valid.") from error


def answers(url: str) -> bool:
    """Whether the URL answers with status 200. The stack's own authority is trusted."""
    try:
        with _opened(url) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def wait_until_ready(environment: Environment, check: Callable[[], None] = lambda: None) -> None:
    """Wait until the parts of the stack on this machine are ready. `check` may raise a Problem earlier."""
    if environment.offline:
        _wait_until(f"{environment.tenant_url}.well-known/openid-configuration", check)
    _wait_until(f"{environment.server_url}/livez", check)
    seconds = START_SECONDS if environment.offline else TENANT_SECONDS
    try:
        _wait_until(f"{environment.server_url}/readyz", check, seconds)
    except NotReady as error:
        if environment.offline:
            raise
        raise Problem(
            f"The server runs, but it is not ready: {error.answer}\nThe tenant in .env is {environment.issuer}."
            " `make doctor` says what is wrong."
        ) from error


class NotReady(Problem):
    """A URL does not answer with status 200. `answer` says what it answers."""

    def __init__(self, url: str, seconds: int) -> None:
        self.answer = _answer(url)
        super().__init__(f"{url} is not ready after {seconds} s: {self.answer}\n`make logs` shows more.")


def _wait_until(url: str, check: Callable[[], None], seconds: int = START_SECONDS) -> None:
    """Wait until the URL answers with status 200."""
    deadline = time.monotonic() + seconds
    while not answers(url):
        check()
        if time.monotonic() > deadline:
            raise NotReady(url, seconds)
        time.sleep(0.1)


def _answer(url: str) -> str:
    """What the URL answers, for an error message: the reason that the server states, if it states one."""
    try:
        with _opened(url) as response:
            return f"HTTP {response.status}"
    except urllib.error.HTTPError as error:
        text = error.read(2000).decode(errors="replace")
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return str(json.loads(text)["reason"])
        return f"HTTP {error.code}: {text[:500]}"
    except OSError as error:
        return str(error)


def _opened(url: str) -> HTTPResponse:
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # nobody: to read the system's authorities takes long
    if url.startswith("https:"):
        trusted = ssl.create_default_context()
        if AUTHORITY.exists():
            trusted.load_verify_locations(AUTHORITY)
    # The stack is on this machine: a proxy does not lead to it.
    handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
    opened: HTTPResponse = urllib.request.build_opener(*handlers).open(url, timeout=2)
    return opened
