"""The offline tenant, the protected server and the agent in this process, with their settings, and faults in them."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx2
import pytest
import yaml
from mcp.server.mcpserver import MCPServer
from starlette.types import ASGIApp

from gatehouse_client import account as account_module
from gatehouse_client.account import Account
from gatehouse_client.doctor.findings import Finding
from gatehouse_client.doctor.graph import examine
from gatehouse_client.settings import Settings, load_settings
from gatehouse_client.signin.http.fetch import Fetcher
from gatehouse_client.signin.http.trace import Trace
from gatehouse_client.storage.grant import Grant
from gatehouse_server import Settings as ServerSettings
from gatehouse_server import SigningKeys, protect
from mock_idp.app import create_app
from mock_idp.state.clock import Clock
from mock_idp.state.idp import Idp
from mock_idp.state.signing_keys import KeyRing
from mock_idp.tenant.loading import checked_configuration
from mock_idp.tenant.presets import PRESETS

ISSUER = "http://localhost:9000/"
SERVER = "http://localhost:5555/mcp"
CALLBACK = "http://localhost:8642/callback"
CALENDAR = "https://calendar.gatehouse.example/"
AGENT = "GatehouseAgentDemoClient00000000"
SECRET = "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-1"
FILES = tuple(Path(__file__).parents[3] / "auth0" / name for name in ("tenant.yaml", "offline.yaml"))


@cache
def _documents() -> tuple[dict[str, Any], dict[str, Any]]:
    texts = [file.read_text(encoding="utf-8") for file in FILES]
    values = {"##MCP_PUBLIC_URL##": SERVER, "##OAUTH_CALLBACK_URI##": CALLBACK}
    for name, value in values.items():
        texts = [text.replace(name, value) for text in texts]
    tenant, offline = (yaml.safe_load(text) for text in texts)
    return tenant, offline


Change = Callable[[httpx2.Request, httpx2.Response], httpx2.Response]


@dataclass
class World:
    """The settings of all parts, before they start.

    Attributes:
        tenant, offline: the documents of the offline tenant.
        server: variables of the server.
        agent: settings of the agent, by field.
        running: the parts that run.
        skew: how many seconds the tenant's clock is ahead, in its tokens.
        changes: what proxies in front of tenant and server change, by port.
    """

    tenant: dict[str, Any] = field(default_factory=lambda: deepcopy(_documents()[0]))
    offline: dict[str, Any] = field(default_factory=lambda: deepcopy(_documents()[1]))
    server: dict[str, str] = field(
        default_factory=lambda: {"AUTH0_ISSUER": ISSUER, "AUTH0_DOMAIN": "localhost:9000", "MCP_PUBLIC_URL": SERVER}
    )
    agent: dict[str, Any] = field(
        default_factory=lambda: {
            "mcp_public_url": SERVER,
            "auth0_issuer": ISSUER,
            "auth0_client_id": AGENT,
            "auth0_client_secret": SECRET,
            "oauth_callback_uri": CALLBACK,
        }
    )
    running: set[str] = field(default_factory=lambda: {"tenant", "server"})
    skew: float = 0.0
    changes: dict[int, Change] = field(default_factory=dict)

    @property
    def api(self) -> dict[str, Any]:
        return next(api for api in self.tenant["resourceServers"] if api["name"] == "Gatehouse MCP server")

    @property
    def application(self) -> dict[str, Any]:
        return next(client for client in self.tenant["clients"] if client["name"] == "Gatehouse agent")


class Network(httpx2.AsyncBaseTransport):
    """Takes each request to the app that listens on its port."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.apps: dict[int, ASGIApp] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        port = request.url.port or 443
        if port not in self.apps:
            raise httpx2.ConnectError("All connection attempts failed", request=request)
        response = await httpx2.ASGITransport(self.apps[port]).handle_async_request(request)
        response.headers["Date"] = formatdate(time.time(), usegmt=True)
        change = self._world.changes.get(port)
        if change is None:
            return response
        await response.aread()
        return change(request, response)


@asynccontextmanager
async def _started(world: World, keys: KeyRing) -> AsyncGenerator[Network]:
    network = Network(world)
    async with AsyncExitStack() as stack:
        idp = Idp.start(checked_configuration(world.tenant, world.offline), keys, Clock())
        idp.clock.skew(world.skew)
        if "tenant" in world.running:
            network.apps[9000] = create_app(idp, ISSUER)
        if "server" in world.running:
            settings = ServerSettings(_env_file=None, **world.server)  # type: ignore[call-arg, arg-type]
            http = httpx2.AsyncClient(transport=network)
            app = protect(MCPServer("gatehouse"), settings, keys=SigningKeys(settings.jwks_url, "RS256", http=http))
            await stack.enter_async_context(app.router.lifespan_context(app))
            network.apps[5555] = app
        yield network


