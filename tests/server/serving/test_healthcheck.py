"""The container's health check: alive, and with `--ready-first` once ready."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatehouse_server import healthcheck
from tests.support.free_ports import free_ports
from tests.support.serve_in_thread import serve_in_thread


@pytest.fixture
def statuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, int]]:
    """What the server answers, by path; a test changes it."""
    found = {"/livez": 200, "/readyz": 200}

    async def answer(request: Request) -> Response:
        return Response(status_code=found[request.url.path])

    monkeypatch.setattr(healthcheck, "WAS_READY", tmp_path / "was-ready")
    with serve_in_thread(Starlette(routes=[Route(path, answer) for path in found])) as url:
        monkeypatch.setenv("MCP_PORT", url.rpartition(":")[2].strip("/"))
        yield found


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the command, and return its exit code."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["healthcheck", *arguments])
        with pytest.raises(SystemExit) as ended:
            healthcheck.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


def test_a_server_that_is_alive_but_not_ready_is_healthy(statuses: dict[str, int], check: Callable[..., int]) -> None:
    statuses["/readyz"] = 503
    assert check() == 0
    statuses["/livez"] = 500
    assert check() == 1


def test_a_server_has_to_be_ready_once_and_then_only_alive(statuses: dict[str, int], check: Callable[..., int]) -> None:
    statuses["/readyz"] = 503
    assert check("--ready-first") == 1
    statuses["/readyz"] = 200
    assert check("--ready-first") == 0
    statuses["/readyz"] = 503
    assert check("--ready-first") == 0
    statuses["/livez"] = 500
    assert check("--ready-first") == 1


def test_a_server_that_does_not_listen_is_not_healthy(
    check: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_PORT", str(free_ports(1)[0]))
    assert check() == 1
