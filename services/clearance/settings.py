from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from services.kit.settings import Days, Settings


class ClearanceSettings(Settings):
    projector_workers: Annotated[int, Field(ge=1, le=8)] = 2
    """Batches written concurrently, each on its own connection."""
    projector_batch: Annotated[int, Field(ge=1, le=10_000)] = 2000
    """Records in a batch."""

    keys: Path = Path(".lixiao/keys")
    """Folder of private signing keys, created with a first key if missing."""
    keys_module: Path | None = None
    """A PKCS#11 library: with it the keys are in a token (an HSM) and not in the folder."""
    keys_token: str = ""
    """The token's label."""
    keys_pin: Annotated[str | None, Field(repr=False)] = None
    """Of the token's user."""
    forget_after_days: Days | None = None
    """Finished departures are forgotten by themselves this long after their last change; never without it."""
    attempt_life_s: Annotated[float, Field(gt=0, le=86_400)] = 600.0

    @model_validator(mode="after")
    def _whole_token(self) -> Self:
        if len({self.keys_module is None, not self.keys_token, not self.keys_pin}) > 1:
            raise ValueError("LIXIAO_KEYS_MODULE, LIXIAO_KEYS_TOKEN and LIXIAO_KEYS_PIN go together")
        return self
