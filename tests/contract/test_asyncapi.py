"""The AsyncAPI document says who sends what where, and agrees with the topics the broker is given."""

import json
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft202012Validator

from schemas.events import EVENT_TYPES, TYPE_OF
from schemas.flows import flows
from schemas.topics import Topics
from services.kit.manifests import discover
from tests.support.samples.documents import EXAMPLES, SCHEMAS

pytestmark = pytest.mark.contract

DOCUMENT: Final[dict[str, Any]] = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text("utf-8"))
TOPICS: Final = Topics()
DEPARTMENTS: Final = tuple(discover())

_REFERENCE: Final = {
    "type": "object",
    "required": ["$ref"],
    "properties": {"$ref": {"type": "string", "pattern": "^(#/|\\./json/)"}},
    "additionalProperties": False,
}
_REFERENCES: Final = {"type": "array", "items": _REFERENCE, "minItems": 1, "uniqueItems": True}
_CHANNEL: Final = {
    "type": "object",
    "required": ["address", "messages", "bindings"],
    "properties": {
        "address": {"type": "string"},
        "description": {"type": "string"},
        "messages": {"type": "object", "additionalProperties": _REFERENCE, "minProperties": 1},
        "bindings": {
            "type": "object",
            "required": ["kafka"],
            "properties": {
                "kafka": {
                    "type": "object",
                    "required": ["topic", "partitions", "topicConfiguration", "bindingVersion"],
                    "properties": {
                        "partitions": {"type": "integer", "minimum": 1},
                        "topicConfiguration": {
                            "type": "object",
                            "properties": {
                                "cleanup.policy": {"type": "array", "items": {"enum": ["compact", "delete"]}},
                                "retention.ms": {"type": "integer", "minimum": -1},
                            },
                        },
                    },
                }
            },
        },
    },
    "additionalProperties": False,
}
_OPERATION: Final = {
    "type": "object",
    "required": ["action", "channel", "messages"],
    "properties": {
        "action": {"enum": ["send", "receive"]},
        "channel": _REFERENCE,
        "messages": _REFERENCES,
        "tags": {"type": "array", "items": {"type": "object", "required": ["name"]}},
    },
    "additionalProperties": False,
}
_MESSAGE: Final = {
    "type": "object",
    "required": ["name", "contentType", "payload", "traits", "bindings"],
    "properties": {"traits": _REFERENCES, "contentType": {"const": "application/cloudevents+json"}},
}
STRUCTURE: Final = {
    "type": "object",
    "required": ["asyncapi", "info", "channels", "operations", "components"],
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {"type": "object", "required": ["title", "version"]},
        "channels": {"type": "object", "additionalProperties": _CHANNEL, "minProperties": 1},
        "operations": {"type": "object", "additionalProperties": _OPERATION, "minProperties": 1},
        "components": {
            "type": "object",
            "required": ["messages"],
            "properties": {"messages": {"type": "object", "additionalProperties": _MESSAGE}},
        },
    },
}
"""The parts of the AsyncAPI 3.0 schema that the document uses."""


def target(reference: str) -> Any:
    if reference.startswith("./"):
        return json.loads((SCHEMAS / reference).read_text("utf-8"))
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for part in node.values() for found in references(part)]
    return [found for part in node for found in references(part)] if isinstance(node, list) else []


def test_the_document_has_the_structure_of_asyncapi_3() -> None:
    Draft202012Validator(STRUCTURE).validate(DOCUMENT)


def test_every_reference_leads_somewhere() -> None:
    found = references(DOCUMENT)

    assert found
    for reference in found:
        assert target(reference)


def test_the_channels_are_exactly_the_topics_the_broker_is_given() -> None:
    specs = {spec.name: spec for spec in TOPICS.specs(DEPARTMENTS)}
    channels = {channel["address"]: channel["bindings"]["kafka"] for channel in DOCUMENT["channels"].values()}

    assert channels.keys() == specs.keys()
    for name, spec in specs.items():
        said = channels[name]
        assert (said["topic"], said["partitions"]) == (name, spec.partitions)
        assert said["topicConfiguration"]["cleanup.policy"] == [spec.config["cleanup.policy"]]
        assert said["topicConfiguration"]["retention.ms"] == int(spec.config["retention.ms"])


def test_every_event_is_in_exactly_the_channels_it_is_produced_to() -> None:
    produced = {
        "lixiao.case-changed.v1": {TOPICS.case},
        "lixiao.republication-asked.v1": {TOPICS.republication},
        "lixiao.audit-sealed.v1": {TOPICS.audit(name) for name in ("clearance", "gateway", "notices", *DEPARTMENTS)},
        "lixiao.submission-requested.v1": {TOPICS.submission},
        "lixiao.submission-accepted.v1": {TOPICS.submission},
        "lixiao.submission-refused.v1": {TOPICS.submission},
        "lixiao.submit-asked.v1": {TOPICS.command},
        "lixiao.command-asked.v1": {TOPICS.command},
        "lixiao.certificate-issue-asked.v1": {TOPICS.command},
        "lixiao.certificate-issue-undo-asked.v1": {TOPICS.command},
        "lixiao.reminder-asked.v1": {TOPICS.command},
        "lixiao.status-changed.v1": {TOPICS.status(name) for name in DEPARTMENTS},
        "lixiao.source-alive.v1": {TOPICS.status(name) for name in DEPARTMENTS},
        "lixiao.attestation-given.v1": {TOPICS.attestation(name) for name in DEPARTMENTS},
        "lixiao.notice-sent.v1": {TOPICS.sent},
        "lixiao.command-answered.v1": {TOPICS.answer(name) for name in DEPARTMENTS},
    }
    found: dict[str, set[str]] = {name: set() for name in EVENT_TYPES}
    for channel in DOCUMENT["channels"].values():
        for name in channel["messages"]:
            found[name].add(channel["address"])

    assert found == produced


def test_every_channel_has_one_sender_of_all_its_messages_and_someone_who_receives_each() -> None:
    for identity, channel in DOCUMENT["channels"].items():
        mine = [each for each in DOCUMENT["operations"].values() if each["channel"]["$ref"] == f"#/channels/{identity}"]
        sent = [each for each in mine if each["action"] == "send"]
        received = {message["$ref"] for each in mine if each["action"] == "receive" for message in each["messages"]}

        assert len(sent) == 1
        assert {message["$ref"].rsplit("/", 1)[1] for message in sent[0]["messages"]} == set(channel["messages"])
        assert {reference.rsplit("/", 1)[1] for reference in received} == set(channel["messages"])


def test_no_service_sends_in_anothers_name() -> None:
    for flow in flows(TOPICS, DEPARTMENTS):
        assert flow.topic.split(".")[1] == flow.sender


def test_every_published_example_is_a_valid_payload() -> None:
    for path in EXAMPLES:
        document = json.loads(path.read_text("utf-8"))
        payload = dict(DOCUMENT["components"]["messages"][path.parent.name]["payload"])
        payload["properties"] = {**payload["properties"], "data": target(payload["properties"]["data"]["$ref"])}
        data = payload["properties"].pop("data")

        Draft202012Validator(payload).validate(document)
        Draft202012Validator(data).validate(document["data"])


def test_every_event_is_in_the_table_of_flows_once_a_sender() -> None:
    listed = {TYPE_OF[model] for flow in flows(TOPICS, DEPARTMENTS) for model in flow.events}

    assert listed == EVENT_TYPES.keys()
