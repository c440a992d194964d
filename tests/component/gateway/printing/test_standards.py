"""The PDF keeps to PDF/A-2a and PDF/UA-1, signed or not, as veraPDF validates: kept for decades, and read aloud."""

import asyncio
from pathlib import Path

from deploy.local.pdf_certificate import pdf_certificate
from services.gateway.printing.pdf_signature import load
from tests.support.samples.form_samples import document, printed
from tests.support.verapdf import failures

NAMES = {"latin": "Łukasz O’Connor", "arabic": "محمد عبد الله", "rare": "䶮㛃𠮷𬭚𰻝", "boxes": "བཀྲ་ཤིས"}


async def test_every_form_keeps_to_both_standards_but_one_with_boxes_which_is_printed_too(tmp_path: Path) -> None:
    chinese, signer = await printed(document("zh")), load(*pdf_certificate(tmp_path))
    forms = {
        "chinese": chinese,
        "signed": await asyncio.to_thread(signer.signed, chinese),
        "english": await printed(document("en")),
        "long": await printed(document(rooms=200)),
        **{name: await printed(document(name=written)) for name, written in NAMES.items()},
    }
    failed = await failures(forms, tmp_path)
    assert failed.keys() == {"boxes"}, failed
