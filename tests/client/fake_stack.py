"""A fake tenant that signs every user in at once, and an MCP server that accepts its tokens.

Both are real HTTP servers on free ports. A test changes their behaviour by the attributes of FakeStack, and reads their
requests from its journal.
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
from functools import cache
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode

import anyio
import anyio.to_thread
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

from tests.support.serve_in_thread import serve_in_thread

CLIENT_ID = "the-client"
CLIENT_SECRET = "the-secret"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass
class Token:
    """What the tenant knows of a token that it issued."""

    scope: frozenset[str]
    expires_at: float
    person: str


@dataclass
class FakeStack:
    """The behaviour and the journal of both servers."""

    person: str = "alice@example.com"
    permissions: frozenset[str] = frozenset({"access:mcp"})
    lifetime: float = 3600.0
    rotate: bool = False
    issue_refresh_tokens: bool = True
    deny: tuple[str, str] | None = None
    silent: tuple[str, str] = ("login_required", "Login required")
    silent_page: tuple[int, str] | None = None
    silent_delay: float = 0.0
    known_api: str | None = None
    deleted_clients: set[str] = field(default_factory=set)
    answer_iss: str | None = None
    token_answer: tuple[int, dict[str, Any]] | None = None
    tenant_overrides: dict[str, Any] = field(default_factory=dict)
    resource_overrides: dict[str, Any] = field(default_factory=dict)
    challenge_scope: str | None = "access:mcp"
    roles: bool = False
    refuses_secret_in_form: bool = False
    server_status: int | None = None
    permission_of_tool: dict[str, str] = field(default_factory=dict)
    call_arrived: threading.Event = field(default_factory=threading.Event)
    calls_held: threading.Event | None = None

    issuer: str = ""
    server: str = ""
    journal: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    refresh_tokens: dict[str, frozenset[str]] = field(default_factory=dict)
    id_token_claims: dict[str, str] | None = None
    id_token: str = "the-id-token-of-the-enterprise"
    assertions: set[str] = field(default_factory=lambda: {"the-assertion-of-the-workload"})
    revoked: list[str] = field(default_factory=list)

    def entries(self, name: str) -> list[dict[str, str]]:
        """What the journal has of a kind: `silent` (`prompt=none`), `authorize`, `code`, `refresh`, `assertion`,
        `revoke`, `exchange`, `register`, `mcp`."""
        return [entry for kind, entry in self.journal if kind == name]

    def token_for(self, header: str | None) -> Token | None:
        token = self.tokens.get((header or "").removeprefix("Bearer "))
        return token if token and token.expires_at > time.time() else None

    def forget_access_tokens(self) -> None:
        self.tokens.clear()

    def issue(self, requested: frozenset[str], *, refresh: str | None = None) -> dict[str, Any]:
        granted = requested & (self.permissions | {"openid", "offline_access"})
        person = {"email": self.person} if self.person else {}
        scope, held = " ".join(sorted(granted)), granted
        roles = {}
        if self.roles:  # as Keycloak: permissions are roles, which a client cannot request
            held, roles = self.permissions, {"realm_access": {"roles": sorted(self.permissions)}}
        access_token = _jwt({"sub": "auth0|1", **person, "scope": scope, **roles, "jti": secrets.token_hex(8)})
        self.tokens[access_token] = Token(held, time.time() + self.lifetime, self.person)
        answer: dict[str, Any] = {"access_token": access_token, "token_type": "Bearer", "expires_in": self.lifetime}
        answer["scope"] = scope
        if self.id_token_claims is not None and refresh is None:
            answer["id_token"] = _jwt(self.id_token_claims)
        if self.issue_refresh_tokens and "offline_access" in granted and (refresh is None or self.rotate):
            answer["refresh_token"] = secrets.token_urlsafe(16)
            self.refresh_tokens[answer["refresh_token"]] = requested
        if refresh is not None and self.rotate:
            del self.refresh_tokens[refresh]
        return answer


class Tenant:
    """Authorization server metadata, /authorize without a login page, /oauth/token, /oauth/revoke; and, beside them,
    the enterprise's identity provider."""

    def __init__(self, stack: FakeStack) -> None:
        self._stack = stack

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/oauth-authorization-server", self.metadata),
                Route("/.well-known/openid-configuration", self.metadata),
                Route("/authorize", self.authorize),
                Route("/oauth/token", self.token, methods=["POST"]),
                Route("/oauth/revoke", self.revoke, methods=["POST"]),
                Route("/oidc/register", self.register, methods=["POST"]),
                Route("/idp/token", self.exchange, methods=["POST"]),
            ]
        )

    async def metadata(self, _: Request) -> Response:
        issuer = self._stack.issuer
        document = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}authorize",
            "token_endpoint": f"{issuer}oauth/token",
            "revocation_endpoint": f"{issuer}oauth/revoke",
            "scopes_supported": ["openid", "profile", "offline_access"],
            "code_challenge_methods_supported": ["S256", "plain"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        }
        return _document(document, self._stack.tenant_overrides)

    async def authorize(self, request: Request) -> Response:
        stack, query = self._stack, dict(request.query_params)
        silent = query.get("prompt") == "none"
        stack.journal.append(("silent" if silent else "authorize", query))
        answer = {"state": query["state"]}
        if silent:
            await anyio.sleep(stack.silent_delay)
        if query["client_id"] in stack.deleted_clients:
            return Response(f"<p>Unknown client: {query['client_id']}</p>", 400, media_type="text/html")
        if silent and stack.silent_page:
            return Response(stack.silent_page[1], stack.silent_page[0], media_type="text/html")
        if silent and query.get("audience") == stack.known_api:
            answer["error"] = "login_required"
        elif silent:
            answer |= {"error": stack.silent[0], "error_description": stack.silent[1]}
        elif stack.deny:
            answer |= {"error": stack.deny[0], "error_description": stack.deny[1]}
        else:
            answer["code"] = secrets.token_urlsafe(8)
            stack.codes[answer["code"]] = query
        if stack.answer_iss:
            answer["iss"] = stack.answer_iss
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(answer)}", 302)

    async def token(self, request: Request) -> Response:
        stack, form = self._stack, dict(parse_qsl((await request.body()).decode()))
        kinds = {"authorization_code": "code", JWT_BEARER: "assertion"}
        kind = kinds.get(form["grant_type"], "refresh")
        stack.journal.append((kind, form))
        if form.get("client_id") in stack.deleted_clients:
            return _error(401, "access_denied", "Unauthorized")
        if stack.refuses_secret_in_form and "client_secret" in form:
            return _error(401, "invalid_client", "client_secret_basic is the method of this client")
        if stack.token_answer:
            return JSONResponse(stack.token_answer[1], stack.token_answer[0])
        if kind == "assertion":
            return self._by_assertion(form)
        return self._by_code(form) if kind == "code" else self._by_refresh_token(form)

    async def register(self, request: Request) -> Response:
        client_id = f"tpc_{len(self._stack.entries('register')) + 1}"
        self._stack.journal.append(("register", {"client_id": client_id}))
        return JSONResponse({"client_id": client_id}, 201)

    async def revoke(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        self._stack.journal.append(("revoke", form))
        self._stack.refresh_tokens.pop(form["token"], None)
        return Response(status_code=200)

    def _by_code(self, form: dict[str, str]) -> Response:
        query = self._stack.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if query is None or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != query["code_challenge"]:
            return _error(403, "invalid_grant", "Failed to verify code verifier")
        asked = frozenset(query.get("scope", "").split())
        # OpenID Connect Core section 11: without the person's consent the scope is ignored.
        consented = "consent" in query.get("prompt", "").split()
        return JSONResponse(self._stack.issue(asked if consented else asked - {"offline_access"}))

    def _by_assertion(self, form: dict[str, str]) -> Response:
        if form["assertion"] not in self._stack.assertions:
            return _error(400, "invalid_grant", "The assertion has expired")
        return JSONResponse(self._stack.issue(frozenset(form.get("scope", "").split())))

    async def exchange(self, request: Request) -> Response:
        """The enterprise's identity provider: an assertion for the tenant in exchange for its ID token."""
        stack, form = self._stack, dict(parse_qsl((await request.body()).decode()))
        stack.journal.append(("exchange", form))
        if form["subject_token"] != stack.id_token:
            return _error(400, "invalid_grant", "The ID token has expired")
        assertion = secrets.token_urlsafe(16)
        stack.assertions.add(assertion)
        return JSONResponse(
            {"access_token": assertion, "issued_token_type": form["requested_token_type"], "token_type": "N_A"}
        )

    def _by_refresh_token(self, form: dict[str, str]) -> Response:
        requested = self._stack.refresh_tokens.get(form["refresh_token"])
        if requested is None:
            return _error(403, "invalid_grant", "Unknown or invalid refresh token.")
        return JSONResponse(self._stack.issue(requested, refresh=form["refresh_token"]))


def _jwt(claims: dict[str, Any]) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.{secrets.token_urlsafe(8)}"


@cache
def example_server() -> MCPServer:
    """A real MCP server, of the SDK. It keeps nothing of its callers."""
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


def server_app(stack: FakeStack) -> Starlette:
    """The MCP server behind a gate that knows the tenant's tokens."""
    inner = example_server().streamable_http_app(stateless_http=True, host="0.0.0.0")

    async def metadata(_: Request) -> Response:
        document = {"resource": stack.server, "authorization_servers": [stack.issuer]}
        return _document(document, stack.resource_overrides)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with inner.router.lifespan_context(inner):
            yield

    return Starlette(
        routes=[
            Route("/.well-known/oauth-protected-resource/mcp", metadata),
            Route("/mcp", _Gate(stack, inner), methods=["GET", "POST", "DELETE"]),
        ],
        lifespan=lifespan,
    )


def _document(document: dict[str, Any], overrides: dict[str, Any]) -> Response:
    return JSONResponse({name: value for name, value in {**document, **overrides}.items() if value != "absent"})


class _Gate:
    def __init__(self, stack: FakeStack, inner: ASGIApp) -> None:
        self._stack = stack
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        message = json.loads(body) if body else {}
        name = message.get("params", {}).get("name", "") if isinstance(message, dict) else ""
        self._stack.journal.append(("mcp", {"method": str(message.get("method")), "name": name}))
        refusal = self._refusal(request.headers.get("authorization"), name)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        if name:
            self._stack.call_arrived.set()
            if self._stack.calls_held is not None:
                await anyio.to_thread.run_sync(self._stack.calls_held.wait, abandon_on_cancel=True)
        replayed = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def again() -> Any:
            return next(replayed, None) or await receive()

        await self._inner(scope, again, send)

    def _refusal(self, header: str | None, name: str) -> Response | None:
        stack = self._stack
        if stack.server_status is not None:
            return JSONResponse({"error": "temporarily_unavailable"}, stack.server_status)
        origin = stack.server.removesuffix("/mcp")
        where = f'resource_metadata="{origin}/.well-known/oauth-protected-resource/mcp"'
        token = stack.token_for(header)
        if token is None:
            scope = f', scope="{stack.challenge_scope}"' if stack.challenge_scope else ""
            return Response(status_code=401, headers={"WWW-Authenticate": f"Bearer {where}{scope}"})
        needed = {"access:mcp", *([stack.permission_of_tool[name]] if name in stack.permission_of_tool else [])}
        if needed <= token.scope:
            return None
        name = "permission" if stack.roles else "scope"
        challenge = f'Bearer error="insufficient_scope", {name}="{" ".join(sorted(needed))}", {where}'
        return JSONResponse({"error": "insufficient_scope"}, 403, headers={"WWW-Authenticate": challenge})


def _error(status: int, code: str, description: str) -> Response:
    return JSONResponse({"error": code, "error_description": description}, status)


@contextmanager
def running_fake_stack(configure: Callable[[FakeStack], None] = lambda _: None) -> Generator[FakeStack]:
    """Both servers, until the end of the context."""
    stack = FakeStack()
    configure(stack)
    with serve_in_thread(Tenant(stack).app()) as tenant, serve_in_thread(server_app(stack)) as server:
        stack.issuer, stack.server = f"{tenant}/", f"{server}/mcp"
        yield stack
