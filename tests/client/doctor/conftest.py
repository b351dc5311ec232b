from __future__ import annotations

from pathlib import Path

import pytest

from tests.client.doctor.web import Web


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Web:
    """A server and a tenant with a correct set-up, in this process."""
    return Web(monkeypatch, tmp_path)
