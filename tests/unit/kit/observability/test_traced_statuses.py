"""What the clearance tells the gateway about traces fits into PostgreSQL's notifications, and is read with care."""

from services.kit.observability.traced_statuses import TracedStatus, notices_of, read_notice

STATUSES = [
    TracedStatus("0123456789abcdef01234567", "library", number, f"00-{'a' * 32}-{'b' * 16}-01") for number in range(256)
]


def test_what_is_said_is_read_however_many_notifications_it_takes() -> None:
    notices = notices_of(STATUSES)
    assert 1 < len(notices) < 10
    assert all(len(notice.encode()) < 8_000 for notice in notices)
    assert [one for notice in notices for one in read_notice(notice)] == STATUSES


def test_nothing_is_said_about_nothing() -> None:
    assert notices_of([]) == []
    assert list(read_notice("")) == []


def test_what_another_version_says_is_left_out_line_by_line() -> None:
    (known,) = notices_of(STATUSES[:1])
    for line in ("{", "[]", "1", "null", '["a","b","c","d"]', '["a","b",1,"d","e"]', "\x00"):
        assert list(read_notice(f"{line}\n{known}")) == STATUSES[:1]
