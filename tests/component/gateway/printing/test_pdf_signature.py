"""The university's signature in the PDF: readers show it, and no form waits for it."""

import io
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto.x509 import Certificate
from pyhanko.keys import load_certs_from_pemder_data
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
from structlog.testing import capture_logs

from deploy.local.pdf_certificate import HOLDER, LIFE, made, pdf_certificate
from services.gateway.printing.pdf_signature import PdfSigner, load
from services.gateway.printing.typst import FormRenderer, NotSigned
from tests.support.poppler import poppler
from tests.support.samples.case_samples import NOW
from tests.support.samples.form_samples import LINK, document, printed
from tests.support.servers.softhsm import configured, manage, new_token

SIGN_IN_TOKEN = """
import sys
from pathlib import Path
from services.gateway.printing.pdf_signature import Token, load
folder, module, label, pin = Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]
signer = load(folder / "certificate.pem", Token(module, label, pin, "pdf"))
(folder / "signed.pdf").write_bytes(signer.signed((folder / "form.pdf").read_bytes()))
"""


@dataclass(frozen=True)
class Signed:
    signer: PdfSigner
    chain: list[Certificate]
    pdf: bytes


@pytest.fixture(scope="module")
async def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    certificate, key = pdf_certificate(tmp_path_factory.mktemp("pdf"))
    signer = load(certificate, key)
    printer = FormRenderer(sign=signer.signed)
    pdf = await printer.pdf(document(), NOW, link=LINK)
    assert await printer.pdf(document(), NOW, link=LINK) == pdf, "signed once, and kept"
    printer.close()
    return Signed(signer, list(load_certs_from_pemder_data(certificate.read_bytes())), pdf)


async def is_trusted(pdf: bytes, root: Certificate) -> bool:
    """As pyHanko judges: unchanged, whole, by a certificate of this authority."""
    context = ValidationContext(trust_roots=[root], allow_fetching=False)
    (signature,) = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    status = await async_validate_pdf_signature(signature, context)
    return bool(status.bottom_line)


async def test_readers_show_who_signed_and_that_nothing_was_changed(signed: Signed, tmp_path: Path) -> None:
    file = tmp_path / "form.pdf"
    file.write_bytes(signed.pdf)
    said = poppler("pdfsig", file)
    for words in ("Signature is Valid", "ETSI.CAdES.detached", "SHA-256", "Total document signed", HOLDER):
        assert words in said, said
    assert await is_trusted(signed.pdf, signed.chain[-1])
    other = list(load_certs_from_pemder_data(made()[0]))
    assert not await is_trusted(signed.pdf, other[-1])
    at = signed.pdf.index(b"stream\n") + 100
    file.write_bytes(signed.pdf[:at] + bytes([signed.pdf[at] ^ 1]) + signed.pdf[at + 1 :])
    assert "Signature is Valid" not in poppler("pdfsig", file)


async def test_a_form_is_printed_unsigned_and_not_kept_while_nothing_can_be_signed(signed: Signed) -> None:
    away = True

    def sign(pdf: bytes) -> bytes:
        if away:
            raise NotSigned("PKCS11Error")
        return signed.signer.signed(pdf)

    printer = FormRenderer(sign=sign)
    with capture_logs() as logs:
        first = await printer.pdf(document(), NOW, link=LINK)
    assert logs == [{"event": "form.left_unsigned", "log_level": "warning", "cause": "PKCS11Error"}]
    assert b"/ByteRange" not in first
    away = False
    assert b"/ByteRange" in await printer.pdf(document(), NOW, link=LINK)
    printer.close()


async def test_a_certificate_that_ended_signs_nothing_and_one_that_ends_soon_is_a_warning(signed: Signed) -> None:
    chain, key = made(datetime.now(UTC) - LIFE - timedelta(hours=1))
    ended = PdfSigner(list(load_certs_from_pemder_data(chain)), key)
    with pytest.raises(NotSigned, match="expired"):
        ended.signed(signed.pdf)
    assert (await ended.warning() or "").startswith("ends on ")
    assert await signed.signer.warning() is None


def test_a_key_of_another_certificate_is_refused_at_the_start(tmp_path: Path) -> None:
    certificate, key = pdf_certificate(tmp_path)
    key.write_bytes(made()[1])
    with pytest.raises(ValueError, match=r"pdf-key\.pem: the key is not that of the certificate"):
        load(certificate, key)
    for broken in (tmp_path / "none.pem", key):
        with pytest.raises(ValueError, match=broken.name):
            load(broken, key)


async def test_a_key_in_a_token_signs_as_one_in_a_file_does(tmp_path: Path) -> None:
    """In a process of its own: SoftHSM reads its configuration once."""
    token = new_token(tmp_path)
    if token is None:
        pytest.skip("no SoftHSM: make debian, or apt install softhsm2")
    chain, key = made()
    for name, content in (("certificate.pem", chain), ("key.pem", key), ("form.pdf", await printed(document()))):
        (tmp_path / name).write_bytes(content)
    imported = ("--import", tmp_path / "key.pem", "--label", "pdf", "--id", "01")
    manage(tmp_path, *imported, "--token", token.label, "--pin", token.pin)
    names = (str(tmp_path), str(token.module), token.label, token.pin)
    environment = os.environ | configured(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", SIGN_IN_TOKEN, *names], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    signed = (tmp_path / "signed.pdf").read_bytes()
    assert await is_trusted(signed, list(load_certs_from_pemder_data(chain))[-1])
