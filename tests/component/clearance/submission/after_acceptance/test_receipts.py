"""What an acceptance leaves behind: the receipt, its key, the unchangeable rows, the audit."""

import json
import shutil
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from schemas.events import SubmissionAccepted
from schemas.flows import source_of
from services.clearance.receipts.private_keys.files import FileKeys
from services.clearance.receipts.signing_keys import Keyring, jwk_set
from services.clearance.submission.after_acceptance.signing_again import FIRST, NotToBeReplaced, SigningAgain
from services.kit.receipts.jws import InvalidSignature, public_keys, unverified
from services.kit.receipts.qr import verify_text
from tests.support.in_process.services import DEPARTMENTS
from tests.support.in_process.submission_harness import Harness, of


async def test_the_receipt_verifies_and_says_what_was_attested(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    await harness.deliver_all()
    submission = await harness.submission(student_id)
    assert submission is not None
    async with harness.clearance.pool.acquire() as connection:
        keys = public_keys((await jwk_set(connection))["keys"])
    form = verify_text(submission["receipt"], keys)
    assert verify_text(submission["qr_text"], keys).payload == form.payload
    assert (form.payload["form"], form.payload["attempt"]) == (submission["form_number"], str(attempt_id))
    assert form.payload["student"]["student_id"] == student_id
    facts = json.loads(submission["facts"])
    assert {name: one["version"] for name, one in facts.items()} == {
        name: one["version"] for name, one in form.payload["departments"].items()
    }
    checks = {check["check"]: check["facts"] for check in facts["library"]["checks"]}
    assert form.payload["departments"]["library"]["checks"] == checks


async def test_a_submission_and_its_answers_are_never_changed_and_never_second(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submitted(student_id)
    pool = harness.clearance.pool
    for statement in (
        "UPDATE submission SET form_number = 'x' WHERE student_id = $1",
        "DELETE FROM submission WHERE student_id = $1",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement, student_id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("DELETE FROM answer WHERE attempt_id = $1", attempt_id)
    another = await harness.student()
    await harness.submit(another)
    copy = (
        "INSERT INTO submission (student_id, attempt_id, form_number, code, accepted_at, facts, receipt, kid, student,"
        " sequence) SELECT form.student_id, attempt.attempt_id, 'another', code, accepted_at, facts, receipt, kid,"
        " student, $3 FROM submission AS form, attempt WHERE form.student_id = $1 AND attempt.student_id = $2"
    )
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(copy, student_id, another, 1)
    # A second form of the case would have to follow a void one.
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await pool.execute(copy, student_id, another, 2)


async def test_after_a_rotation_old_forms_verify_and_new_ones_carry_the_new_key(harness: Harness) -> None:
    pool, keyring = harness.clearance.pool, harness.keyring
    before, after = await harness.student(), await harness.student()
    await harness.submitted(before)
    async with pool.acquire() as connection, connection.transaction():
        old = await connection.fetchval("SELECT kid FROM signing_key WHERE retired_at IS NULL")
        new = await keyring.rotate(connection, actor="test")
    await harness.submitted(after)
    receipts = {name: await harness.submission(name) for name in (before, after)}
    async with pool.acquire() as connection, connection.transaction():
        keys = public_keys((await jwk_set(connection))["keys"])
        kids = [verify_text(row["receipt"], keys).kid for row in receipts.values() if row]
        assert kids == [old, new]
        assert await keyring.revoke(connection, old, actor="test")
        keys = public_keys((await jwk_set(connection))["keys"])
        assert not await keyring.revoke(connection, new, actor="test")
    row = receipts[before]
    assert row is not None
    with pytest.raises(InvalidSignature):
        verify_text(row["receipt"], keys)


async def test_forms_of_a_leaked_key_are_signed_again_with_the_same_number_and_content(harness: Harness) -> None:
    pool, keyring = harness.clearance.pool, harness.keyring
    students = [await harness.student(), await harness.student()]
    for student_id in students:
        await harness.submitted(student_id)
    before = [await harness.submission(student_id) for student_id in students]
    signing = SigningAgain(keyring, harness.topics.submission)
    async with pool.acquire() as connection, connection.transaction():
        old = await connection.fetchval("SELECT kid FROM signing_key WHERE retired_at IS NULL")
        with pytest.raises(NotToBeReplaced, match="Rotate first"):
            await signing.batch(connection, old, after=FIRST, actor="test")
        new = await keyring.rotate(connection, actor="test")
        await keyring.revoke(connection, old, actor="test")
    async with pool.acquire() as connection, connection.transaction():
        done = await signing.batch(connection, old, after=FIRST, actor="test")
        assert (done.signed, done.unsound) == (await signed_by(connection, new), ())
        again = await signing.batch(connection, old, after=FIRST, actor="test")
        assert (again.signed, again.last) == (0, None)
        keys = public_keys((await jwk_set(connection))["keys"])
    for student_id, was in zip(students, before, strict=True):
        now = await harness.submission(student_id)
        assert was is not None
        assert now is not None
        assert (now["form_number"], now["code"], now["kid"]) == (was["form_number"], was["code"], new)
        assert verify_text(now["qr_text"], keys).payload == unverified(was["receipt"]).payload
        former = await pool.fetchrow(
            "SELECT * FROM published.former_signature_v1 WHERE form_number = $1", now["form_number"]
        )
        assert former is not None
        assert (former["kid"], former["receipt"]) == (old, was["receipt"])
        audited = (
            "SELECT details::jsonb ->> 'replaces_kid' FROM audit.entry"
            " WHERE act = 'form.sign_again' AND student_id = $1"
        )
        assert await pool.fetchval(audited, student_id) == old
    accepted = of(await harness.deliver_all(), SubmissionAccepted)
    assert {event.student_id for event in accepted} >= set(students), "who restores from the topic needs the new one"


async def signed_by(connection: "asyncpg.Connection[Any] | Any", kid: str) -> int:
    count: int = await connection.fetchval("SELECT count(*) FROM submission WHERE kid = $1", kid)
    return count


async def test_a_form_changed_in_the_database_is_not_signed_again(harness: Harness) -> None:
    pool, keyring = harness.clearance.pool, harness.keyring
    student_id = await harness.student()
    await harness.submitted(student_id)
    form = await harness.submission(student_id)
    assert form is not None
    header, body, signature = form["receipt"].split(".")
    changed = f"{header}.{body[:-8]}{'A' * 8}.{signature}"
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("ALTER TABLE submission DISABLE TRIGGER never_changed")
        await connection.execute(
            "UPDATE submission SET receipt = $2 WHERE form_number = $1", form["form_number"], changed
        )
        await connection.execute("ALTER TABLE submission ENABLE TRIGGER never_changed")
        await keyring.rotate(connection, actor="test")
        batch = await SigningAgain(keyring, harness.topics.submission).batch(
            connection, form["kid"], after=FIRST, actor="test"
        )
        assert batch.unsound == (form["form_number"],)
        assert (
            await connection.fetchval("SELECT kid FROM submission WHERE form_number = $1", form["form_number"])
            == form["kid"]
        )


async def test_only_a_signature_that_is_kept_may_be_replaced_and_only_over_the_same_content(harness: Harness) -> None:
    pool = harness.clearance.pool
    student_id = await harness.student()
    attempt_id = await harness.submitted(student_id)
    async with pool.acquire() as connection, connection.transaction():
        other = await harness.keyring.rotate(connection, actor="test")
    replace = "UPDATE submission SET kid = $2, receipt = regexp_replace(receipt, '^[^.]*', 'e30') WHERE attempt_id = $1"
    keep = (
        "INSERT INTO former_signature (attempt_id, kid, receipt, replaced_by)"
        " SELECT attempt_id, kid, receipt, 'test' FROM submission WHERE attempt_id = $1"
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(replace, attempt_id, other)
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(keep, attempt_id)
        for change in ("receipt = 'e30.e30.x'", "receipt = regexp_replace(receipt, '^[^.]*', 'e30'), code = 'x'"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.execute(
                        f"UPDATE submission SET kid = $2, {change} WHERE attempt_id = $1", attempt_id, other
                    )
        await connection.execute(replace, attempt_id, other)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM former_signature")
        await transaction.rollback()


async def test_without_the_private_key_nothing_is_accepted_until_it_is_there(harness: Harness, tmp_path: Path) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        assert await harness.keyring.missing(connection) is None
        await Keyring(FileKeys(tmp_path)).rotate(connection, actor="test")
        assert "is not in the folder" in str(await harness.keyring.missing(connection))
    question = await harness.question()
    records = await harness.answers(question)
    with pytest.raises(RuntimeError, match="folder of keys"):
        await harness.clearance.receive(records)
    assert await harness.state(attempt_id) == ("open", "")
    shutil.copytree(tmp_path, harness.keys, dirs_exist_ok=True)
    await harness.clearance.receive(records)
    assert await harness.state(attempt_id) == ("accepted", "")
    await harness.deliver_all()


async def test_each_decision_is_in_the_audit_with_the_versions_it_rests_on(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submitted(student_id)
    rows = await harness.clearance.pool.fetch(
        "SELECT actor, act, outcome, details FROM audit.entry WHERE student_id = $1 ORDER BY entry_id", student_id
    )
    assert [(row["actor"], row["act"], row["outcome"]) for row in rows] == [
        ("student", "submission.ask", "opened"),
        (source_of("clearance"), "submission.accept", "accepted"),
    ]
    details = json.loads(rows[-1]["details"])
    assert details["attempt"] == str(attempt_id)
    assert set(details["versions"]) == set(DEPARTMENTS)
