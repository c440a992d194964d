"""Spans of what open pages are sent, each in the trace of the status that changed the page.

The clearance says with its notification where the trace of a status goes on. A page that is opened shows statuses that
are known, which is no push, and a status whose trace is not known, as of one that was not sampled, has none.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind

from services.kit.observability import subjects
from services.kit.observability.telemetry import remote_context
from services.kit.observability.traced_statuses import TracedStatus, read_notice

MAX_KNOWN: Final = 2_000
"""Statuses whose page has not been made yet; most students have none open."""
Versions = tuple[int, ...]
"""Of the departments in their order, 0 without a status. In this form because each open page has them."""
_tracer = trace.get_tracer("lixiao.live")


class PushSpans:
    def __init__(self, departments: Iterable[str]) -> None:
        self._departments = tuple(departments)
        self._known: OrderedDict[tuple[str, str], TracedStatus] = OrderedDict()

    def note(self, notice: str) -> None:
        for status in read_notice(notice):
            key = status.subject, status.department
            self._known.pop(key, None)
            self._known[key] = status
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def start(self, student_id: str, before: Versions, now: Versions, since_ns: int) -> tuple[Span, ...]:
        """Of one stream, for what is newer than the page before. `since_ns`: when what it is made from was read."""
        subject = subjects.subject_key(student_id) if self._known else None
        if subject is None:
            return ()
        spans: list[Span] = []
        for department, version, old in zip(self._departments, now, before or repeat(0), strict=False):
            status = self._known.get((subject, department))
            if status is None or status.version != version or old == version:
                continue
            span = _tracer.start_span(
                "push page",
                context=remote_context(status.traceparent),
                kind=SpanKind.PRODUCER,
                start_time=since_ns,
                attributes={**subjects.attributes(student_id, department=department), "lixiao.version": version},
            )
            spans.append(span)
        return tuple(spans)

    def versions(self, found: Mapping[str, int]) -> Versions:
        """`found`: by department."""
        return tuple(found.get(department, 0) for department in self._departments)
