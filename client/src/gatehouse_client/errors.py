"""The errors that a person sees, with their exit codes."""

from __future__ import annotations

from enum import IntEnum, StrEnum


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


class Party(StrEnum):
    """The party where an error arises, in the words of messages."""

    SERVER = "MCP server"
    TENANT = "authorization server"
    MODEL = "model"


class GatehouseError(Exception):
    """Base of the errors that a person sees. The message says what is wrong, what was seen, and what to do.

    Attributes:
        error: a stable short code, for programs.
        exit_code: the exit code of the command.
        party: where the error arises; None if it arises on this machine, or if that is not known.
    """

    error = "failed"
    exit_code = Exit.FAILED
    party: Party | None = None


class ToolError(GatehouseError):
    """A tool reported a failure, or the server refused the call itself."""

    error = "tool_failed"
    party = Party.SERVER


class ModelError(GatehouseError):
    """The model did not answer, or the agent reached its limit of steps."""

    error = "model_failed"
    party = Party.MODEL


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
        unknown_client: whether the tenant does not know the client, or not its credentials.
    """

    error = "token_refused"
    party = Party.TENANT

    def __init__(self, message: str, code: str, *, unknown_client: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.unknown_client = unknown_client


class ForbiddenError(GatehouseError):
    """The person is signed in, but lacks a permission that the server asks for.

    Attributes:
        missing: the permissions that the server named and the token lacks; it can be empty.
    """

    error = "forbidden"
    exit_code = Exit.FORBIDDEN
    party = Party.SERVER

    def __init__(self, message: str, missing: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.missing = missing


class UnreachableError(GatehouseError):
    """The server or the tenant cannot be reached, or cannot serve now."""

    error = "unreachable"
    exit_code = Exit.UNREACHABLE

    def __init__(self, message: str, party: Party = Party.TENANT) -> None:
        super().__init__(message)
        self.party = party
