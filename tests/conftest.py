"""For all tests: what a full run must show, who runs which test, and the one authority that tests here trust."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.support import workers
from tests.support.promises import promises_of

TESTS = Path(__file__).parent
ON_THIS_MACHINE = ("client", "e2e", "mock_idp", "security", "server")
"""The folders whose tests reach nothing on the internet."""


def pytest_configure(config: pytest.Config) -> None:
    """Watch a full run."""
    plugin = promises_of(config)
    if plugin is not None:
        config.pluginmanager.register(plugin, "promises")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the modules and the tests for good: otherwise each search for garbage looks at them again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    workers.sort(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    return workers.scheduler(config, log)


@pytest.fixture(scope="session")
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("authorities") / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    return file


@pytest.fixture(scope="module", autouse=True)
def _few_authorities(request: pytest.FixtureRequest, _one_authority: Path) -> Iterator[None]:
    """The authorities of the system are some hundred: each client and each program would read them for 25 ms."""
    with pytest.MonkeyPatch.context() as patch:
        if request.path.relative_to(TESTS).parts[0] in ON_THIS_MACHINE:
            patch.setenv("SSL_CERT_FILE", str(_one_authority))
            patch.delenv("SSL_CERT_DIR", raising=False)
        yield
