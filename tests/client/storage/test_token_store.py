"""Tokens on disk."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import anyio
import pytest

from gatehouse_client.errors import SignInError
from gatehouse_client.storage.token_store import TokenStore
from tests.client.example_grant import SERVER, grant

pytestmark = pytest.mark.anyio


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, said: list[str]) -> TokenStore:
    return TokenStore(tmp_path / "home", said.append)


def files(home: Path) -> list[Path]:
    return sorted((home / "home" / "tokens").iterdir())


def test_a_stored_grant_is_loaded(store: TokenStore, tmp_path: Path) -> None:
    assert store.load(SERVER) is None
    store.save(grant(expires_at=9.0, scope="a", requested_scope="a b"))
    assert store.load(SERVER) == grant(expires_at=9.0, scope="a", requested_scope="a b")
    (file,) = files(tmp_path)
    assert file.name.startswith("mcp.example_mcp-")


def test_only_the_owner_can_read_it_whatever_the_umask(store: TokenStore, tmp_path: Path) -> None:
    (tmp_path / "home" / "tokens").mkdir(parents=True, mode=0o755)
    before = os.umask(0)
    try:
        store.save(grant())
        store.save(grant(access_token="second"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "home" / "tokens").stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in files(tmp_path)] == [0o600]


def test_each_server_and_issuer_has_a_file_of_its_own(store: TokenStore, tmp_path: Path) -> None:
    store.save(grant())
    store.save(grant(issuer="https://tenant.example"))
    store.save(grant(server="https://mcp.example/mcp/"))
    assert len(files(tmp_path)) == 3
    assert [kept.issuer for kept in store.all("https://mcp.example/mcp/")] == ["https://tenant.example/"]


def test_the_newest_usable_grant_is_loaded(store: TokenStore) -> None:
    store.save(grant(obtained_at=2.0, issuer="https://new.example/"))
    store.save(grant(obtained_at=1.0))
    newest = store.load(SERVER)
    assert newest is not None
    assert newest.issuer == "https://new.example/"
    usable = store.load(SERVER, lambda kept: kept.issuer == "https://tenant.example/")
    assert usable is not None
    assert usable.obtained_at == 1.0


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff\xfe", b'{"version": 2}', b'{"access_token": "acc3ss"}'])
def test_a_damaged_file_is_renamed_and_reported(
    store: TokenStore, tmp_path: Path, said: list[str], damage: bytes
) -> None:
    store.save(grant())
    (file,) = files(tmp_path)
    file.write_bytes(damage)
    assert store.load(SERVER) is None
    assert [left.suffix for left in files(tmp_path)] == [".damaged"]
    assert len(said) == 1
    assert "damaged" in said[0]
    assert "acc3ss" not in said[0]
    store.save(grant())
    assert store.load(SERVER) == grant()


def test_a_file_that_was_moved_to_another_server_is_not_used(store: TokenStore, tmp_path: Path) -> None:
    store.save(grant())
    store.save(grant(server="https://other.example/"))
    ours, theirs = files(tmp_path)
    assert json.loads(ours.read_text())["server"] == SERVER
    theirs.write_bytes(ours.read_bytes())
    assert store.load("https://other.example/") is None


def test_a_disk_that_cannot_be_written_is_reported_and_not_fatal(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "home").write_text("a file where the directory should be")
    store = TokenStore(tmp_path / "home", said.append)
    store.save(grant())
    assert "cannot be kept" in said[0]
    assert store.load(SERVER) is None


def test_a_full_disk_leaves_the_old_file_and_no_temporary_file(
    store: TokenStore, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(grant())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    store.save(grant(access_token="second"))
    assert "No space left on device" in said[0]
    assert len(files(tmp_path)) == 1
    assert store.load(SERVER) == grant()


def test_forgetting_removes_the_servers_files_only(store: TokenStore, tmp_path: Path) -> None:
    store.save(grant())
    store.save(grant(issuer="https://two.example/"))
    store.save(grant(server="https://other.example/"))
    assert store.forget(SERVER) == 2
    assert store.forget(SERVER) == 0
    assert len(files(tmp_path)) == 1


def test_tokens_are_not_in_the_repr() -> None:
    assert "acc3ss" not in repr(grant())
    assert "r3fresh" not in repr(grant())


async def test_the_lock_keeps_another_process_out_and_tells_the_person(tmp_path: Path, said: list[str]) -> None:
    one = TokenStore(tmp_path / "home", lambda _: None)
    other = TokenStore(tmp_path / "home", said.append, lock_timeout=0)
    async with one.locked(SERVER):
        with pytest.raises(SignInError, match="Another process has held"):
            async with other.locked(SERVER):
                pytest.fail("both hold the lock")
        async with other.locked("https://other.example/"):
            pass
    assert said == ["Another agent of yours is signing in to this server: waiting for it."]
    async with other.locked(SERVER):
        pass


async def test_the_lock_is_released_when_its_holder_is_cancelled(tmp_path: Path) -> None:
    one = TokenStore(tmp_path / "home", lambda _: None)
    held = anyio.Event()

    async def hold() -> None:
        async with one.locked(SERVER):
            held.set()
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hold)
        await held.wait()
        tasks.cancel_scope.cancel()
    async with TokenStore(tmp_path / "home", pytest.fail, lock_timeout=0).locked(SERVER):
        pass


async def test_without_a_possible_lock_file_there_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the directory should be")
    async with TokenStore(tmp_path / "home", lambda _: None).locked(SERVER):
        pass
