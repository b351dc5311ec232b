"""Auth0's Management API through auth0-python: its objects as plain mappings, its errors as sentences."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import reduce
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigurationError, ForbiddenError, GatehouseError, UnreachableError, foreign
from ..signin.http.network import authorities
from ..signin.http.trace import Trace
from .settings import TenantSettings

if TYPE_CHECKING:
    import httpx
    from auth0.management.client import Auth0
    from auth0.management.core.api_error import ApiError

NOT_INSTALLED: Final = "The Management API needs the extra `tenant`: pip install 'gatehouse-client[tenant]'."
SECONDS: Final = 30.0
# How often a call that was refused for now is made again, and how long to wait for it at most.
ATTEMPTS: Final = 5
MOST_SECONDS: Final = 30.0
_COLLECTIONS: Final = (
    *("client_grants", "clients", "connections.clients", "resource_servers", "roles.permissions", "tenants.settings"),
    *("users.permissions", "users.roles"),
)
_REFUSED: Final = (
    "The tenant does not accept {what} ({seen}): compare them with the dashboard, Applications > Applications > "
    "{{application}} > Settings."
)
_NOT_AUTHORIZED: Final = (
    "The application {client} may not use the Management API ({seen}): authorize it in the dashboard under "
    "Applications > APIs > Auth0 Management API > Machine to Machine Applications."
)
_SCOPE: Final = (
    "The management application may not {what}: {seen}. Tick it in the dashboard under Applications > APIs > "
    "Auth0 Management API > Machine to Machine Applications > {{application}}."
)


class Inexistent(GatehouseError):
    """The tenant has no such object."""


class InsufficientScope(ForbiddenError):
    """The management application lacks a scope."""


class Management(AbstractContextManager["Management"]):
    """A tenant's Management API.

    A call that is refused for now (429) is made again after the time that the answer says; one that failed on its way
    or in the tenant is so unless it makes something, which might be there twice then.

    Raises:
        ConfigurationError: auth0-python is not installed, or a setting is missing.
    """

    def __init__(self, settings: TenantSettings, trace: Trace) -> None:
        try:
            import httpx
            from auth0.management.client import Auth0
        except ImportError:
            raise ConfigurationError(NOT_INSTALLED) from None
        settings.require_credentials()
        self.issuer = settings.management_issuer
        self._settings = settings
        self._token: str | None = None
        hooks = {
            "request": [lambda request: trace.note("→", f"{request.method} {request.url}")],
            "response": [lambda response: trace.note("←", str(response.status_code))],
        }
        self._http = httpx.Client(timeout=SECONDS, verify=authorities(settings.auth0_ca_file), event_hooks=hooks)
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
        """The management application itself; None with a ready token."""
        return self._settings.auth0_mgmt_client_id if self._settings.auth0_mgmt_token is None else None

    def get(self, what: str, call: Callable[[Auth0], Any]) -> Any:  # noqa: ANN401 - what the SDK answers
        """One object or, of a list that comes in pages, all.

        Args:
            what: completes the sentence "to …".

        Raises:
            GatehouseError: the tenant refused, or cannot be reached; the message says what to do.
        """
        return self._carried_out(what, lambda: _plain(call(self._api)), makes=False)

    def change(self, what: str, call: Callable[[Auth0], Any]) -> Any:  # noqa: ANN401 - what the SDK answers
        """A call that leaves the same behind when it is made twice. As `get`."""
        return self.get(what, call)

    def create(self, what: str, call: Callable[[Auth0], Any]) -> Any:  # noqa: ANN401 - what the SDK answers
        """A call that makes something. As `get`."""
        return self._carried_out(what, lambda: _plain(call(self._api)), makes=True)

    def _carried_out(self, what: str, call: Callable[[], Any], *, makes: bool) -> Any:  # noqa: ANN401
        import httpx
        from auth0.management.core.api_error import ApiError
        from auth0.management.core.parse_error import ParsingError

        for attempt in range(ATTEMPTS):
            last = attempt == ATTEMPTS - 1
            try:
                return call()
            except ApiError as error:
                again = error.status_code == 429 or (_is_their_fault(error) and not makes)
                if last or not again:
                    raise self._refusal(what, error) from None
                time.sleep(_seconds(error, attempt))
            except httpx.TransportError as error:
                if last or makes or _is_about_tls(error):
                    raise self._unreachable(what, error) from None
                time.sleep(backoff(attempt))
            except ParsingError as error:
                # Not its text, which has the answer in it and so perhaps a secret.
                raise GatehouseError(
                    f"The tenant did {what}, but auth0-python cannot read its answer (HTTP {error.status_code}): is it "
                    "the version that this command needs? The same command goes on from there."
                ) from None
        raise AssertionError("the last attempt returns or raises")

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
            what = "AUTH0_MGMT_CLIENT_ID with AUTH0_MGMT_CLIENT_SECRET"
            raise ConfigurationError(_REFUSED.format(what=what, seen=seen))
        if response.status_code == 403:
            raise ForbiddenError(_NOT_AUTHORIZED.format(client=self._settings.auth0_mgmt_client_id, seen=seen))
        raise UnreachableError(f"The tenant {self.issuer} gives no token for its Management API: {seen}.")

    def _refusal(self, what: str, error: ApiError) -> GatehouseError:
        body = error.body if isinstance(error.body, dict) else {}
        seen = foreign(str(body.get("message") or f"HTTP {error.status_code}")).rstrip(".")
        if error.status_code == 401:
            name = "AUTH0_MGMT_TOKEN" if self._settings.auth0_mgmt_token else "the token of the management application"
            return ConfigurationError(
                f"The tenant does not accept {name}: {seen}. It must be a current one for {self.issuer}api/v2/."
            )
        if error.status_code == 403:
            return InsufficientScope(_SCOPE.format(what=what, seen=seen))
        if error.status_code == 404:
            return Inexistent(f"The tenant refused to {what}: {seen}.")
        if error.status_code == 429 or _is_their_fault(error):
            return UnreachableError(f"The tenant could not {what}, {ATTEMPTS} times: {seen}. Try again later.")
        return GatehouseError(f"The tenant refused to {what}: {seen}.")

    def _unreachable(self, what: str, error: httpx.TransportError) -> GatehouseError:
        seen = foreign(str(error)) or type(error).__name__
        if _is_about_tls(error):
            return UnreachableError(
                f"The certificate of {self.issuer} is not trusted ({seen}): AUTH0_CA_FILE can name the authority's "
                "certificate; the offline tenant writes its own to ca.pem."
            )
        return UnreachableError(f"{self.issuer} cannot be reached, to {what}: {seen}. Compare it with AUTH0_DOMAIN.")


def arguments(method: Callable[..., Any], body: dict[str, Any]) -> dict[str, Any]:
    """The body as arguments of an SDK method; what it has no name for goes along, for the tenant to judge."""
    known = inspect.signature(method).parameters
    others = {name: value for name, value in body.items() if name not in known}
    stated: dict[str, Any] = {name: value for name, value in body.items() if name in known}
    return {**stated, "request_options": {"additional_body_parameters": others}} if others else stated


def _load(api: Auth0) -> None:
    """Have the SDK import the modules that it leaves for later: some have escapes that Python warns of, which are not
    the person's business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in _COLLECTIONS:
            reduce(getattr, path.split("."), api)


def _plain(answer: Any) -> Any:  # noqa: ANN401 - what the SDK answers
    """Models of the SDK as the mappings that came over the wire, pages as one list."""
    if answer is None or isinstance(answer, str | int | dict):
        return answer
    if hasattr(answer, "model_dump"):
        return answer.model_dump(by_alias=True, exclude_unset=True, mode="json", warnings=False)
    assert isinstance(answer, Iterable)
    return [_plain(entry) for entry in answer]


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _is_their_fault(error: ApiError) -> bool:
    return error.status_code is None or error.status_code >= 500


def _is_about_tls(error: httpx.TransportError) -> bool:
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def _seconds(error: ApiError, attempt: int) -> float:
    """How long to wait: Retry-After, else X-RateLimit-Reset, which is a Unix time (Auth0: Rate Limits)."""
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
    """Seconds to wait where the answer does not say how long."""
    return float(min(2**attempt, MOST_SECONDS))
