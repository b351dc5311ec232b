"""Auth0's Management API through auth0-python. Objects are plain mappings, errors are sentences."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial, reduce
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigurationError, ForbiddenError, GatehouseError, UnreachableError
from ..foreign_text import foreign
from ..signin.http.network import authorities
from ..signin.http.proxies import proxy_for
from ..signin.http.trace import Trace
from .settings import TenantSettings

if TYPE_CHECKING:
    import httpx
    from auth0.management.client import Auth0
    from auth0.management.core.api_error import ApiError

NOT_INSTALLED: Final = "The Management API needs the extra `tenant`: pip install 'gatehouse-client[tenant]'."
SECONDS: Final = 30.0
# How often a call is tried, and the longest wait between two tries.
ATTEMPTS: Final = 5
MOST_SECONDS: Final = 30.0

API, APPLICATION, CONNECTION, GRANT, ROLE, USER = "API", "application", "connection", "client grant", "role", "user"
SETTINGS = "tenant settings"
# The SDK's collection for each kind of object.
_COLLECTION_OF: Final = {
    API: "resource_servers",
    APPLICATION: "clients",
    CONNECTION: "connections",
    GRANT: "client_grants",
    ROLE: "roles",
    USER: "users",
}
# The SDK's collections that this package uses.
_COLLECTIONS: Final = (
    *("client_grants", "clients", "connections.clients", "resource_servers", "roles.permissions", "tenants.settings"),
    *("roles.users", "users.permissions", "users.roles"),
)
_NOT_AUTHORIZED: Final = (
    "The application {client} may not use the Management API ({seen}). Authorize it in the dashboard under "
    "Applications > APIs > Auth0 Management API > Machine to Machine Applications."
)
_SCOPE: Final = (
    "The management application may not {what}: {seen}. Tick it in the dashboard under Applications > APIs > "
    "Auth0 Management API > Machine to Machine Applications > your application."
)


class ObjectNotFound(GatehouseError):
    """The tenant has no such object."""


class InsufficientScope(ForbiddenError):
    """The management application lacks a scope."""


class Management(AbstractContextManager["Management"]):
    """A tenant's Management API.

    A call that the tenant refuses for now (429) is repeated after the time that the answer names. A call that fails on
    the network or in the tenant is also repeated, unless it creates something: the object could then exist twice. It is
    not repeated either if the tenant has not answered before: its address is probably wrong.

    Raises:
        ConfigurationError: auth0-python is not installed, or a setting is missing or wrong.
    """

    def __init__(self, settings: TenantSettings, trace: Trace) -> None:
        try:
            import httpx
            from auth0.management.client import Auth0
        except ImportError:
            raise ConfigurationError(NOT_INSTALLED) from None
        settings.require_credentials()
        self.issuer = settings.management_issuer
        self._trace = trace
        self._settings = settings
        self._token: str | None = None
        self._has_answered = False
        hooks: dict[str, list[Callable[..., Any]]] = {
            "request": [self._note_request],
            "response": [self._note_response],
        }
        trusted = authorities(settings.auth0_ca_file)
        self._proxy = proxy_for(self.issuer)
        if self._proxy is None:
            proxy = None
        else:
            proxy = httpx.Proxy(self._proxy.url, ssl_context=trusted if self._proxy.is_tls else None)
        self._http = httpx.Client(timeout=SECONDS, verify=trusted, proxy=proxy, trust_env=False, event_hooks=hooks)
        self._api: Auth0 = Auth0(
            base_url=f"{self.issuer}api/v2", token=self._bearer, httpx_client=self._http, max_retries=0
        )
        _load(self._api)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    @property
    def client_id(self) -> str | None:
        """The Client ID of the management application; None if AUTH0_MGMT_TOKEN is set."""
        return self._settings.auth0_mgmt_client_id if self._settings.auth0_mgmt_token is None else None

    def call(self, what: str, call: Callable[[Auth0], Any], *, creates: bool = False) -> Any:  # noqa: ANN401
        """Make a call.

        Args:
            what: completes the sentence "The tenant refused to …".
            creates: whether a repeated call would create a second object.

        Returns:
            What the SDK answers, as plain values: one object, or all objects of a list, whatever its pages.

        Raises:
            GatehouseError: the tenant refused, or it cannot be reached; the message says what to do.
        """
        import httpx
        from auth0.management.core.api_error import ApiError
        from auth0.management.core.parse_error import ParsingError

        for attempt in range(ATTEMPTS):
            last = attempt == ATTEMPTS - 1
            try:
                return _plain(call(self._api))
            except ApiError as error:
                if last or not (error.status_code == 429 or (_failed_in_tenant(error) and not creates)):
                    raise self._refusal(what, error) from None
                time.sleep(_seconds(error, attempt))
            except httpx.TransportError as error:
                if last or creates or not self._has_answered:
                    raise self._unreachable(what, error) from None
                time.sleep(backoff(attempt))
            except ParsingError as error:
                # The error's own text contains the answer, and so perhaps a secret.
                raise GatehouseError(
                    f"The tenant did {what}, but auth0-python cannot read the answer (HTTP {error.status_code}). "
                    "Install the version of auth0-python that this package requires, then run the same command again."
                ) from None
        raise AssertionError("the last attempt returns or raises")

    def connection_clients(self, connection: dict[str, Any]) -> list[str]:
        """The Client IDs of the applications that the connection is enabled for. Raises as `call`."""
        enabled = self.call(
            "read a connection's applications", lambda api: api.connections.clients.get(connection["id"], take=100)
        )
        return [entry["client_id"] for entry in enabled]

    def role_permissions(self, role: dict[str, Any]) -> list[dict[str, Any]]:
        """The permissions of a role. Raises as `call`."""
        permissions: list[dict[str, Any]] = self.call(
            "read a role's permissions", lambda api: api.roles.permissions.list(role["id"], per_page=100)
        )
        return permissions

    def has_members(self, role: dict[str, Any]) -> bool:
        """Whether anybody has the role. Raises as `call`."""
        what = f"read who has the role {role['name']}"
        return bool(self.call(what, lambda api: api.roles.users.list(role["id"], take=1).items or []))

    def create(self, kind: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create an object and return it. Raises as `call`."""
        created: dict[str, Any] = self.call(
            f"create the {kind} {name}", lambda api: _send(_collection(api, kind).create, body), creates=True
        )
        return created

    def update(self, kind: str, name: str, object_id: str, body: dict[str, Any]) -> None:
        """Change members of an object. Raises as `call`."""
        self.call(
            f"change the {kind} {name}", lambda api: _send(partial(_collection(api, kind).update, object_id), body)
        )

    def delete(self, kind: str, name: str, object_id: str) -> None:
        """Delete an object. Raises as `call`."""
        self.call(f"delete the {kind} {name}", lambda api: _collection(api, kind).delete(object_id))

    def update_settings(self, what: str, body: dict[str, Any]) -> None:
        """Change the tenant settings. Raises as `call`."""
        self.call(what, lambda api: _send(api.tenants.settings.update, body))

    def _note_request(self, request: httpx.Request) -> None:
        self._trace.note("→", f"{request.method} {request.url}")

    def _note_response(self, response: httpx.Response) -> None:
        self._has_answered = True
        self._trace.note("←", str(response.status_code))

    def _bearer(self) -> str:
        if self._settings.auth0_mgmt_token is not None:
            return self._settings.auth0_mgmt_token.get_secret_value()
        if self._token is None:
            self._token = self._fetch_token()
        return self._token

    def _fetch_token(self) -> str:
        secret = self._settings.auth0_mgmt_client_secret
        assert secret is not None
        form = {
            "grant_type": "client_credentials",
            "client_id": self._settings.auth0_mgmt_client_id,
            "client_secret": secret.get_secret_value(),
            "audience": f"{self.issuer}api/v2/",
        }
        response = self._http.post(f"{self.issuer}oauth/token", data=form)
        answer = _object(response)
        token = answer.get("access_token")
        if response.is_success and isinstance(token, str):
            return token
        seen = foreign(str(answer.get("error_description") or answer.get("error") or f"HTTP {response.status_code}"))
        if response.status_code == 401:
            raise ConfigurationError(
                f"The tenant does not accept AUTH0_MGMT_CLIENT_ID with AUTH0_MGMT_CLIENT_SECRET ({seen}). Compare them "
                "with the dashboard: Applications > Applications > your application > Settings."
            )
        if response.status_code == 403:
            raise ForbiddenError(_NOT_AUTHORIZED.format(client=self._settings.auth0_mgmt_client_id, seen=seen))
        raise UnreachableError(f"{self.issuer} issues no token for its Management API: {seen}. Try again later.")

    def _refusal(self, what: str, error: ApiError) -> GatehouseError:
        body = error.body if isinstance(error.body, dict) else {}
        seen = foreign(str(body.get("message") or f"HTTP {error.status_code}")).rstrip(".")
        if error.status_code == 401:
            name = "AUTH0_MGMT_TOKEN" if self._settings.auth0_mgmt_token else "the token of the management application"
            return ConfigurationError(
                f"The tenant does not accept {name}: {seen}. The token must be valid and for {self.issuer}api/v2/."
            )
        if error.status_code == 403:
            return InsufficientScope(_SCOPE.format(what=what, seen=seen))
        if error.status_code == 404:
            return ObjectNotFound(f"The tenant refused to {what}: {seen}.")
        if error.status_code == 429 or _failed_in_tenant(error):
            return UnreachableError(f"The tenant failed {ATTEMPTS} times to {what}: {seen}. Try again later.")
        return GatehouseError(f"The tenant refused to {what}: {seen}.")

    def _unreachable(self, what: str, error: httpx.TransportError) -> GatehouseError:
        seen = foreign(str(error)) or type(error).__name__
        if _is_about_tls(error):
            return UnreachableError(
                f"The certificate of {self.issuer} is not trusted ({seen}). Set AUTH0_CA_FILE to the certificate of "
                "the authority that signed it; the offline tenant writes its own authority to ca.pem."
            )
        through = f" through the proxy {self._proxy}" if self._proxy else ""
        check = f"{self._proxy.source} and NO_PROXY" if self._proxy else "AUTH0_DOMAIN"
        return UnreachableError(f"{self.issuer} cannot be reached{through} to {what}: {seen}. Check {check}.")


