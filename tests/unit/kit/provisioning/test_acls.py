"""What each service is granted, by the contract's tables."""

import pytest

from schemas.flows import CLEARANCE, GATEWAY, NOTICES
from schemas.topics import Topics
from services.kit.provisioning.acl_requests import Acl, Operation, Pattern, Permission, Resource
from services.kit.provisioning.acls import _is_ours, acls_of

TOPICS = Topics("lixiao")


def granted(service: str, operation: Operation, resource: Resource = Resource.TOPIC) -> set[str]:
    acls = acls_of(TOPICS, ["library", "dorm"])
    assert all(acl.permission == Permission.ALLOW for acl in acls)
    wanted = (f"User:lixiao.{service}", operation, resource)
    return {acl.name for acl in acls if (acl.principal, acl.operation, acl.resource) == wanted}


def test_a_department_writes_its_topics_and_reads_what_it_is_asked_and_its_own_statuses() -> None:
    status, attestation, answer = TOPICS.status("library"), TOPICS.attestation("library"), TOPICS.answer("library")
    audit = TOPICS.audit("library")
    assert granted("library", Operation.WRITE) == {status, attestation, answer, audit}
    assert granted("library", Operation.READ) == {
        TOPICS.case,
        TOPICS.submission,
        TOPICS.republication,
        TOPICS.command,
        status,
        audit,
    }


def test_the_clearance_reads_every_department_and_writes_none() -> None:
    assert granted(CLEARANCE, Operation.WRITE) == {
        TOPICS.case,
        TOPICS.submission,
        TOPICS.republication,
        TOPICS.audit(CLEARANCE),
    }
    assert {TOPICS.status("dorm"), TOPICS.attestation("dorm"), TOPICS.case} <= granted(CLEARANCE, Operation.READ)


def test_the_gateway_reads_no_status_and_no_case() -> None:
    assert granted(GATEWAY, Operation.WRITE) == {TOPICS.command, TOPICS.audit(GATEWAY)}
    assert granted(GATEWAY, Operation.READ) == {
        TOPICS.submission,
        TOPICS.answer("library"),
        TOPICS.answer("dorm"),
        TOPICS.audit(GATEWAY),
    }


def test_the_notice_service_reads_statuses_cases_and_reminders_and_writes_what_it_sent() -> None:
    assert granted(NOTICES, Operation.WRITE) == {TOPICS.sent, TOPICS.audit(NOTICES)}
    assert granted(NOTICES, Operation.READ) == {
        TOPICS.case,
        TOPICS.command,
        TOPICS.submission,
        TOPICS.status("library"),
        TOPICS.status("dorm"),
        TOPICS.sent,
        TOPICS.audit(NOTICES),
    }


def test_groups_of_a_service_begin_with_its_name_and_a_dot() -> None:
    assert granted("library", Operation.READ, Resource.GROUP) == {"lixiao.library", "lixiao.library."}
    assert granted("library", Operation.WRITE, Resource.GROUP) == set()


def test_brokers_that_know_certificates_name_a_service_by_its_subject() -> None:
    named = {acl.principal for acl in acls_of(TOPICS, ["library"], "User:CN={service},O=University")}
    assert named == {f"User:CN={name},O=University" for name in ("library", CLEARANCE, GATEWAY, NOTICES)}


@pytest.mark.parametrize(
    ("principal", "name", "pattern", "ours"),
    [
        ("User:lixiao.library", "lixiao.dorm.status.v1", Pattern.LITERAL, True),
        ("User:lixiao.closed-office", "lixiao.closed-office.status.v1", Pattern.LITERAL, True),
        ("User:lixiao.library", "*", Pattern.LITERAL, True),
        ("User:lixiao.library", "lix", Pattern.PREFIXED, True),
        ("User:lixiao.library", "elsewhere.topic", Pattern.LITERAL, False),
        ("User:lixiao.library", "lixiao-2.library.status.v1", Pattern.LITERAL, False),
        ("User:auditor", "lixiao.library.status.v1", Pattern.LITERAL, False),
        ("User:lixiao-2.library", "lixiao.library.status.v1", Pattern.LITERAL, False),
    ],
)
def test_only_grants_of_services_in_their_namespace_are_taken_away(
    principal: str, name: str, pattern: Pattern, ours: bool
) -> None:
    acl = Acl(Resource.TOPIC, name, pattern, principal, "*", Operation.WRITE, Permission.ALLOW)
    assert _is_ours(acl, "lixiao", "User:{namespace}.{service}") is ours