async def findings_in(
    world: World, keys: KeyRing, home: Path, monkeypatch: pytest.MonkeyPatch, *, sign_in: bool = True
) -> list[Finding]:
    """The doctor's findings, after alice signed in if she can."""
    async with _started(world, keys) as network:
        monkeypatch.setattr(account_module, "fetcher_for", lambda _, trace: Fetcher(trace, transport=network))
        settings = load_settings(gatehouse_home=home, gatehouse_keyring=False, **world.agent)
        account = Account.from_settings(settings, lambda _: None, Trace())
        if sign_in and (grant := await _alice(network, settings)) is not None:
            account.store.save(grant)
        return await examine(settings, account, Trace(), register=True)


async def _alice(network: Network, settings: Settings) -> Grant | None:
    """Sign alice in with the agent's settings; None if it is not possible."""
    if 9000 not in network.apps or settings.auth0_client_id is None:
        return None
    verifier, audience = "v" * 43, settings.auth0_audience or SERVER
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    scope = f"openid offline_access {settings.required_permission}"
    async with httpx2.AsyncClient(transport=network, base_url=ISSUER) as browser:
        query = {"client_id": settings.auth0_client_id, "redirect_uri": settings.oauth_callback_uri, "scope": scope}
        more = {"response_type": "code", "audience": audience, "state": "s", "code_challenge_method": "S256"}
        answer = await browser.get("/authorize", params={**query, **more, "code_challenge": challenge})
        if not answer.headers.get("location", "").startswith("/u/login"):
            return None
        page = answer.headers["location"]
        form = {"state": parse_qs(urlsplit(page).query)["state"][0], "action": "default"}
        person = {"username": "alice@example.com", "password": "Wonderland-1"}
        answer = await browser.post(page, data={**form, **person})
        while (page := answer.headers.get("location", "")).startswith("/"):
            if page.startswith("/u/consent"):
                consent = {"state": parse_qs(urlsplit(page).query)["state"][0], "action": "accept"}
                answer = await browser.post(page, data=consent)
            else:
                answer = await browser.get(page)
        code = dict(parse_qsl(urlsplit(answer.headers.get("location", "")).query)).get("code")
        secret = settings.auth0_client_secret
        body = {
            "grant_type": "authorization_code",
            "code": code or "",
            "code_verifier": verifier,
            "redirect_uri": settings.oauth_callback_uri,
            "client_id": settings.auth0_client_id,
            **({"client_secret": secret.get_secret_value()} if secret else {}),
        }
        tokens = (await browser.post("/oauth/token", data=body)).json()
    if "access_token" not in tokens:
        return None
    now = time.time()
    return Grant(
        server=settings.mcp_public_url,
        resource=settings.mcp_public_url,
        issuer=settings.issuer or ISSUER,
        client_id=settings.auth0_client_id,
        token_endpoint=f"{ISSUER}oauth/token",
        token_endpoint_auth_method="client_secret_post" if secret else "none",
        access_token=tokens["access_token"],
        refresh_token=tokens.get("refresh_token"),
        scope=tokens.get("scope", scope),
        requested_scope=scope,
        obtained_at=now,
        expires_at=now + tokens["expires_in"],
    )


@dataclass(frozen=True)
class Fault:
    """A single fault.

    Attributes:
        checks: the checks that may name it.
        of: what it changes; two faults that change the same thing exclude each other.
    """

    name: str
    of: str
    checks: frozenset[str]
    apply: Callable[[World], object]


FAULTS: list[Fault] = []


def fault(of: str, *checks: str) -> Callable[[Callable[[World], object]], Callable[[World], object]]:
    """Declare a fault. The function changes the world."""

    def declare(function: Callable[[World], object]) -> Callable[[World], object]:
        FAULTS.append(Fault(function.__name__.replace("_", "-"), of, frozenset(checks), function))
        return function

    return declare


def _agent(name: str, of: str, checks: tuple[str, ...], **values: object) -> None:
    FAULTS.append(Fault(f"agent-{name}", of, frozenset(checks), lambda world: world.agent.update(values)))


def _server(name: str, of: str, checks: tuple[str, ...], **values: str) -> None:
    FAULTS.append(Fault(f"server-{name}", of, frozenset(checks), lambda world: world.server.update(values)))


