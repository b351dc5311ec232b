"""The container's health check: whether the tenant answers."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette

from mock_idp import healthcheck
from mock_idp.testing import offline_tenant
from tests.support.free_ports import free_ports
from tests.support.serve_in_thread import serve_in_thread


def exit_code() -> object:
    with pytest.raises(SystemExit) as ended:
        healthcheck.main()
    return ended.value.code


def test_a_tenant_that_answers_is_healthy_also_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    with offline_tenant() as tenant:
        monkeypatch.setenv("MOCK_IDP_PORT", tenant.issuer.rpartition(":")[2].strip("/"))
        assert exit_code() == 0


def test_another_program_on_the_port_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_in_thread(Starlette()) as url:
        monkeypatch.setenv("MOCK_IDP_PORT", url.rpartition(":")[2].strip("/"))
        assert exit_code() == 1


def test_a_tenant_that_does_not_listen_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOCK_IDP_PORT", str(free_ports(1)[0]))
    assert exit_code() == 1
