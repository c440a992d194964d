"""Whose pages a member of staff sees: the departments of their roles. Pure."""

from collections.abc import Collection, Mapping

from services.kit.manifests import DepartmentManifest
from services.kit.names import desk_role


def offices_of(departments: Mapping[str, DepartmentManifest], roles: Collection[str]) -> tuple[DepartmentManifest, ...]:
    """In page order."""
    return tuple(one for name, one in departments.items() if desk_role(name) in roles)
