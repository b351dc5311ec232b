"""Scenarios that fail, by version of the suite, and why. The run fails if a scenario of this list passes."""

from __future__ import annotations

_TASKS = "the tasks extension (SEP-2663) is not in the MCP SDK; the suite runs these without counting them"
_GUESSING = (
    "the server has no metadata: revision 2025-03-26 let clients guess URLs; this client sends no secret to a guess"
)
_SILENT = (
    "the scenario takes the second authorization request for the step-up; this client first asks the tenant without a"
    " person (prompt=none) whether the sign-in can succeed, so its second request is still the first sign-in"
)
_DPOP = "DPoP is an extension (SEP-1932) that Gatehouse does not have: its tokens are bearer tokens"

SERVER: dict[str, dict[str, str]] = {
    "0.2": {
        "tasks-capability-negotiation": _TASKS,
        "tasks-dispatch-and-envelope": _TASKS,
        "tasks-lifecycle": _TASKS,
        "tasks-mrtr-composition": _TASKS,
        "tasks-mrtr-input": _TASKS,
        "tasks-request-headers": _TASKS,
        "tasks-request-state-removal": _TASKS,
        "tasks-required-task-error": _TASKS,
        "tasks-status-notifications": _TASKS,
        "tasks-wire-fields": _TASKS,
    },
}
CLIENT: dict[str, dict[str, str]] = {
    "0.1": {
        "auth/2025-03-26-oauth-endpoint-fallback": _GUESSING,
        "auth/2025-03-26-oauth-metadata-backcompat": _GUESSING,
        "auth/scope-step-up": _SILENT,
    },
    "0.2": {
        "auth/dpop": _DPOP,
        "auth/dpop-nonce": _DPOP,
        "auth/scope-step-up": _SILENT,
    },
}
