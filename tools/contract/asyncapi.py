"""Generates the AsyncAPI 3.0 document. Pure."""

from collections.abc import Iterable
from typing import Any, Final

from schemas.codec import CONTENT_TYPE
from schemas.events import EVENT_TYPES, TYPE_OF, Message
from schemas.flows import SHARED, Flow, flows
from schemas.topics import ALIVE_KEY, Topics, TopicSpec

_BINDING_VERSION: Final = "0.5.0"
_STUDENT_KEY: Final = {"type": "string", "description": "The student id, in UTF-8."}
_ALIVE_KEY: Final = {"type": "string", "const": ALIVE_KEY.decode(), "description": "Sent to every partition."}


def document(version: str, departments: Iterable[str], topics: Topics | None = None) -> dict[str, Any]:
    """Payloads are `$ref`s into `json/` beside it."""
    topics = topics or Topics()
    names = tuple(departments)
    specs = {spec.name: spec for spec in topics.specs(names)}
    table = flows(topics, names)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Lixiao",
            "version": version,
            "description": (
                "Departure clearance as events. Each record is one CloudEvents 1.0 document in structured mode; "
                "readers accept binary mode too. Events are numbered states: a newer version replaces an older one."
            ),
            "license": {"name": "Apache-2.0"},
            "tags": [{"name": service} for service in sorted({*names, *SHARED})],
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "kafka": {
                "host": "{address}",
                "protocol": "kafka",
                "variables": {"address": {"default": "localhost:9092", "description": "The brokers (LIXIAO_KAFKA)."}},
            }
        },
        "channels": {_channel_id(flow, topics): _channel(flow, specs[flow.topic]) for flow in table},
        "operations": {name: body for flow in table for name, body in _operations(flow, topics)},
        "components": {
            "messages": {TYPE_OF[model]: _message(name, model) for name, model in EVENT_TYPES.items()},
            "messageTraits": {"headers": _HEADERS},
        },
    }


_HEADERS: Final[dict[str, Any]] = {
    "headers": {
        "type": "object",
        "required": ["content-type"],
        "properties": {
            "content-type": {"type": "string", "const": CONTENT_TYPE},
            "traceparent": {
                "type": "string",
                "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
                "description": "W3C trace context of the change that caused the event.",
            },
        },
    }
}


def _channel_id(flow: Flow, topics: Topics) -> str:
    """`clearance.case` for `lixiao.clearance.case.v1`: independent of the namespace."""
    return flow.topic.removeprefix(f"{topics.namespace}.").rsplit(".", 1)[0]


def _channel(flow: Flow, spec: TopicSpec) -> dict[str, Any]:
    names = [TYPE_OF[model] for model in flow.events]
    configuration: dict[str, Any] = {"cleanup.policy": [spec.config["cleanup.policy"]]}
    configuration["retention.ms"] = int(spec.config["retention.ms"])
    return {
        "address": flow.topic,
        "description": flow.about,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "partitions": spec.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": _BINDING_VERSION,
            }
        },
    }


def _operations(flow: Flow, topics: Topics) -> list[tuple[str, dict[str, Any]]]:
    channel = _channel_id(flow, topics)
    reference = {"$ref": f"#/channels/{channel}"}

    def messages(service: str | None) -> list[dict[str, str]]:
        wanted = [TYPE_OF[model] for model, readers in flow.events.items() if service is None or service in readers]
        return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in wanted]

    found = [
        (
            f"{flow.sender}.send.{channel}",
            {"action": "send", "channel": reference, "messages": messages(None), "tags": [{"name": flow.sender}]},
        )
    ]
    for service in flow.receivers:
        body = {
            "action": "receive",
            "channel": reference,
            "messages": messages(service),
            "tags": [{"name": service}],
        }
        found.append((f"{service}.receive.{channel}", body))
    return found


def _message(name: str, model: type[Message]) -> dict[str, Any]:
    alive = model.__name__ == "SourceAlive"
    return {
        "name": name,
        "title": model.__name__,
        "summary": (model.__doc__ or "").strip().splitlines()[0],
        "contentType": CONTENT_TYPE,
        "traits": [{"$ref": "#/components/messageTraits/headers"}],
        "payload": _payload(name),
        "bindings": {"kafka": {"key": _ALIVE_KEY if alive else _STUDENT_KEY, "bindingVersion": _BINDING_VERSION}},
    }


def _payload(name: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"type": "string", "const": "1.0"},
            "id": {"type": "string", "format": "uuid"},
            "source": {"type": "string", "format": "uri-reference"},
            "type": {"type": "string", "const": name},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"type": "string", "const": "application/json"},
            "data": {"$ref": f"./json/{name}.json"},
        },
    }
