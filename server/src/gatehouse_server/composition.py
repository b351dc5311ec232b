"""What every protected app has, whatever server is behind the gate: tokens, probes, metadata, CORS and the lifespan."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from .auth.audit import AuditTrail
from .auth.challenge import Challenges
from .auth.gate import Gate, NoMetrics, OperationCatalogue, RequestCheck
from .auth.metadata import WELL_KNOWN as RESOURCE_AT_ROOT
from .auth.metadata import metadata_routes, metadata_url
from .auth.permissions import Hierarchy
from .auth.provider.introspection import Introspection
from .auth.provider.keys import KeyLimits, KeysUnavailable, SigningKeys
from .auth.provider.tenant_metadata import TenantMetadata, slash_warning, tenant_metadata_routes
from .auth.streams import Stop, Streams
from .auth.verify.caller_cache import CallerCache
from .auth.verify.profiles import Profile
from .auth.verify.tokens import TokenVerifier
from .serving.endpoint import McpEndpointFirst, cors
from .serving.health import health_routes
from .serving.settings import Settings
from .serving.telemetry import noted, traced

if TYPE_CHECKING:
    from .serving.metrics import Metrics

logger = logging.getLogger(__name__)
START_SPREAD = 5.0
"""Seconds: 100 replicas that start together fetch their keys within Auth0's free limit of 20 a second."""


class AppCatalogue(OperationCatalogue, Protocol):
    """The permissions of everything that a server offers."""

    async def all_permissions(self) -> frozenset[str]:
        """Every permission that any operation needs."""
        ...

    async def table(self) -> str:
        """The permissions of each tool, resource and prompt as a Markdown table."""
        ...


class ProtectedApp(Starlette):
    """A protected server as an ASGI app.

    Attributes:
        well_known: the routes of its metadata. Clients look for them at the root of the origin, so an app that mounts
            this one must also have them.
        catalogue: the permissions of what the server offers.
    """

    well_known: list[BaseRoute]
    catalogue: AppCatalogue


class Composition:
    """The parts of one protected app that do not depend on the server behind the gate.

    Args:
        implies: which permission implies which others.
        metrics: counts what happens; without them nothing is counted.
        keys: the tenant's signing keys; by default `tenant_keys(settings)`.
        introspection: asks the provider about opaque tokens; by default as the settings say.

    Attributes:
        security: the accepted Host and Origin headers.
    """

    def __init__(
        self,
        settings: Settings,
        implies: Mapping[str, Iterable[str]] | None,
        *,
        metrics: Metrics | None,
        keys: SigningKeys | None,
        introspection: Introspection | None,
        trail: AuditTrail,
    ) -> None:
        self._settings = settings
        self._metrics = metrics or NoMetrics()
        self._keys = keys or tenant_keys(settings, on_fetch=self._metrics.count_key_fetch)
        self._introspection = introspection or _introspection(settings, self._metrics.count_introspection)
        self._trail = noted(trail)
        self._stop = Stop()
        self._streams = Streams(self._stop)
        self._metrics.watch(self._keys, self._streams)
        self.hierarchy = Hierarchy(implies)
        self.profile = settings.token_profile()
        self.security = TransportSecuritySettings(allowed_hosts=settings.hosts(), allowed_origins=settings.origins())
        verifier = TokenVerifier(
            self._keys,
            issuer=settings.issuer,
            audience=settings.audience,
            algorithm=settings.algorithm,
            profile=self.profile,
            introspection=self._introspection,
        )
        self._callers = CallerCache(
            verifier,
            resource=settings.public_url,
            hierarchy=self.hierarchy,
            on_lookup=self._metrics.count_lookup,
        )
        self._challenges = Challenges(metadata_url(settings.public_url), self.profile)

    def gate(
        self,
        app: ASGIApp,
        catalogue: OperationCatalogue,
        check: RequestCheck | None = None,
        *,
        streams_any: bool = False,
    ) -> Gate:
        """The app behind the gate. With `streams_any` it may answer any request with an event stream."""
        return Gate(
            app,
            callers=self._callers,
            catalogue=catalogue,
            challenges=self._challenges,
            metrics=self._metrics,
            trail=self._trail,
            check=check,
            streams=self._streams,
            streams_any=streams_any,
        )

    def app(
        self,
        endpoint: Gate,
        catalogue: AppCatalogue,
        run: Callable[[], AbstractAsyncContextManager[None]],
        routes: Iterable[Route] = (),
        problem: Callable[[], Awaitable[str]] | None = None,
    ) -> ProtectedApp:
        """The finished app.

        Args:
            endpoint: answers the MCP requests.
            run: the lifespan of what is behind the gate.
            routes: further routes.
            problem: another reason not to be ready than missing keys; an empty text if there is none.
        """
        settings = self._settings
        scopes = _advertised_scopes(self.profile, catalogue)
        well_known, check = _public_metadata(settings, self._keys, scopes)
        app = ProtectedApp(
            routes=[*health_routes(self._keys, problem), *well_known, *routes],
            middleware=[
                cors(settings.origins()),
                Middleware(McpEndpointFirst, path=settings.mcp_path, endpoint=traced(endpoint)),
            ],
            lifespan=_lifespan(run, self._stop, self._keys, self._introspection, check),
        )
        # A redirect would go to the scheme of the request, which is http behind a TLS proxy.
        app.router.redirect_slashes = False
        # The root form would be ambiguous beside other servers.
        app.well_known = [route for route in well_known if route.path.rstrip("/") != RESOURCE_AT_ROOT]
        app.catalogue = catalogue
        return app


