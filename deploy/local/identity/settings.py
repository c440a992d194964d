"""The provider's settings (`LIXIAO_IDENTITY_*`)."""

import hmac
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

HOST = "127.0.0.1"
"""Bound to no other: anyone who reaches it can sign in as anyone."""


class Client(BaseModel):
    """Addresses are compared character by character."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: Annotated[str, Field(min_length=1, max_length=200)]
    client_secret: SecretStr
    redirect_uris: Annotated[tuple[str, ...], Field(min_length=1, max_length=20)]
    post_logout_redirect_uris: Annotated[tuple[str, ...], Field(max_length=20)] = ()
    backchannel_logout_uri: str | None = None

    @property
    def client_metadata(self) -> dict[str, tuple[str, ...]]:
        return {"post_logout_redirect_uris": self.post_logout_redirect_uris}

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """A request must name its address."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        return scope if scope and "openid" in scope.split() else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        return hmac.compare_digest(self.client_secret.get_secret_value().encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in ("authorization_code", "refresh_token")


def _without_path(issuer: str) -> str:
    scheme, separator, host = issuer.partition("://")
    if scheme not in ("http", "https") or not separator or not host or set(host) & set("/?#@ "):
        raise ValueError("must be http://host:port or https://host:port, without a path or a slash at the end")
    return issuer


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="LIXIAO_IDENTITY_")

    port: Annotated[int, Field(ge=1, le=65535)]
    issuer: Annotated[str, AfterValidator(_without_path)]
    people: Path
    clients: Annotated[tuple[Client, ...], Field(min_length=1, max_length=20)]
    university_zh: str = "示例大学"
    university_en: str = "Example University"
