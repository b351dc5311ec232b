"""The refusals of the Management API. Auth0's form has statusCode, error, message and errorCode."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import Refusal
from ..tenant.passwords import PasswordRefused


class ManagementError(Refusal):
    """A refusal. `error` is Auth0's errorCode, `description` its message."""


class Unauthenticated(ManagementError):
    """The token is missing or not valid."""

    status = 401
    error = "invalid_token"
    guess = "management_token"


class InsufficientScope(ManagementError):
    status = 403
    error = "insufficient_scope"

    def __init__(self, expected: Iterable[str]) -> None:
        super().__init__(f"Insufficient scope, expected any of: {','.join(expected)}")


class InvalidBody(ManagementError):
    """The form of the message is observed (auth0-deploy-cli #117)."""

    error = "invalid_body"

    def __init__(self, problem: str, path: str = "") -> None:
        where = f" on property {path}" if path else ""
        super().__init__(f"Payload validation error: '{problem}'{where}.")


class InvalidQuery(ManagementError):
    error = "invalid_query_string"

    def __init__(self, problem: str, name: str) -> None:
        super().__init__(f"Query validation error: '{problem}' on property {name}.")


class NotSupported(ManagementError):
    """Only a real tenant supports it. The status is no 5xx: Auth0's tools repeat such a request for minutes."""

    error = "operation_not_supported"

    def __init__(self, what: str) -> None:
        super().__init__(f"The offline tenant does not support {what}.")


class Inexistent(ManagementError):
    status = 404
    guess = "management_not_found"

    def __init__(self, kind: str) -> None:
        """`kind` is Auth0's term, such as `resource server`."""
        super().__init__(f"The {kind} does not exist.")
        self.error = f"inexistent_{kind.replace(' ', '_')}"


class NoEndpoint(ManagementError):
    """There is no such endpoint. The answer has no errorCode."""

    status = 404
    error = ""
    guess = "management_no_endpoint"

    def __init__(self, why: str) -> None:
        super().__init__("Not Found", why=why)


class NoResource(ManagementError):
    """The API of a client grant does not exist. The text is observed (auth0-deploy-cli #29)."""

    status = 404
    error = "inexistent_resource_server"


class Conflict(ManagementError):
    status = 409
    error = "conflict"
    guess = "management_conflict"


class UserConflict(ManagementError):
    """The text and the errorCode are observed (widely quoted)."""

    status = 409
    error = "auth0_idp_error"


class WeakPassword(ManagementError):
    """The messages are observed: `PasswordStrengthError: Password is too weak` and three others."""

    error = "auth0_idp_error"
    guess = "management_password"

    def __init__(self, refused: PasswordRefused) -> None:
        super().__init__(f"{refused.name}: {refused.message}", why=refused.policy)


class DanglingReference(ManagementError):
    """The body refers to an entry that the tenant does not have."""

    error = "invalid_body"
    guess = "management_reference"


class KeyInUse(ManagementError):
    error = "invalid_key_state"
    guess = "management_key_in_use"
