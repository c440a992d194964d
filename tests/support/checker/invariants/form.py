"""Invariant of the signed form: it is the submission as accepted. Pure."""

from collections.abc import Iterator

from services.kit.receipts.jws import InvalidSignature, public_keys
from services.kit.receipts.qr import verify_text
from tests.support.checker.evidence.evidence import Evidence


def form_binding(evidence: Evidence) -> Iterator[str]:
    """S17: the form is the submission as accepted, under a listed key, on the versions that were attested."""
    keys = public_keys(evidence.clearance.keys)
    for submission in evidence.clearance.submissions:
        try:
            payload = verify_text(submission.receipt, keys).payload
        except InvalidSignature as error:
            yield f"form {submission.form_number} does not verify: {error}"
            continue
        said = (payload["form"], payload["attempt"], payload["student"]["student_id"])
        if said != (submission.form_number, submission.attempt_id, submission.student_id):
            yield f"form {submission.form_number} is signed over another submission"
        if payload.get("replaces") != submission.replaces:
            yield f"form {submission.form_number} does not name, signed, the form that it replaces"
        for name, fact in submission.facts.items():
            signed = payload["departments"].get(name, {}).get("version")
            answer = evidence.clearance.answers.get((submission.attempt_id, name))
            if not signed == fact["version"] == (answer.version if answer else None):
                yield f"form {submission.form_number} speaks of another version of {name} than was attested"
