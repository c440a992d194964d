"""The installation's own authority: what it issues is believed, kept, and renewed in time."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from services.kit.provisioning.certificates import LIFE, RENEWED_BEFORE, Authority
from tests.support import certificates as others


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def named(file: Path) -> set[str]:
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in names}


def test_a_server_with_it_is_believed_by_who_has_the_authority(authority: Authority, tmp_path: Path) -> None:
    assert authority.issue(tmp_path / "library", "library", "127.0.0.1")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "library" / "tls.pem", tmp_path / "library" / "tls.key")
    client = ssl.create_default_context(cafile=authority.file)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname="library")
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert asking.version() == "TLSv1.3"
    assert named(tmp_path / "library" / "tls.pem") == {"library", "127.0.0.1"}


def test_keys_are_for_their_owner_only(authority: Authority, tmp_path: Path) -> None:
    authority.issue(tmp_path / "library", "library")
    for file in (authority.file.with_name("authority.key"), tmp_path / "library" / "tls.key"):
        assert file.stat().st_mode & 0o777 == 0o600


def test_it_is_issued_again_for_other_names_and_near_its_end_only(authority: Authority, tmp_path: Path) -> None:
    folder, now = tmp_path / "library", datetime.now(UTC)
    assert authority.issue(folder, "library")
    assert not authority.issue(folder, "library")
    assert authority.issue(folder, "library", "books")
    assert not authority.issue(folder, "library", "books", now=now + LIFE - RENEWED_BEFORE * 2)
    assert authority.issue(folder, "library", "books", now=now + LIFE - RENEWED_BEFORE / 2)


def test_a_certificate_of_another_authority_is_left_alone(authority: Authority, tmp_path: Path) -> None:
    folder = tmp_path / "proxy"
    folder.mkdir()
    others.Authority("a public one").pair("lixiao.example").write(folder / "tls.pem", folder / "tls.key")
    before = (folder / "tls.pem").read_bytes()
    assert not authority.issue(folder, "lixiao.example")
    assert (folder / "tls.pem").read_bytes() == before


def test_the_authority_is_kept(tmp_path: Path) -> None:
    first = Authority(tmp_path).file.read_bytes()
    assert Authority(tmp_path).file.read_bytes() == first
