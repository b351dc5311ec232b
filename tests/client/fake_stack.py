"""A small world for the client's tests: a tenant that signs everybody in at once, and an MCP server behind a gate.

Both are real HTTP servers on free ports; what they do is switched by plain attributes, and they keep a journal.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode

import uvicorn
from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Elicit, Resolve
from pydantic import BaseModel, EmailStr, Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

CLIENT_ID = "the-client"
CLIENT_SECRET = "the-secret"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@contextmanager
def served(app: ASGIApp, *, certificate: Path | None = None, key: Path | None = None) -> Generator[str]:
    """Serve `app` on a free port of localhost, in a thread; yields its origin (http, whatever is served)."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_level="error",
        ws="none",
        timeout_graceful_shutdown=1,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    socket.listen(1024)  # whoever comes before the thread is there waits
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        socket.close()


@dataclass
class Token:
    """What the tenant knows of a token that it issued."""

    scope: frozenset[str]
    expires_at: float
    person: str


@dataclass
class World:
    """The switches and the journal of both servers."""

    person: str = "alice@example.com"
    permissions: frozenset[str] = frozenset({"access:mcp"})
    lifetime: float = 3600.0
    rotate: bool = False
    issue_refresh_tokens: bool = True
    deny: tuple[str, str] | None = None
    answer_iss: str | None = None
    token_answer: tuple[int, dict[str, Any]] | None = None
    tenant_overrides: dict[str, Any] = field(default_factory=dict)
    resource_overrides: dict[str, Any] = field(default_factory=dict)
    challenge_scope: str | None = "access:mcp"
    server_status: int | None = None
    permission_of_tool: dict[str, str] = field(default_factory=dict)

    issuer: str = ""
    server: str = ""
    journal: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    refresh_tokens: dict[str, frozenset[str]] = field(default_factory=dict)
    id_token: str = "the-id-token-of-the-enterprise"
    assertions: set[str] = field(default_factory=lambda: {"the-assertion-of-the-workload"})
    revoked: list[str] = field(default_factory=list)

    def entries(self, name: str) -> list[dict[str, str]]:
        """What the journal has of a kind: `authorize`, `code`, `refresh`, `assertion`, `revoke`, `exchange`, `mcp`."""
        return [entry for kind, entry in self.journal if kind == name]

    def token_for(self, header: str | None) -> Token | None:
        token = self.tokens.get((header or "").removeprefix("Bearer "))
        return token if token and token.expires_at > time.time() else None

    def forget_access_tokens(self) -> None:
        self.tokens.clear()

    def issue(self, requested: frozenset[str], *, refresh: str | None = None) -> dict[str, Any]:
        granted = requested & (self.permissions | {"offline_access"})
        claims = {"sub": "auth0|1", "email": self.person, "jti": secrets.token_hex(8)}
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        access_token = f"e30.{body}.{secrets.token_urlsafe(8)}"
        self.tokens[access_token] = Token(granted, time.time() + self.lifetime, self.person)
        answer: dict[str, Any] = {"access_token": access_token, "token_type": "Bearer", "expires_in": self.lifetime}
        answer["scope"] = " ".join(sorted(granted))
        if self.issue_refresh_tokens and "offline_access" in granted and (refresh is None or self.rotate):
            answer["refresh_token"] = secrets.token_urlsafe(16)
            self.refresh_tokens[answer["refresh_token"]] = requested
        if refresh is not None and self.rotate:
            del self.refresh_tokens[refresh]
        return answer