_agent("client-id-of-nobody", "client-id", ("application",), auth0_client_id="nobody")
_agent("without-client-id", "client-id", ("application",), auth0_client_id=None, oauth_dynamic_registration=False)
_agent("wrong-secret", "secret", ("credentials",), auth0_client_secret="of-somebody-else")
_agent("without-secret", "secret", ("credentials",), auth0_client_secret=None)
_agent("other-callback", "callback", ("callback",), oauth_callback_uri="http://127.0.0.1:8642/callback")
_agent("callback-on-another-port", "callback-port", ("callback-port",), oauth_callback_port=5000)
_agent("issuer-without-slash", "issuer", ("issuer",), auth0_issuer=ISSUER.rstrip("/"))
_agent("issuer-elsewhere", "issuer", ("discovery",), auth0_issuer="http://localhost:9001/")
_agent("server-on-another-path", "url", ("server",), mcp_public_url="http://localhost:5555/sse")
_agent("server-on-another-port", "url", ("server",), mcp_public_url="http://localhost:5556/mcp")
_agent("server-by-another-name", "url", ("resource-metadata",), mcp_public_url="http://127.0.0.1:5555/mcp")
_agent("believes-another-permission", "permission", ("required-permission",), required_permission="mcp:use")
_agent("audience-with-slash", "audience", ("api", "resource-identifier", "token-audience"), auth0_audience=f"{SERVER}/")
_agent("audience-of-another-api", "audience", ("token-audience", "resource-identifier"), auth0_audience=CALENDAR)
_server("wants-another-permission", "permission", ("required-permission",), REQUIRED_PERMISSION="mcp:use")
_server(
    "of-another-tenant",
    "server-issuer",
    ("authorization-server",),
    AUTH0_ISSUER="http://localhost:9002/",
    AUTH0_DOMAIN="localhost:9002",
)
_server("of-another-api", "server-audience", ("token-audience",), AUTH0_AUDIENCE="https://other.example/api")
_server("calls-itself-otherwise", "url", ("resource-metadata",), MCP_PUBLIC_URL="http://127.0.0.1:5555/mcp")
for _preset, _checks in {
    "opaque-token": ("resource-profile",),
    "resource-profile-off": ("resource-profile",),
    "default-audience": ("resource-profile",),
    "slash-mismatch": ("api",),
    "no-domain-connection": ("domain-connection",),
    "no-client-grant": ("client-grant", "third-party-grant"),
    "dcr-off": ("registration",),
    "role-missing": ("role",),
    "hs256-api": ("token-algorithm",),
}.items():
    _what = {"opaque-token": "profile", "resource-profile-off": "profile", "default-audience": "profile"}
    FAULTS.append(
        Fault(
            f"tenant-{_preset}",
            _what.get(_preset, _preset),
            frozenset(_checks),
            lambda world, preset=_preset: PRESETS[preset].change(world.tenant, world.offline),  # type: ignore[misc]
        )
    )


@fault("server-process", "server")
def server_is_down(world: World) -> None:
    world.running.discard("server")


@fault("tenant-process", "discovery")
def tenant_is_down(world: World) -> None:
    world.running.discard("tenant")


@fault("clock", "clock")
def clock_of_the_tenant_is_ahead(world: World) -> None:
    world.skew = 300


@fault("server-answer", "challenge")
def proxy_drops_the_challenge(world: World) -> None:
    def drop(_: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        response.headers.pop("www-authenticate", None)
        return response

    world.changes[5555] = drop


@fault("server-answer", "hosts")
def server_refuses_the_host(world: World) -> None:
    def refuse(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        return httpx2.Response(421, text="Invalid Host header") if request.method == "POST" else response

    world.changes[5555] = refuse


@fault("server-answer", "challenge")
def server_is_not_protected(world: World) -> None:
    def allow(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        return httpx2.Response(200, json={}) if request.method == "POST" else response

    world.changes[5555] = allow


@fault("tenant-answer", "keys")
def tenant_has_no_keys(world: World) -> None:
    def empty(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        return httpx2.Response(200, json={"keys": []}) if "jwks" in str(request.url) else response

    world.changes[9000] = empty


@fault("tenant-answer", "pkce")
def tenant_does_not_announce_pkce(world: World) -> None:
    def without(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if ".well-known/oauth-authorization-server" not in str(request.url):
            return response
        return httpx2.Response(200, json={**response.json(), "code_challenge_methods_supported": ["plain"]})

    world.changes[9000] = without


@fault("callback", "callback")
def application_has_another_callback(world: World) -> None:
    world.application["callbacks"] = ["http://localhost:1/callback"]


@fault("grant-types", "grant-types")
def application_may_not_refresh(world: World) -> None:
    world.application["grant_types"] = ["authorization_code"]


@fault("grant-types", "grant-types")
def application_may_not_use_codes(world: World) -> None:
    world.application["grant_types"] = ["refresh_token"]


@fault("connection", "connection")
def application_has_no_connection(world: World) -> None:
    world.tenant["databases"][0]["enabled_clients"] = ["Gatehouse device"]


@fault("rbac", "rbac")
def rbac_is_off(world: World) -> None:
    world.api["enforce_policies"] = False


@fault("rbac", "rbac")
def token_has_no_permissions(world: World) -> None:
    world.api["token_dialect"] = "rfc9068_profile"


@fault("offline-access", "refresh-token")
def api_has_no_offline_access(world: World) -> None:
    world.api["allow_offline_access"] = False


@fault("role-missing", "role")
def api_does_not_define_the_permission(world: World) -> None:
    world.api["scopes"] = [scope for scope in world.api["scopes"] if scope["value"] != "access:mcp"]
    for holder in [*world.tenant["roles"], *world.tenant["clientGrants"]]:
        for name in ("permissions", "scope"):
            kept = holder.get(name, [])
            holder[name] = [one for one in kept if "access:mcp" not in (one, *getattr(one, "values", tuple)())]
            if name not in holder or not kept:
                del holder[name]
