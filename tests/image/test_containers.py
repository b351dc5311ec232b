"""The running containers of the end-to-end stack have no right that they do not need.

`make e2e` sets E2E_PROJECT while the stack runs. tests/worlds/test_production.py examines those of production.
"""

from __future__ import annotations

import os
from functools import cache

import pytest

from tests.support import containers
from tests.support.containers import Container

PROJECT = os.environ.get("E2E_PROJECT", "")
PORTS = {"gateway": {5555, 9000}, "server": {5555}, "mock-idp": {9000, 9443}}
"""The open ports of each service."""

pytestmark = pytest.mark.skipif(not PROJECT, reason="the stack does not run")


@cache
def running() -> list[Container]:
    return containers.of_project(PROJECT)


def of(service: str) -> list[Container]:
    return [each for each in running() if each.service == service]


def test_the_stack_runs_with_three_servers() -> None:
    assert sorted(each.service for each in running()) == ["gateway", "mock-idp", "server", "server", "server"]


@pytest.mark.parametrize("service", PORTS)
def test_a_container_is_confined(service: str) -> None:
    for each in of(service):
        containers.is_confined(each)


@pytest.mark.parametrize("service", PORTS)
def test_no_process_of_a_container_has_rights(service: str) -> None:
    for each in of(service):
        containers.has_processes_without_rights(each)


@pytest.mark.parametrize("service", PORTS)
def test_a_container_cannot_change_its_files(service: str) -> None:
    for each in of(service):
        containers.cannot_change_its_files(each)


@pytest.mark.parametrize("service", PORTS)
def test_a_container_listens_only_on_its_ports(service: str) -> None:
    for each in of(service):
        assert containers.listening(each) == PORTS[service]
