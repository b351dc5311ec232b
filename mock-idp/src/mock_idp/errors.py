"""The refusals, with Auth0's status codes and texts."""

from __future__ import annotations

from .explanations import Case, explain

# Auth0, Block and Unblock Users.
USER_BLOCKED = "user is blocked"
# Auth0, auth0.js Reference, Error Codes and Descriptions.
TOO_MANY_ATTEMPTS = (
    "Your account has been blocked after multiple consecutive login attempts. We've sent you a notification via your "
    "preferred contact method with instructions on how to unblock it."
)


class Refusal(Exception):
    """A request is refused.

    `why` is for the log, `case` for the explanation on a page; neither is part of an OAuth answer. `guess` is the name
    in `behaviours/guesses.py` of an answer that is not established.
    """

    status = 400
    error = "invalid_request"
    guess: str | None = None

    def __init__(self, description: str, *, why: str = "", case: Case | None = None, guess: str | None = None) -> None:
        super().__init__(description)
        self.description = description
        self.case = case
        self.why = why or (str(explain(case).why) if case else "")
        self.guess = guess or self.guess


class OAuthError(Refusal):
    """A refusal as JSON, in the form of RFC 6749 section 5.2."""

    # The code in the tenant log, if it is not the grant's.
    log_code: str | None = None
    # The member `error_uri`: a page about the error.
    uri: str | None = None


class InvalidRequest(OAuthError):
    pass


class MalformedRequest(InvalidRequest):
    guess = "malformed_request"


class MissingParameter(InvalidRequest):
    def __init__(self, name: str) -> None:
        super().__init__(f"Missing required parameter: {name}")


class RepeatedParameter(MalformedRequest):
    def __init__(self, name: str) -> None:
        super().__init__(f"Parameter sent more than once: {name}", case=Case("parameter_repeated", parameter=name))


class UnsupportedGrantType(OAuthError):
    error = "unsupported_grant_type"
    guess = "unsupported_grant_type"


class GrantUnavailable(OAuthError):
    """A grant that Auth0 and the client have and the offline tenant does not. The text is the offline tenant's own."""

    error = "unsupported_grant_type"

    def __init__(self, grant_type: str) -> None:
        super().__init__(
            f"The offline tenant does not have the grant type {grant_type}, which a real tenant of Auth0 has."
        )


class DpopUnavailable(InvalidRequest):
    """A client that sends a proof expects a token that is bound to its key. The text is the offline tenant's own."""

    def __init__(self) -> None:
        super().__init__(
            "The offline tenant does not have DPoP, and the request has a DPoP header. A token without a binding would"
            " hide this. Turn DPoP off in the client."
        )


class ProofRequired(InvalidRequest):
    """The client or the API has bound tokens only, which the offline tenant does not have. The text is its own."""

    guess = "proof_required"

    def __init__(self, why: str) -> None:
        super().__init__(
            "A token without proof of possession is not issued here. The offline tenant has neither DPoP nor mTLS:"
            " turn the requirement off for it.",
            why=why,
        )


class InvalidGrant(OAuthError):
    error = "invalid_grant"
    guess = "invalid_grant"


class DefaultDirectoryMissing(OAuthError):
    """The password grant without a realm needs `default_directory` (observed: text and status 500)."""

    status = 500
    error = "server_error"

    def __init__(self) -> None:
        super().__init__(
            "Authorization server not configured with default connection.",
            why="`tenant: default_directory` of the tenant file is not set, and the request names no realm.",
        )


class InvalidRefreshToken(InvalidGrant):
    def __init__(self, *, why: str) -> None:
        super().__init__("Unknown or invalid refresh token.", why=why)


class ReusedRefreshToken(InvalidRefreshToken):
    log_code = "ferrt"


class UserBlocked(OAuthError):
    """An administrator blocked the user who sent the right password."""

    status = 401
    error = "unauthorized"
    guess = "password_blocked"
    log_code = "f"

    def __init__(self) -> None:
        super().__init__(USER_BLOCKED, why="The user has `blocked: true`.")


class AttemptsExceeded(OAuthError):
    status = 429
    error = "too_many_attempts"
    log_code = "limit_wc"

    def __init__(self, *, why: str) -> None:
        super().__init__(TOO_MANY_ATTEMPTS, why=why)


class GrantNotAllowed(OAuthError):
    status = 403
    error = "unauthorized_client"
    uri = "https://auth0.com/docs/clients/client-grant-types"

    def __init__(self, grant_type: str, *, why: str = "") -> None:
        super().__init__(f"Grant type '{grant_type}' not allowed for the client.", why=why)


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
    guess = "expired_device_code"


class InvalidRedirectUri(OAuthError):
    """RFC 7591 section 3.2.2."""

    error = "invalid_redirect_uri"
    guess = "registration_metadata"


class InvalidClientMetadata(OAuthError):
    """RFC 7591 section 3.2.2."""

    error = "invalid_client_metadata"
    guess = "registration_metadata"


class ClientAuthenticationFailed(OAuthError):
    status = 401
    error = "access_denied"
    guess = "client_authentication"

    def __init__(self, *, why: str) -> None:
        super().__init__("Unauthorized", why=why)


class AuthorizationError(Refusal):
    """A refusal at /authorize or on one of the pages (RFC 6749 section 4.1.2.1)."""

    def __init__(
        self, error: str, description: str, case: Case, *, status: int | None = None, guess: str | None = None
    ) -> None:
        super().__init__(description, case=case, guess=guess)
        self.error = error
        # 403 is observed for access_denied on a page; 400 for the others is secondary.
        self.status = status or (403 if error == "access_denied" else 400)


class PageError(AuthorizationError):
    """A refusal that must not be redirected, because no client or callback can be trusted with it."""
