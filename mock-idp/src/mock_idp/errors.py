"""The answers in which a request is refused, with Auth0's status codes and texts (auth0.md A3, A6)."""

from __future__ import annotations


class OAuthError(Exception):
    """A refusal in the form of RFC 6749 section 5.2. `why` is for the log and the pages, never for the wire."""

    status = 400
    error = "invalid_request"
    # The tenant log's code, where it is not that of the grant.
    log_code: str | None = None

    def __init__(self, description: str, *, why: str = "") -> None:
        super().__init__(description)
        self.description = description
        self.why = why


class InvalidRequest(OAuthError):
    pass


class MissingParameter(InvalidRequest):
    def __init__(self, name: str) -> None:
        super().__init__(f"Missing required parameter: {name}")


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

    `why` and `fix` are what the error page and the log explain on top of what Auth0 says.
    """

    def __init__(self, error: str, description: str, *, why: str = "", fix: str = "") -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.why = why
        self.fix = fix


class PageError(AuthorizationError):
    """A refusal that must not be redirected: there is no client or callback that could be trusted with it."""

    def __init__(self, error: str, description: str, *, status: int = 400, why: str = "", fix: str = "") -> None:
        super().__init__(error, description, why=why, fix=fix)
        self.status = status
