"""Sessions as a request finds them, without a sign-in."""

from datetime import UTC, datetime, timedelta

from services.gateway.tables.sessions.session import Session, hashed


def session_of_person(student_id: str = "", account: str = "", secret: str = "s" * 43) -> Session:
    now = datetime.now(UTC)
    return Session(
        hashed(secret), student_id, "csrf", now, now + timedelta(hours=1), account or student_id, secret=secret
    )
