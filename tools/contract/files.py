"""Generated files under `schemas/`. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml
from pydantic import BaseModel

from schemas.events import EVENT_TYPES, json_schema
from tools.contract.asyncapi import document

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_GENERATED: Final = "# Generated: python -m tools.contract write\n"

Facts = Mapping[str, Mapping[str, type[BaseModel]]]
"""Department → check → model of its facts."""


def files(version: str, departments: Iterable[str], facts: Facts) -> dict[str, str]:
    """Path below `schemas/` → content. `version` is the project's."""
    texts = {f"json/{name}": _json(schema) for name, schema in json_schemas(facts).items()}
    flow = yaml.safe_dump(document(version, departments), sort_keys=False, allow_unicode=True, width=120)
    return {**texts, "asyncapi.yaml": _GENERATED + flow}


def json_schemas(facts: Facts) -> dict[str, dict[str, Any]]:
    """By file name: every event's data and every check's facts."""
    schemas = {f"{name}.json": json_schema(model) for name, model in EVENT_TYPES.items()}
    for department, checks in sorted(facts.items()):
        for check, model in sorted(checks.items()):
            schemas[f"facts.{department}.{check}.json"] = facts_schema(model)
    return schemas


def facts_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Open even if the model is closed, because readers ignore unknown facts."""
    schema = model.model_json_schema(mode="serialization")
    opened: dict[str, Any] = _opened(schema)
    return {"$schema": DIALECT, **opened}


def _opened(node: Any) -> Any:
    if isinstance(node, list):
        return [_opened(part) for part in node]
    if not isinstance(node, dict):
        return node
    return {key: _opened(part) for key, part in node.items() if not (key == "additionalProperties" and part is False)}


def _json(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
