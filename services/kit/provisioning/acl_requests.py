"""Kafka's requests about ACLs and SCRAM users, which aiokafka has in part or not at all.

Its requests make one ACL each and the newest of them are not encoded as their version asks; those of users are not
there. Private parts of aiokafka, pinned with faststream_shell.py.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from aiokafka.protocol.admin import CreateAclsRequest_v1, DeleteAclsRequest_v1, DescribeAclsRequest_v1
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactBytes, CompactString, Int8, Int16, Int32, Schema, TaggedFields


class Resource(IntEnum):
    ANY = 1
    TOPIC = 2
    GROUP = 3


class Pattern(IntEnum):
    ANY = 1
    LITERAL = 3
    PREFIXED = 4


class Operation(IntEnum):
    ANY = 1
    READ = 3
    WRITE = 4


class Permission(IntEnum):
    ANY = 1
    ALLOW = 3


class Acl(NamedTuple):
    """As it stands in the requests; the numbers are of the enumerations here, or others that Kafka has."""

    resource: int
    name: str
    pattern: int
    principal: str
    host: str
    operation: int
    permission: int


class DescribeAcls(Request[DescribeAclsRequest_v1]):  # type: ignore[misc]
    """All of them."""

    API_KEY = 29

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(Resource.ANY, None, Pattern.ANY, None, None, Operation.ANY, Permission.ANY)


class CreateAcls(Request[CreateAclsRequest_v1]):  # type: ignore[misc]
    API_KEY = 30

    def __init__(self, acls: Sequence[Acl]) -> None:
        self._acls = acls

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([tuple(acl) for acl in self._acls])


class DeleteAcls(Request[DeleteAclsRequest_v1]):  # type: ignore[misc]
    """These exactly."""

    API_KEY = 31

    def __init__(self, acls: Sequence[Acl]) -> None:
        self._acls = acls

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([tuple(acl) for acl in self._acls])


_TEXT = CompactString("utf-8")
_TAGS = ("tags", TaggedFields)
SCRAM_SHA_512 = 2


class ScramUser(NamedTuple):
    """`salted_password`: as RFC 5802 has it."""

    name: str
    iterations: int
    salt: bytes
    salted_password: bytes


class _AlterUsersResponse(Response):  # type: ignore[misc]
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("results", CompactArray(("user", _TEXT), ("error_code", Int16), ("error_message", _TEXT), _TAGS)),
        _TAGS,
    )


class _AlterUsersStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 51
    API_VERSION = 0
    RESPONSE_TYPE = _AlterUsersResponse
    SCHEMA = Schema(
        ("deletions", CompactArray(("name", _TEXT), ("mechanism", Int8), _TAGS)),
        (
            "upsertions",
            CompactArray(
                ("name", _TEXT),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class AlterUsers(Request[_AlterUsersStruct]):  # type: ignore[misc]
    """SCRAM-SHA-512; a user who does not exist is created."""

    API_KEY = 51

    def __init__(self, users: Sequence[ScramUser], deleted: Sequence[str] = ()) -> None:
        self._users, self._deleted = users, deleted

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(
            [(name, SCRAM_SHA_512, {}) for name in self._deleted],
            [(one.name, SCRAM_SHA_512, one.iterations, one.salt, one.salted_password, {}) for one in self._users],
            {},
        )
