"""Who hands over whose certificates."""

import pytest

from services.gateway.certificates.whose import Whose, whose_certificates
from services.kit.names import CERTIFICATE_DESK, GRADUATE_SCHOOL, college_role, desk_role

OURS, OTHERS = "观测学院", "文理学院"


@pytest.mark.parametrize("by_colleges", [True, False])
def test_the_graduate_schools_desk_serves_everybody_whoever_else_does(by_colleges: bool) -> None:
    for roles in ((CERTIFICATE_DESK,), (college_role(OURS), CERTIFICATE_DESK)):
        whose = whose_certificates(roles, by_colleges=by_colleges)
        assert whose is not None
        assert whose.includes(OURS)
        assert whose.includes(OTHERS)


def test_a_college_serves_its_own_students_where_the_university_says_so_and_nobody_else() -> None:
    roles = (college_role(OURS), desk_role("library"))
    assert whose_certificates(roles, by_colleges=False) is None
    whose = whose_certificates(roles, by_colleges=True)
    assert whose == Whose((OURS,))
    assert [whose.includes(one) for one in (OURS, OTHERS, "")] == [True, False, False]


@pytest.mark.parametrize("role", [GRADUATE_SCHOOL, desk_role("library"), "college:"])
def test_no_other_role_serves_anybody(role: str) -> None:
    assert whose_certificates((role,), by_colleges=True) is None