def object_id(kind: str, found: dict[str, Any]) -> str:
    """The id of an object, by the kind of object."""
    return str(found[{APPLICATION: "client_id", USER: "user_id"}.get(kind, "id")])


def _collection(api: Auth0, kind: str) -> Any:  # noqa: ANN401 - an SDK client
    return getattr(api, _COLLECTION_OF[kind])


def _send(method: Callable[..., Any], body: dict[str, Any]) -> Any:  # noqa: ANN401 - what the SDK answers
    """Call an SDK method with the body's members as arguments.

    Members that the method has no argument for are also sent: the tenant decides about them.
    """
    known = inspect.signature(method).parameters
    others = {name: value for name, value in body.items() if name not in known}
    stated: dict[str, Any] = {name: value for name, value in body.items() if name in known}
    return method(**stated, **({"request_options": {"additional_body_parameters": others}} if others else {}))


def _load(api: Auth0) -> None:
    """Import the SDK's lazy modules now. Python warns of escapes in some of them, which the user cannot change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in _COLLECTIONS:
            reduce(getattr, path.split("."), api)


def _plain(answer: Any) -> Any:  # noqa: ANN401 - what the SDK answers
    """The SDK's models as the mappings that the tenant sent, and pages as one list."""
    if answer is None or isinstance(answer, str | int | dict):
        return answer
    if hasattr(answer, "model_dump"):
        return answer.model_dump(by_alias=True, exclude_unset=True, mode="json", warnings=False)
    assert isinstance(answer, Iterable)
    return [_plain(entry) for entry in answer]


def _object(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of a response; empty if there is none."""
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _failed_in_tenant(error: ApiError) -> bool:
    return error.status_code is None or error.status_code >= 500


def _is_about_tls(error: httpx.TransportError) -> bool:
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def _seconds(error: ApiError, attempt: int) -> float:
    """Seconds to wait: Retry-After, else X-RateLimit-Reset, which is a Unix time (Auth0: Rate Limits)."""
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    try:
        if "retry-after" in headers:
            return min(max(float(headers["retry-after"]), 0.0), MOST_SECONDS)
        if "x-ratelimit-reset" in headers and error.status_code == 429:
            return min(max(float(headers["x-ratelimit-reset"]) - time.time(), 0.0), MOST_SECONDS)
    except ValueError:
        pass
    return backoff(attempt)


def backoff(attempt: int) -> float:
    """Seconds to wait if the answer does not say how long."""
    return float(min(2**attempt, MOST_SECONDS))
