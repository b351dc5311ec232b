"""Errors that explain what happened, in place of the nested exception groups of the MCP SDK."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from traceback import walk_tb
from typing import Final

import httpx2
from mcp import MCPError
from pydantic import ValidationError

from ..causes.catalogue import advice_on
from ..errors import GatehouseError, Party, ToolError, UnreachableError
from ..foreign_text import foreign
from ..signin.http.proxies import unreachable
from ..signin.http_outcome import HttpOutcome, recording_outcome

_THIS_PROGRAM: Final = __name__.split(".")[0]


@contextmanager
def explaining_errors(url: str) -> Generator[HttpOutcome]:
    """Replace an error of the SDK and its task groups by the error that explains it. A fault of this program stays."""
    with recording_outcome() as outcome:
        try:
            yield outcome
        except (OSError, UnicodeError):
            raise  # from writing the output
        except Exception as error:
            # For answers that the SDK does not expect, it raises many kinds of errors.
            explained = _reason(error, outcome, url)
            if explained is None:
                raise
            raise explained from error


def _reason(error: BaseException, outcome: HttpOutcome, url: str) -> GatehouseError | None:
    causes = list(causes_of(error))
    known = next((cause for cause in causes if isinstance(cause, GatehouseError)), outcome.error)
    if known is not None:
        return known
    if is_own_fault(error):
        return None
    failure = next((cause for cause in causes if isinstance(cause, httpx2.HTTPError)), outcome.failure)
    if isinstance(failure, httpx2.TimeoutException):
        return _unreachable(url, f"did not answer in time ({type(failure).__name__}). Is it overloaded?")
    if failure is not None:
        return UnreachableError(unreachable(url, Party.SERVER, url, failure, "Is the server running?"), Party.SERVER)
    refusal = next((cause for cause in causes if isinstance(cause, MCPError)), None)
    if refusal is not None:
        return _refused(refusal, outcome, url)
    if any(isinstance(cause, ValidationError) for cause in causes):
        return ToolError(f"{url} answered with data that is not MCP. Is it the address of an MCP server?")
    detail = foreign(str(causes[-1])) or type(causes[-1]).__name__
    return ToolError(f"An answer of {url} cannot be used: {detail}. Report it to the developers of the server.")


def _refused(error: MCPError, outcome: HttpOutcome, url: str) -> GatehouseError:
    message = foreign(error.message)
    if outcome.status is not None and (outcome.status >= 500 or outcome.status == 429):
        return _unreachable(url, f"cannot serve now: it answered {outcome.status} ({message}).")
    if outcome.status == 421:
        return _unreachable(url, f"answered 421 ({message}). {advice_on('hosts')}")
    if outcome.status == 404:
        return _unreachable(url, f"answered 404 ({message}): is it the address of an MCP server?")
    status = f" (HTTP {outcome.status})" if outcome.status else ""
    return ToolError(f"The server refused the call: {message}{status}.")


def _unreachable(url: str, problem: str) -> UnreachableError:
    return UnreachableError(f"The {Party.SERVER} {url} {problem}", Party.SERVER)


def is_own_fault(error: BaseException) -> bool:
    """Whether code of this program raised the error, or one of its causes. Then no other party is to blame.

    Errors of the standard library belong to the code that called it. `GatehouseError` is no fault.
    """
    return any(not isinstance(cause, GatehouseError) and _raised_here(cause) for cause in causes_of(error))


def _raised_here(error: BaseException) -> bool:
    modules = [str(frame.f_globals.get("__name__")).split(".")[0] for frame, _ in walk_tb(error.__traceback__)]
    blamed = [module for module in modules if module not in sys.stdlib_module_names]
    return bool(blamed) and blamed[-1] == _THIS_PROGRAM


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """The error, the errors of its group, and what caused each of them; each once, because they can form a circle."""
    found: dict[int, BaseException] = {}
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if id(one) in found:
            continue
        found[id(one)] = one
        yield one
        cause = one.__cause__ or one.__context__
        inner = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        waiting += [*([cause] if cause is not None else []), *reversed(inner)]