class Tenant:
    """Authorization server metadata, /authorize without a login page, /oauth/token, /oauth/revoke; and, beside them,
    the enterprise's identity provider."""

    def __init__(self, world: World) -> None:
        self._world = world

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/oauth-authorization-server", self.metadata),
                Route("/.well-known/openid-configuration", self.metadata),
                Route("/authorize", self.authorize),
                Route("/oauth/token", self.token, methods=["POST"]),
                Route("/oauth/revoke", self.revoke, methods=["POST"]),
                Route("/idp/token", self.exchange, methods=["POST"]),
            ]
        )

    async def metadata(self, _: Request) -> Response:
        issuer = self._world.issuer
        document = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}authorize",
            "token_endpoint": f"{issuer}oauth/token",
            "revocation_endpoint": f"{issuer}oauth/revoke",
            "scopes_supported": ["openid", "profile", "offline_access"],
            "code_challenge_methods_supported": ["S256", "plain"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        }
        return _document(document, self._world.tenant_overrides)

    async def authorize(self, request: Request) -> Response:
        world, query = self._world, dict(request.query_params)
        world.journal.append(("authorize", query))
        answer = {"state": query["state"]}
        if world.deny:
            answer |= {"error": world.deny[0], "error_description": world.deny[1]}
        else:
            answer["code"] = secrets.token_urlsafe(8)
            world.codes[answer["code"]] = query
        if world.answer_iss:
            answer["iss"] = world.answer_iss
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(answer)}", 302)

    async def token(self, request: Request) -> Response:
        world, form = self._world, dict(parse_qsl((await request.body()).decode()))
        kinds = {"authorization_code": "code", JWT_BEARER: "assertion"}
        kind = kinds.get(form["grant_type"], "refresh")
        world.journal.append((kind, form))
        if world.token_answer:
            return JSONResponse(world.token_answer[1], world.token_answer[0])
        if kind == "assertion":
            return self._by_assertion(form)
        return self._by_code(form) if kind == "code" else self._by_refresh_token(form)

    async def revoke(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        self._world.journal.append(("revoke", form))
        self._world.refresh_tokens.pop(form["token"], None)
        return Response(status_code=200)

    def _by_code(self, form: dict[str, str]) -> Response:
        query = self._world.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if query is None or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != query["code_challenge"]:
            return _error(403, "invalid_grant", "Failed to verify code verifier")
        return JSONResponse(self._world.issue(frozenset(query.get("scope", "").split())))

    def _by_assertion(self, form: dict[str, str]) -> Response:
        if form["assertion"] not in self._world.assertions:
            return _error(400, "invalid_grant", "The assertion has expired")
        return JSONResponse(self._world.issue(frozenset(form.get("scope", "").split())))

    async def exchange(self, request: Request) -> Response:
        """The enterprise's identity provider: an assertion for the tenant in exchange for its ID token."""
        world, form = self._world, dict(parse_qsl((await request.body()).decode()))
        world.journal.append(("exchange", form))
        if form["subject_token"] != world.id_token:
            return _error(400, "invalid_grant", "The ID token has expired")
        assertion = secrets.token_urlsafe(16)
        world.assertions.add(assertion)
        return JSONResponse(
            {"access_token": assertion, "issued_token_type": form["requested_token_type"], "token_type": "N_A"}
        )

    def _by_refresh_token(self, form: dict[str, str]) -> Response:
        requested = self._world.refresh_tokens.get(form["refresh_token"])
        if requested is None:
            return _error(403, "invalid_grant", "Unknown or invalid refresh token.")
        return JSONResponse(self._world.issue(requested, refresh=form["refresh_token"]))


def example_server() -> MCPServer:
    """A real MCP server, of the SDK."""
    mcp = MCPServer("fake", instructions="For tests.")

    @mcp.tool()
    async def get_time(timezone: str | None = None) -> str:
        """The current time, in an IANA time zone."""
        return f"12:00 in {timezone or 'the server zone'}"

    @mcp.tool()
    async def add(a: int, b: int) -> int:
        """Add two whole numbers."""
        return a + b

    @mcp.tool()
    async def fail() -> str:
        """Always breaks."""
        raise ToolError("it broke on purpose")

    @mcp.tool()
    async def count(ctx: Context, steps: int) -> str:
        """Tell how far it is, and wait for nothing."""
        for step in range(steps):
            await ctx.report_progress(step + 1, steps, f"step {step + 1}")
        return f"counted {steps}"

    @mcp.tool(meta={"gatehouse/permissions": ["rooms:book"]})
    async def book(room: str, answer: Annotated[ElicitationResult[Booking], Resolve(_ask_for_booking)]) -> str:
        """Book a room, after asking the person."""
        if isinstance(answer, AcceptedElicitation):
            return f"booked {room}: {answer.data.model_dump_json(exclude_none=True)}"
        return f"{room} not booked: {answer.action}"

    return mcp


class Booking(BaseModel):
    """What the person is asked."""

    hours: int = Field(ge=1, le=8, description="how long")
    lights: bool = Field(default=True, description="Lights on?")
    contact: EmailStr | None = Field(default=None, description="Whom to write to")
    view: Literal["garden", "street"] = Field(default="garden")


async def _ask_for_booking(room: str) -> Elicit[Booking]:
    return Elicit(f"Book {room}\x1b[2J?", Booking)


def server_app(world: World) -> Starlette:
    """The MCP server behind a gate that knows the tenant's tokens."""
    inner = example_server().streamable_http_app(stateless_http=True, host="0.0.0.0")

    async def metadata(_: Request) -> Response:
        document = {"resource": world.server, "authorization_servers": [world.issuer]}
        return _document(document, world.resource_overrides)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with inner.router.lifespan_context(inner):
            yield

    return Starlette(
        routes=[
            Route("/.well-known/oauth-protected-resource/mcp", metadata),
            Route("/mcp", _Gate(world, inner), methods=["GET", "POST", "DELETE"]),
        ],
        lifespan=lifespan,
    )


def _document(document: dict[str, Any], overrides: dict[str, Any]) -> Response:
    return JSONResponse({name: value for name, value in {**document, **overrides}.items() if value != "absent"})


class _Gate:
    def __init__(self, world: World, inner: ASGIApp) -> None:
        self._world = world
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        message = json.loads(body) if body else {}
        name = message.get("params", {}).get("name", "") if isinstance(message, dict) else ""
        self._world.journal.append(("mcp", {"method": str(message.get("method")), "name": name}))
        refusal = self._refusal(request.headers.get("authorization"), name)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        replayed = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def again() -> Any:
            return next(replayed, None) or await receive()

        await self._inner(scope, again, send)

    def _refusal(self, header: str | None, name: str) -> Response | None:
        world = self._world
        if world.server_status is not None:
            return JSONResponse({"error": "temporarily_unavailable"}, world.server_status)
        origin = world.server.removesuffix("/mcp")
        where = f'resource_metadata="{origin}/.well-known/oauth-protected-resource/mcp"'
        token = world.token_for(header)
        if token is None:
            scope = f', scope="{world.challenge_scope}"' if world.challenge_scope else ""
            return Response(status_code=401, headers={"WWW-Authenticate": f"Bearer {where}{scope}"})
        needed = {"access:mcp", *([world.permission_of_tool[name]] if name in world.permission_of_tool else [])}
        if needed <= token.scope:
            return None
        scope = " ".join(sorted(needed))
        challenge = f'Bearer error="insufficient_scope", scope="{scope}", {where}'
        return JSONResponse({"error": "insufficient_scope"}, 403, headers={"WWW-Authenticate": challenge})


def _error(status: int, code: str, description: str) -> Response:
    return JSONResponse({"error": code, "error_description": description}, status)


@contextmanager
def running_world(configure: Callable[[World], None] = lambda _: None) -> Generator[World]:
    """Both servers, until the end of the context."""
    world = World()
    configure(world)
    with served(Tenant(world).app()) as tenant, served(server_app(world)) as server:
        world.issuer, world.server = f"{tenant}/", f"{server}/mcp"
        yield world
