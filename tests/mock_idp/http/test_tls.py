"""Certificates: those of the tenant's own authority, which is kept, and a given one."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from mock_idp.http.tls import TlsError, certificate_context, issue_certificate


def test_the_authority_is_kept_and_signs_a_new_certificate_each_time(tmp_path: Path) -> None:
    written = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        issue_certificate(tmp_path / "state", folder, ["localhost", "127.0.0.1", "localhost"])
        assert (folder / "key.pem").stat().st_mode & 0o777 == 0o600
        ssl.create_default_context().load_cert_chain(folder / "certificate.pem", folder / "key.pem")
        written.append([(folder / each).read_bytes() for each in ("ca.pem", "certificate.pem", "key.pem")])
    assert written[0][0] == written[1][0]
    assert written[0][1:] != written[1][1:]
    assert (tmp_path / "state/ca-key.pem").stat().st_mode & 0o777 == 0o600


def test_an_authority_with_a_broken_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    issue_certificate(tmp_path, tmp_path, ["localhost"])
    (tmp_path / "ca-key.pem").write_text("hello", encoding="utf-8")
    with pytest.raises(TlsError) as refused:
        issue_certificate(tmp_path, tmp_path, ["localhost"])
    expected = f"MOCK_IDP_STATE_DIR: {tmp_path / 'ca.pem'} and its key do not belong together; delete both files"
    assert str(refused.value) == expected


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "certificate.pem").mkdir(parents=True)
    with pytest.raises(TlsError, match=f"cannot write {folder / 'certificate.pem'}: Is a directory"):
        issue_certificate(tmp_path / "state", folder, ["localhost"])


@pytest.mark.parametrize("certificate", ["missing", "no PEM", "of another key"])
def test_a_given_certificate_that_cannot_be_used_is_refused(tmp_path: Path, certificate: str) -> None:
    authority = trustme.CA()
    issued, other = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    path, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    issued.private_key_pem.write_to_path(key)
    if certificate == "no PEM":
        path.write_text("hello", encoding="utf-8")
    elif certificate == "of another key":
        other.cert_chain_pems[0].write_to_path(path)
    with pytest.raises(TlsError) as refused:
        certificate_context(path, key)
    expected = f"MOCK_IDP_TLS_CERT_FILE is {path} and MOCK_IDP_TLS_KEY_FILE is {key}: a certificate and its key in PEM"
    assert str(refused.value).startswith(expected)


def test_a_given_certificate_is_used_with_tls_1_2_or_newer(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    context = certificate_context(tmp_path / "both.pem", tmp_path / "both.pem")
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert certificate_context(None, None) is None
