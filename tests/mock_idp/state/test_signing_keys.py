"""The file that keeps the tenant's keys between starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mock_idp.state.signing_keys import KEY_FILE, KeyFileError, KeyRing, load_key_ring, write_key_ring


def written(folder: Path, keys: KeyRing) -> dict[str, Any]:
    write_key_ring(folder / KEY_FILE, keys)
    document: dict[str, Any] = json.loads((folder / KEY_FILE).read_text(encoding="utf-8"))
    return document


def test_kept_keys_are_the_same_after_a_restart(tmp_path: Path, keys: KeyRing) -> None:
    written(tmp_path, keys)
    again = load_key_ring(tmp_path, "localhost", 0)
    assert [key.public_jwk for key in again.published()] == [key.public_jwk for key in keys.published()]
    assert again.next.private.as_dict(private=True) == keys.next.private.as_dict(private=True)


@pytest.mark.parametrize("member", ["n", "e", "d", "p", "q", "dp", "dq", "qi"])
@pytest.mark.parametrize("value", ["of another key", "AQ", "Ag", "", None])
def test_a_key_whose_members_do_not_belong_together_is_refused(
    tmp_path: Path, keys: KeyRing, member: str, value: str | None
) -> None:
    document = written(tmp_path, keys)
    other = "Aw" if member == "e" else document["current"]["jwk"][member]
    document["next"]["jwk"][member] = other if value == "of another key" else value
    (tmp_path / KEY_FILE).write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(KeyFileError, match="is not a key file of this tenant; delete it"):
        load_key_ring(tmp_path, "localhost", 0)
