"""Whether a check's command can be requested now. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from services.gateway.case.decision import unknown_codes
from services.gateway.read_model.types import Command, CommandState, ReceivedStatus
from services.kit.manifests import CheckManifest


class CommandOffer(StrEnum):
    CLOSED = "closed"
    """The facts do not call for it or are in question, or the case takes no commands any more."""
    OFFERED = "offered"
    ASKED = "asked"
    DONE = "done"
    """Done, but not in the department's status yet."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class CommandProgress:
    offer: CommandOffer
    last: Command | None = None

    @property
    def offered(self) -> bool:
        return self.offer in (CommandOffer.OFFERED, CommandOffer.REFUSED)

    @property
    def under_way(self) -> bool:
        return self.offer in (CommandOffer.ASKED, CommandOffer.DONE)


def command_progress(check: CheckManifest, received: ReceivedStatus | None, last: Command | None) -> CommandProgress:
    """`last` counts while the newest facts still call for the command."""
    reported = received.check(check.name) if received else None
    if check.command is None or reported is None or received is None or not received.readable:
        return CommandProgress(CommandOffer.CLOSED)
    if any(reported.facts.get(name) != value for name, value in check.command.offered_when.items()):
        return CommandProgress(CommandOffer.CLOSED)
    if last is not None and last.state is CommandState.ASKED:
        return CommandProgress(CommandOffer.ASKED, last)
    refused = last is not None and last.state is CommandState.REFUSED
    if last is not None and not refused and last.ended_at is not None and received.status.occurred_at < last.ended_at:
        return CommandProgress(CommandOffer.DONE, last)
    if unknown_codes(reported):
        return CommandProgress(CommandOffer.CLOSED)
    if refused:
        return CommandProgress(CommandOffer.REFUSED, last)
    return CommandProgress(CommandOffer.OFFERED)
