"""Encryption of stored files with a key from a keyring."""

from __future__ import annotations

import sys
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import KeyringLocked

from gatehouse_client.storage.encryption import Encryption, KeyringEncryption, NoEncryption, system_encryption
from gatehouse_client.storage.token_store import TokenStore
from tests.client.example_grant import SERVER, grant


class MemoryKeyring(KeyringBackend):
    """A keyring that lives as long as the test; locked, it refuses."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringLocked("s3cret details")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.locked:
            raise KeyringLocked("s3cret details")
        self.entries[service, username] = password


@pytest.fixture
def backend() -> MemoryKeyring:
    return MemoryKeyring()


def store(home: Path, said: list[str], encryption: Encryption) -> TokenStore:
    return TokenStore(home, said.append, encryption=encryption)


def encrypted_store(home: Path, backend: MemoryKeyring, said: list[str]) -> TokenStore:
    """A store of a new process of the person."""
    return store(home, said, KeyringEncryption(backend, said.append))


def the_file(home: Path) -> Path:
    (file,) = (home / "tokens").glob("*.json")
    return file


def test_an_encrypted_file_is_unreadable_but_for_another_process(tmp_path: Path, backend: MemoryKeyring) -> None:
    said: list[str] = []
    encrypted_store(tmp_path, backend, said).save(grant(access_token="x" * 8000))
    content = the_file(tmp_path).read_bytes()
    for part in (b"r3fresh", b"xxxx", b"tenant"):
        assert part not in content
    assert the_file(tmp_path).stat().st_mode & 0o777 == 0o600
    assert encrypted_store(tmp_path, backend, said).load(SERVER) == grant(access_token="x" * 8000)
    assert len(backend.entries) == 1
    assert "r3fresh" not in str(backend.entries)
    assert said == []


def test_a_file_from_before_the_keyring_is_read_and_encrypted_when_it_is_written_again(
    tmp_path: Path, backend: MemoryKeyring
) -> None:
    store(tmp_path, [], NoEncryption()).save(grant())
    other = encrypted_store(tmp_path, backend, [])
    assert other.load(SERVER) == grant()
    other.save(grant())
    assert b"r3fresh" not in the_file(tmp_path).read_bytes()


def test_an_encrypted_file_without_its_keyring_stays_and_is_reported(tmp_path: Path, backend: MemoryKeyring) -> None:
    said: list[str] = []
    encrypted_store(tmp_path, backend, said).save(grant())
    assert store(tmp_path, said, NoEncryption()).load(SERVER) is None
    assert "there is no keyring here" in said[0]
    assert encrypted_store(tmp_path, backend, said).load(SERVER) == grant(), "it was not renamed"


def test_a_keyring_that_is_locked_is_reported_and_not_fatal(tmp_path: Path, backend: MemoryKeyring) -> None:
    said: list[str] = []
    encrypted_store(tmp_path, backend, said).save(grant())
    backend.locked = True
    other = encrypted_store(tmp_path, backend, said)
    assert other.load(SERVER) is None
    assert any("keyring does not work (KeyringLocked)" in line for line in said)
    assert "s3cret" not in "".join(said)
    other.save(grant(access_token="second"))
    assert other.load(SERVER) == grant(access_token="second")


@pytest.mark.parametrize("change", ["another key", "a changed file", "a cut file"])
def test_a_file_that_cannot_be_decrypted_is_renamed(tmp_path: Path, backend: MemoryKeyring, change: str) -> None:
    said: list[str] = []
    encrypted_store(tmp_path, backend, said).save(grant())
    file = the_file(tmp_path)
    if change == "another key":
        backend.entries = dict.fromkeys(backend.entries, "00" * 32)
    elif change == "a changed file":
        content = bytearray(file.read_bytes())
        content[-3] ^= 1
        file.write_bytes(bytes(content))
    else:
        file.write_bytes(file.read_bytes()[:-10])
    assert encrypted_store(tmp_path, backend, said).load(SERVER) is None
    assert "was damaged" in said[0]
    assert not file.exists()


def test_the_systems_keyring_is_used_when_there_is_one(monkeypatch: pytest.MonkeyPatch, backend: MemoryKeyring) -> None:
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
    assert isinstance(system_encryption(pytest.fail), KeyringEncryption)
    monkeypatch.setattr(keyring, "get_keyring", NoKeyring)
    assert isinstance(system_encryption(pytest.fail), NoEncryption)


def test_without_the_extra_files_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert isinstance(system_encryption(pytest.fail), NoEncryption)
