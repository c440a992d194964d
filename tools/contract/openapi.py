"""The OpenAPI documents of all services, from their routes: nothing is connected."""

import importlib
import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI

from schemas.flows import CLEARANCE, GATEWAY, NOTICES
from services.clearance.app import interface_of_clearance
from services.clearance.settings import ClearanceSettings
from services.gateway.app import interface_of_gateway
from services.kit.department.service import interface_of_department
from services.kit.manifests import SERVICES, discover
from services.kit.settings import Settings
from services.notices.app import interface_of_notices
from services.notices.settings import NoticeSettings

FOLDER: Final = "openapi"
_NOTHING: Final[Any] = None
_KAFKA: Final = "localhost:9092"


@cache
def documents(services: Path = SERVICES) -> dict[str, dict[str, Any]]:
    """By service, with the defaults of every setting, whatever the environment says."""
    return {name: app.openapi() for name, app in _applications(services).items()}


def files(services: Path = SERVICES) -> dict[str, str]:
    """Path below `schemas/` → content."""
    return {
        f"{FOLDER}/{name}.json": json.dumps(document, ensure_ascii=False, indent=2) + "\n"
        for name, document in documents(services).items()
    }


def _applications(services: Path) -> dict[str, FastAPI]:
    settings = Settings.model_construct(kafka=_KAFKA, services_folder=services)
    departments = {
        name: interface_of_department(_rules_of(name), settings, _NOTHING)
        for name in discover(services)
        if (services / name / "operations.py").exists()
    }
    notices = NoticeSettings.model_construct(kafka=_KAFKA, public_url="https://lixiao.example.edu")
    return {
        **departments,
        CLEARANCE: interface_of_clearance(ClearanceSettings.model_construct(kafka=_KAFKA), _NOTHING),
        NOTICES: interface_of_notices(notices, _NOTHING),
        GATEWAY: interface_of_gateway(),
    }


def _rules_of(department: str) -> Any:
    return importlib.import_module(f"services.{department}.operations").RULES
