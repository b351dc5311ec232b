"""Scenarios that do not hold, and why. One that begins to hold must leave this list."""

from __future__ import annotations

TASKS = "the tasks extension (SEP-2663) is not in the MCP SDK; the suite runs these without counting them"
TASK_SCENARIOS = (
    "tasks-capability-negotiation",
    "tasks-dispatch-and-envelope",
    "tasks-lifecycle",
    "tasks-mrtr-composition",
    "tasks-mrtr-input",
    "tasks-request-headers",
    "tasks-request-state-removal",
    "tasks-required-task-error",
    "tasks-status-notifications",
    "tasks-wire-fields",
)

KNOWN: dict[str, dict[str, str]] = {
    "0.2": dict.fromkeys(TASK_SCENARIOS, TASKS),
}
