"""Since when something waits, in words. Pure."""

from datetime import datetime

from services.gateway.case.wording import ViewContext


def waiting_since(context: ViewContext, since: datetime) -> str:
    """With the days, if there are any."""
    at, days = context.local_time(since).words, (context.now - since).days
    return context.texts("staff.waiting_days", at=at, days=days) if days else at
