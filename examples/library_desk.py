"""A library's own system at the desk: `library_desk.py https://library:8080 TS20260001`, the token in LIXIAO_TOKEN."""

import json
import os
import sys
import time
from datetime import date, timedelta
from io import BytesIO
from typing import TypeVar
from uuid import uuid4

from library_client.api.import_ import import_, import_job, import_rows
from library_client.api.library import loan, query_record, return_
from library_client.client import AuthenticatedClient
from library_client.models import (
    DeskAnswer,
    ImportBody,
    Job,
    JobState,
    LoanBody,
    Problem,
    ReturnBody,
    Rows,
    StudentQuery,
)
from library_client.types import File

T = TypeVar("T")
BARCODE = "B0042871"
DONE_WITHIN_S = 60


def accepted(answer: T | Problem | None) -> T:
    """What was asked for. A problem says which field is wrong and what to do about it."""
    if answer is None or isinstance(answer, Problem):
        sys.exit(json.dumps(answer.to_dict() if answer else {}, ensure_ascii=False, indent=2))
    return answer


def shown(answer: DeskAnswer) -> str:
    """The department's checks of a student, and why each is open."""
    reasons = {check.check: [reason.code for reason in check.reasons or ()] for check in answer.checks}
    return ", ".join(f"{name}: {' '.join(codes) or 'clear'}" for name, codes in reasons.items())


def at_the_desk(client: AuthenticatedClient, student_id: str) -> None:
    """A change has a key of its own: sent again after a timeout with the same key, it takes effect once."""
    due_on = date.today() + timedelta(days=30)
    lent = LoanBody(student_id=student_id, barcode=BARCODE, title="矿山压力", due_on=due_on)
    print("lent      ", shown(accepted(loan.sync(client=client, body=lent, idempotency_key=str(uuid4())))))
    print("as it is  ", shown(accepted(query_record.sync(client=client, body=StudentQuery(student_id=student_id)))))
    back = ReturnBody(student_id=student_id, barcode=BARCODE)
    print("returned  ", shown(accepted(return_.sync(client=client, body=back, idempotency_key=str(uuid4())))))


def a_file(client: AuthenticatedClient, student_id: str) -> None:
    """The export of another system: taken at once, done in the background, with a result for each row."""
    text = f"学号,证件状态\n{student_id},active\nno number,active\n"
    file = ImportBody(file=File(payload=BytesIO(text.encode()), file_name="cards.csv", mime_type="text/csv"))
    job: Job = accepted(import_.sync(client=client, body=file))
    until = time.monotonic() + DONE_WITHIN_S
    while job.state in (JobState.QUEUED, JobState.RUNNING) and time.monotonic() < until:
        time.sleep(0.2)
        job = accepted(import_job.sync(job_id=job.job_id, client=client))
    print("imported  ", f"{job.applied} applied, {job.unchanged} unchanged, {job.rejected} rejected")
    rows: Rows = accepted(import_rows.sync(job_id=job.job_id, client=client))
    for row in rows.rows:
        print(f"  row {row.row}", row.state.value, *(problem.problem for problem in row.problems or ()))


def main() -> None:
    address, student_id = sys.argv[1:]
    with AuthenticatedClient(base_url=address, token=os.environ["LIXIAO_TOKEN"], timeout=30) as client:
        at_the_desk(client, student_id)
        a_file(client, student_id)


if __name__ == "__main__":
    main()
