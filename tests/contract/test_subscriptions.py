"""FastStream's own AsyncAPI document of each service agrees with the contract: who receives what on which topic."""

from typing import Any, Final

import pytest
import yaml
from faststream.kafka import KafkaBroker
from faststream.specification import AsyncAPI

from schemas.events import TYPE_OF, Message, StatusChanged
from schemas.flows import CLEARANCE, GATEWAY, NOTICES
from schemas.topics import Topics
from services.clearance.submission.subscriptions import outcomes_router, submissions_router
from services.clearance.view.projector import Projector
from services.gateway.tables.subscriptions import gateway_router
from services.kit.department.desk import Desk
from services.kit.department.subscriptions import department_router
from services.kit.kafka.connection import KafkaConnection
from services.kit.manifests import discover
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.outbox import Wakeup
from services.kit.provisioning.acl_requests import Operation, Pattern, Resource
from services.kit.provisioning.acls import acls_of, principal_of
from services.notices.subscriptions import cases_router, sent_router, statuses_router
from tests.support.departments.desks import rules_of
from tests.support.samples.documents import SCHEMAS

DOCUMENT: Final[dict[str, Any]] = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text("utf-8"))
TOPICS: Final = Topics()
DEPARTMENTS: Final = tuple(discover())
NAME_OF: Final = {model.__name__: name for model, name in TYPE_OF.items()}
SERVICES: Final = (*DEPARTMENTS, CLEARANCE, GATEWAY, NOTICES)
Received = dict[str, set[str]]
"""Topic → the events received there."""


def routers_of(service: str) -> list[TransactionalRouter]:
    """The service's own declarations; nothing is connected."""
    nothing: Any = None
    if service == GATEWAY:
        return [gateway_router(TOPICS, DEPARTMENTS)]
    if service == NOTICES:
        return [sent_router(TOPICS), cases_router(TOPICS), statuses_router(TOPICS, DEPARTMENTS, window_s=900.0)]
    if service == CLEARANCE:
        projector = Projector(
            pool=nothing, kafka=KafkaConnection("127.0.0.1:9"), topics=TOPICS, departments=DEPARTMENTS
        )
        return [
            projector.router,
            submissions_router(nothing, TOPICS, DEPARTMENTS),
            outcomes_router(nothing, TOPICS),
        ]
    return [department_router(Desk(rules_of(service), nothing, TOPICS, Wakeup(), discover()[service]), TOPICS)]


def by_contract(service: str) -> Received:
    """Without its own audit, which a loop reads and no consumer."""
    received: Received = {}
    for operation in DOCUMENT["operations"].values():
        if operation["action"] == "receive" and operation["tags"] == [{"name": service}]:
            channel = DOCUMENT["channels"][operation["channel"]["$ref"].rpartition("/")[2]]
            if channel["address"] == TOPICS.audit(service):
                continue
            received[channel["address"]] = {message["$ref"].rpartition("/")[2] for message in operation["messages"]}
    return received


def by_faststream(router: TransactionalRouter) -> dict[str, Any]:
    broker = KafkaBroker("127.0.0.1:9", logger=None)
    broker.include_router(router)
    document: dict[str, Any] = AsyncAPI(broker).to_specification().to_jsonable()
    return document


def topics_of(document: dict[str, Any]) -> set[str]:
    return {channel["address"] for channel in document["channels"].values()}


def events_of(document: dict[str, Any]) -> set[str]:
    """The events that handlers are declared for, by the names of their models."""
    return {NAME_OF[name] for name in document["components"]["schemas"] if name in NAME_OF}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_subscribes_to_exactly_the_topics_the_contract_has_it_receive(service: str) -> None:
    found = [topic for router in routers_of(service) for topic in topics_of(by_faststream(router))]

    assert sorted(found) == sorted(by_contract(service))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_a_handler_for_exactly_the_events_the_contract_has_it_receive(service: str) -> None:
    contract = by_contract(service)
    for router in routers_of(service):
        document = by_faststream(router)
        received = set().union(*(contract[topic] for topic in topics_of(document)))
        if service == CLEARANCE and TYPE_OF[StatusChanged] in received:
            continue  # the projector takes whole batches of raw records

        assert events_of(document) == received


@pytest.mark.parametrize("service", SERVICES)
def test_each_consumer_group_is_named_after_its_consumer(service: str) -> None:
    expected = {
        "clearance": ["lixiao.clearance.projector", "lixiao.clearance.submissions", "lixiao.clearance.outcomes"],
        "notices": ["lixiao.notices.sent", "lixiao.notices.cases", "lixiao.notices.statuses"],
    }
    groups = [router.subscription.group_id for router in routers_of(service)]

    assert groups == expected.get(service, [f"lixiao.{service}"])


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_read_what_it_subscribes_to_and_join_its_groups(service: str) -> None:
    acls = acls_of(TOPICS, DEPARTMENTS)

    def may_read(resource: Resource, name: str) -> bool:
        return any(
            (acl.principal, acl.operation, acl.resource)
            == (principal_of(service, TOPICS.namespace), Operation.READ, resource)
            and (name.startswith(acl.name) if acl.pattern == Pattern.PREFIXED else name == acl.name)
            for acl in acls
        )

    for router in routers_of(service):
        assert may_read(Resource.GROUP, str(router.subscription.group_id))
        assert all(may_read(Resource.TOPIC, topic) for topic in topics_of(by_faststream(router)))


def test_every_event_of_the_contract_has_its_model() -> None:
    assert all(issubclass(model, Message) for model in TYPE_OF)
