"""`make soak`, the short form: no call is lost that need not be lost."""

from __future__ import annotations

import pytest

from tests.worlds.conftest import RUNTIME
from tests.worlds.test_worlds import EXAMPLE, MakeWorld


@pytest.mark.docker
@pytest.mark.skipif(RUNTIME != "docker", reason="a world of the docker runtime")
def test_only_a_killed_server_loses_calls_and_only_those_that_it_has(world: MakeWorld) -> None:
    done = world(EXAMPLE).stack("soak", "--short")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing for" in done.stdout
