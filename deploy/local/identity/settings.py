"""What the demonstration provider is told by its environment (`LIXIAO_IDENTITY_*`)."""

import hmac
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

HOST = "127.0.0.1"
"""The only address it binds to: whoever reaches it can become anybody in it."""


class Client(BaseModel):
    """One relying party. Redirect addresses are compared character by character."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: Annotated[str, Field(min_length=1, max_length=200)]
    client_secret: SecretStr
    redirect_uris: Annotated[tuple[str, ...], Field(min_length=1, max_length=20)]
    post_logout_redirect_uris: Annotated[tuple[str, ...], Field(max_length=20)] = ()

    def secret_is(self, given: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.client_secret.get_secret_value().encode(), given.encode())


def _without_path(issuer: str) -> str:
    scheme, separator, host = issuer.partition("://")
    if scheme not in ("http", "https") or not separator or not host or set(host) & set("/?#@ "):
        raise ValueError("must be http://host:port or https://host:port, without a path or a slash at the end")
    return issuer


class Settings(BaseSettings):
    """Read once at start; a wrong value stops the start with the name of the variable."""

    model_config = SettingsConfigDict(env_prefix="LIXIAO_IDENTITY_")

    port: Annotated[int, Field(ge=1, le=65535)]
    issuer: Annotated[str, AfterValidator(_without_path)]
    people: Path
    clients: Annotated[tuple[Client, ...], Field(min_length=1, max_length=20)]
    university_zh: str = "示例大学"
    university_en: str = "Example University"
