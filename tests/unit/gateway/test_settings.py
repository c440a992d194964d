"""Settings of the gateway that only make sense together."""

import pytest

from services.gateway.settings import GatewaySettings

NEEDED = {
    "database": "postgresql:///gateway",
    "read_model": "postgresql:///clearance",
    "kafka": "127.0.0.1:9",
    "openid_issuer": "http://127.0.0.1:9",
    "openid_client_id": "gateway",
}
TOKEN = {"pdf_module": "/usr/lib/token.so", "pdf_token": "hsm", "pdf_pin": "1234", "pdf_key_label": "forms"}


def settings(**given: str) -> GatewaySettings:
    return GatewaySettings.model_validate(NEEDED | given)


def test_the_certificate_of_pdfs_has_its_key_in_a_file_or_in_a_token() -> None:
    assert settings().pdf_certificate is None
    assert settings(pdf_certificate="c.pem", pdf_key="k.pem").pdf_key is not None
    assert settings(pdf_certificate="c.pem", **TOKEN).pdf_module is not None


@pytest.mark.parametrize(
    "given",
    [
        {"pdf_certificate": "c.pem"},
        {"pdf_key": "k.pem"},
        TOKEN,
        {"pdf_certificate": "c.pem", "pdf_key": "k.pem", **TOKEN},
        {"pdf_certificate": "c.pem", "pdf_module": "/usr/lib/token.so"},
    ],
    ids=lambda given: " ".join(given),
)
def test_half_a_signature_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="LIXIAO_PDF_"):
        settings(**given)
