"""Messages: outbox, topics, consumers and the view."""

from dataclasses import replace

from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import ViewWrite
from tests.support.checker.evidence.tables import NewestStatus, OpenDeadLetter
from tests.support.samples.histories import WHO, journal_of, with_department, with_journal
from tests.unit.support.checker.bad_histories.registry import breaks


@breaks("S3")
def a_view_that_shows_what_nobody_said(evidence: Evidence) -> Evidence:
    invented = NewestStatus(2, "{}", True)
    view = {**evidence.clearance.view, (WHO, "library"): invented}
    return replace(evidence, clearance=replace(evidence.clearance, view=view))


@breaks("S4")
def a_change_without_its_row(evidence: Evidence) -> Evidence:
    return with_journal(evidence, "finance", journal_of(evidence, "finance")[:-1])


@breaks("S4")
def a_row_in_another_transaction(evidence: Evidence) -> Evidence:
    journal = journal_of(evidence, "finance")
    journal[-1] = replace(journal[-1], tx=5)
    return with_journal(evidence, "finance", journal)


@breaks("S4")
def an_acceptance_nobody_is_told_of(evidence: Evidence) -> Evidence:
    journal = journal_of(evidence, "clearance")
    return with_journal(evidence, "clearance", [*journal[:6], journal[7]])


@breaks("S5")
def a_row_that_left_the_outbox_and_reached_no_topic(evidence: Evidence) -> Evidence:
    return replace(evidence, records=evidence.records[:-1])


@breaks("S5")
def a_row_that_still_waits_at_rest(evidence: Evidence) -> Evidence:
    service = replace(evidence.gateway.service, outbox_left=1)
    return replace(evidence, gateway=replace(evidence.gateway, service=service))


@breaks("S25")
def a_status_that_left_behind_a_newer_one(evidence: Evidence) -> Evidence:
    topic = "x.library.status.v1"
    first, second = (record for record in evidence.records if record.topic == topic and record.offset)
    swapped = [replace(first, offset=second.offset), replace(second, offset=first.offset)]
    others = [record for record in evidence.records if record.topic != topic]
    return replace(evidence, records=(*others, *swapped))


@breaks("S6")
def a_view_that_goes_back(evidence: Evidence) -> Evidence:
    return with_journal(evidence, "clearance", [*journal_of(evidence, "clearance"), ViewWrite(9, WHO, "finance", 1)])


@breaks("S8")
def a_view_that_stays_behind(evidence: Evidence) -> Evidence:
    view = {key: said for key, said in evidence.clearance.view.items() if key[1] == "library"}
    return replace(evidence, clearance=replace(evidence.clearance, view=view))


@breaks("S13")
def a_consumer_that_stands_before_the_end(evidence: Evidence) -> Evidence:
    return replace(evidence, ends={("x.library.status.v1", 0): 3})


@breaks("S13")
def an_event_of_ours_among_the_dead_letters(evidence: Evidence) -> Evidence:
    letter = OpenDeadLetter("x.clearance", "x.library.status.v1", evidence.records[0].value, "not a status")
    service = replace(evidence.clearance.service, dead_letters=(letter,))
    return replace(evidence, clearance=replace(evidence.clearance, service=service))


@breaks("S31")
def a_pass_that_the_rules_of_now_do_not_give(evidence: Evidence) -> Evidence:
    """The status is still the record's own: stricter rules came, and nothing was published."""
    finance = evidence.departments["finance"]
    records = {who: replace(one, clear_checks=one.clear_checks ^ {"arrears"}) for who, one in finance.records.items()}
    return with_department(evidence, "finance", replace(finance, records=records))


@breaks("S31")
def a_line_of_the_view_that_was_lost(evidence: Evidence) -> Evidence:
    view = {key: one for key, one in evidence.clearance.view.items() if key[1] != "library"}
    return replace(evidence, clearance=replace(evidence.clearance, view=view))
