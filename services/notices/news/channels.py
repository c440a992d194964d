"""The channels a notice may go by."""

from typing import Final, Literal

Channel = Literal["mail", "wecom", "dingtalk"]
CHANNELS: Final[tuple[Channel, ...]] = ("mail", "wecom", "dingtalk")
