"""The answers in which a request is refused, with Auth0's status codes and texts (auth0.md A3, A6)."""

from __future__ import annotations

from .explanations import Case, explain


class OAuthError(Exception):
    """A refusal in the form of RFC 6749 section 5.2.

    `why` is for the log, `case` for the pages where it ends on one; neither ever goes over the wire.
    """

    status = 400
    error = "invalid_request"
    # The tenant log's code, where it is not that of the grant.
    log_code: str | None = None

    def __init__(self, description: str, *, why: str = "", case: Case | None = None) -> None:
        super().__init__(description)
        self.description = description
        self.case = case
        self.why = why or (str(explain(case).why) if case else "")


class InvalidRequest(OAuthError):
    pass


class MissingParameter(InvalidRequest):
    def __init__(self, name: str) -> None:
        super().__init__(f"Missing required parameter: {name}")


class RepeatedParameter(InvalidRequest):
    def __init__(self, name: str) -> None:
        super().__init__(f"Parameter sent more than once: {name}", case=Case("parameter_repeated", parameter=name))


class UnsupportedGrantType(OAuthError):
    error = "unsupported_grant_type"


class InvalidGrant(OAuthError):
    # The API reference says 400; every report from the field says 403 (secondary).
    status = 403
    error = "invalid_grant"


class InvalidRefreshToken(InvalidGrant):
    def __init__(self, *, why: str) -> None:
        super().__init__("Unknown or invalid refresh token.", why=why)


class ReusedRefreshToken(InvalidRefreshToken):
    log_code = "ferrt"


class UnauthorizedClient(OAuthError):
    status = 403
    error = "unauthorized_client"


class AccessDenied(OAuthError):
    status = 403
    error = "access_denied"


class AuthorizationPending(OAuthError):
    status = 403
    error = "authorization_pending"


class SlowDown(OAuthError):
    status = 429
    error = "slow_down"


class ExpiredToken(OAuthError):
    status = 403
    error = "expired_token"


class InvalidRedirectUri(OAuthError):
    """RFC 7591 section 3.2.2; Auth0's own answer is not documented (?)."""

    error = "invalid_redirect_uri"


class InvalidClientMetadata(OAuthError):
    """RFC 7591 section 3.2.2."""

    error = "invalid_client_metadata"


class ClientAuthenticationFailed(OAuthError):
    # Widely seen in the field; the API reference has `invalid_client` / `Client authentication failed` (secondary).
    status = 401
    error = "access_denied"

    def __init__(self, *, why: str) -> None:
        super().__init__("Unauthorized", why=why)


class AuthorizationError(Exception):
    """A refusal at /authorize (RFC 6749 section 4.1.2.1).

    `case` is what the error page explains on top of what Auth0 says.
    """

    def __init__(self, error: str, description: str, case: Case) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.case = case

    @property
    def why(self) -> str:
        """The reason in plain English, for the log."""
        return str(explain(self.case).why)


class PageError(AuthorizationError):
    """A refusal that must not be redirected: there is no client or callback that could be trusted with it."""

    def __init__(self, error: str, description: str, case: Case, *, status: int = 400) -> None:
        super().__init__(error, description, case)
        self.status = status