def tenant_keys(settings: Settings, on_fetch: Callable[[str], None] = lambda outcome: None) -> SigningKeys:
    """The tenant's signing keys, from the URL in the settings or by the issuer's discovery document.

    Args:
        settings: the tenant.
        on_fetch: called with `ok`, `failed` or `rate_limited` after each fetch, such as `Metrics.count_key_fetch`.

    Raises:
        SettingsError: a file with certificates has none.
    """
    url, issuer = (settings.jwks_url, None) if settings.jwks_url else (settings.discovery_url, settings.issuer)
    authorities = settings.authorities()
    limits = KeyLimits(min_age=settings.key_set_age, start_spread=0.0 if settings.has_local_tenant else START_SPREAD)
    return SigningKeys(
        url, settings.algorithm, issuer=issuer, authorities=authorities, limits=limits, on_fetch=on_fetch
    )


def _introspection(settings: Settings, on_answer: Callable[[str], None]) -> Introspection | None:
    secret = settings.introspection_client_secret
    if secret is None:
        return None
    return Introspection(
        settings.discovery_url,
        settings.issuer,
        settings.introspection_client_id,
        secret.get_secret_value(),
        authorities=settings.authorities(),
        on_answer=on_answer,
    )


def _advertised_scopes(profile: Profile, catalogue: AppCatalogue) -> Callable[[], Awaitable[list[str]]]:
    """Every scope that a client could request for the server."""

    async def scopes() -> list[str]:
        return [*profile.always, *profile.scopes_for(await catalogue.all_permissions())]

    return scopes


def _public_metadata(
    settings: Settings, keys: SigningKeys, scopes: Callable[[], Awaitable[Iterable[str]]]
) -> tuple[list[Route], Callable[[], Awaitable[None]]]:
    """The routes of the metadata that tells clients where to sign in, and a check of its values to run at the start."""
    tenant = TenantMetadata(keys, settings.tenant_metadata_url, settings.issuer)

    async def check() -> None:
        audience = slash_warning("audience", settings.audience, settings.public_url, "the server's URL")
        for warning in filter(None, (audience, await tenant.slash_warning())):
            logger.warning(warning)

    resource = metadata_routes(settings.public_url, settings.issuer, scopes)
    return [*resource, *tenant_metadata_routes(tenant, scopes)], check


def _lifespan(
    run: Callable[[], AbstractAsyncContextManager[None]],
    stop: Stop,
    keys: SigningKeys,
    introspection: Introspection | None,
    check: Callable[[], Awaitable[None]],
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    async def warm() -> None:
        with contextlib.suppress(KeysUnavailable):
            await keys.start()
            await check()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # The tenant may start later than the server: the first fetch must not delay the start.
        warming = asyncio.create_task(warm())
        async with run():
            yield
            stop.set()
        warming.cancel()
        await asyncio.gather(warming, return_exceptions=True)
        await keys.aclose()
        if introspection is not None:
            await introspection.aclose()

    return lifespan
