"""What the desk refuses, as problem documents."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.kit.department.refusals import words_of
from services.kit.http.problems import Problem
from services.kit.http.requests.idempotency import KeyReused, key_reused
from services.kit.http.requests.instants import outdated_problem
from services.kit.manifests import DepartmentManifest
from services.kit.message_format import fill
from services.kit.operations import Held, Refused, StillReading
from services.kit.rules.instants import Outdated


@contextmanager
def as_problems(department: DepartmentManifest) -> Iterator[None]:
    """Raises `Problem` for what a change at the desk raises."""
    try:
        yield
    except Refused as refused:
        raise _refusal(department, refused) from None
    except StillReading:
        raise _still_reading() from None
    except Held:
        raise _held() from None
    except Outdated:
        raise outdated_problem() from None
    except KeyReused:
        raise key_reused() from None


def _refusal(department: DepartmentManifest, refused: Refused) -> Problem:
    text = words_of(department, refused.reason.code)
    detail = fill(text.en, refused.reason.parameters, "en") if text else refused.reason.code
    detail_zh = fill(text.zh, refused.reason.parameters, "zh") if text else refused.reason.code
    remedy = str(refused.remedy or "")
    return Problem(
        409,
        "refused",
        title="The department's rules do not allow this",
        detail=detail,
        errors=[{"field": refused.field, "problem": detail, "remedy": remedy}] if refused.field else (),
        extensions={"reason": refused.reason.model_dump(), "detail_zh": detail_zh},
    )


def _held() -> Problem:
    return Problem(
        423,
        "held",
        title="A submission of this student is being decided",
        detail="This change would block a check the submission relies on. Try again in a second.",
        headers={"Retry-After": "1"},
    )


def _still_reading() -> Problem:
    return Problem(
        423,
        "still-reading",
        title="The service has just started, and still reads what was asked before",
        detail="This change would block a check that a submission may rely on. Try again in a few seconds.",
        headers={"Retry-After": "2"},
    )
