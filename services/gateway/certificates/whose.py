"""Whose certificates somebody hands over: at the graduate school's desk all, a college its own students'. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from services.kit.names import CERTIFICATE_DESK, college_of_role


@dataclass(frozen=True, slots=True)
class Whose:
    """The students of `colleges`, as the roster has them now; of all where it is None."""

    colleges: tuple[str, ...] | None = None

    def includes(self, college: str) -> bool:
        return self.colleges is None or college in self.colleges


def whose_certificates(roles: Collection[str], *, by_colleges: bool) -> Whose | None:
    """`by_colleges`: whether the university has them hand over. None: nobody's."""
    if CERTIFICATE_DESK in roles:
        return Whose()
    colleges = tuple(sorted(college for role in roles if (college := college_of_role(role))))
    return Whose(colleges) if by_colleges and colleges else None
