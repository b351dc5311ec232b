"""The errors that a person sees, with their exit codes."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of `gatehouse`."""

    OK = 0
    FAILED = 1
    CONFIGURATION = 2
    SIGN_IN = 3
    FORBIDDEN = 4
    UNREACHABLE = 5
    DIFFERENT = 6
    INTERRUPTED = 130


class GatehouseError(Exception):
    """Base of the errors that a person sees. The message says what is wrong, what was seen, and what to do.

    Attributes:
        error: a stable short code, for programs.
        exit_code: the exit code of the command.
    """

    error = "failed"
    exit_code = Exit.FAILED


class ToolError(GatehouseError):
    """A tool reported a failure, or the server refused the call itself."""

    error = "tool_failed"


class ModelError(GatehouseError):
    """The model did not answer, or the agent reached its limit of steps."""

    error = "model_failed"


class UsageError(GatehouseError):
    """The command line is not valid."""

    error = "usage"
    exit_code = Exit.CONFIGURATION


class ConfigurationError(GatehouseError):
    """A setting is missing or wrong, or a package that it needs is not installed."""

    error = "configuration"
    exit_code = Exit.CONFIGURATION


class SignInError(GatehouseError):
    """The sign-in failed."""

    error = "sign_in_failed"
    exit_code = Exit.SIGN_IN


class NotSignedIn(SignInError):
    """Nobody is signed in, and the command does not sign in itself."""

    error = "not_signed_in"


class SignInDenied(SignInError):
    """The tenant refused the sign-in, or the person declined it."""

    error = "sign_in_denied"


class TokenRefused(SignInError):
    """The token endpoint refused (RFC 6749 section 5.2).

    Attributes:
        code: the `error` of the answer, such as `invalid_grant`.
    """

    error = "token_refused"

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class ForbiddenError(GatehouseError):
    """The person is signed in, but lacks a permission that the server asks for.

    Attributes:
        missing: the permissions that the server named and the token lacks; it can be empty.
    """

    error = "forbidden"
    exit_code = Exit.FORBIDDEN

    def __init__(self, message: str, missing: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.missing = missing


class UnreachableError(GatehouseError):
    """The server or the tenant cannot be reached, or cannot serve now."""

    error = "unreachable"
    exit_code = Exit.UNREACHABLE
