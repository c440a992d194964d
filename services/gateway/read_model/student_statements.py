"""A row for each student asked for, by one of two statements that give the same columns.

Most students of most days have a case and statuses, and nothing else. Looking for the rest, to find nothing, costs
PostgreSQL a sixth more, and several times as much before its tables have statistics: it prepares every part of a plan.
"""

from typing import Final

_ROSTER: Final = """
       roster.version AS case_version, roster.state, roster.name, roster.gender, roster.grade, roster.college,
       roster.major, roster.enrolled_on, roster.leave_category, roster.opened_on, roster.case_number,
       roster.degree_level, roster.campus, roster.study_form"""
_CASE: Final = """(
    published.case_v1 JOIN published.case_attribute_v1 USING (student_id)
) AS roster USING (student_id)"""
_REPORTED: Final = """
       reported.departments, reported.statuses, reported.received_at, reported.readable, reported.alive_as_of"""
_BY_DEPARTMENT: Final = """array_agg(department ORDER BY department) AS departments,
           array_agg(status ORDER BY department) AS statuses,
           array_agg(heard_at ORDER BY department) AS received_at,
           array_agg(readable ORDER BY department) AS readable,
           array_agg(alive_as_of ORDER BY department) AS alive_as_of"""

STUDENTS: Final = f"""
WITH numbers AS (
    SELECT student_id, NULL::text AS joined_to FROM unnest($1::text[]) AS asked (student_id)
    UNION ALL
    SELECT former_number, student_id FROM published.former_number_v1 WHERE student_id = any($1::text[])
)
SELECT numbers.student_id, numbers.joined_to,{_ROSTER},
       (SELECT json_agg(json_build_object('department', department, 'check', check_name, 'kind', kind,
                                          'reason', reason, 'until', until) ORDER BY exemption_id)
        FROM published.exemption_v1 AS made
        WHERE made.student_id = roster.student_id AND made.case_number = roster.case_number
          AND withdrawn_at IS NULL AND ends_at > now()) AS exemptions,
       attempt.attempt_id, attempt.state AS attempt_state, attempt.opened_at, attempt.ended_at, attempt.cause,
       attempt.objections, attempt.answers,
       (SELECT json_agg(json_build_object(
                   'attempt_id', attempt_id, 'case_number', case_number, 'form_number', form_number,
                   'accepted_at', accepted_at, 'code', code, 'qr_text', qr_text, 'receipt', receipt, 'facts', facts,
                   'issued_at', issued_at, 'replaces', replaces,
                   'exceptions', CASE WHEN exception_count > 0 THEN (
                       SELECT json_agg(json_build_object('name', name, 'department', department, 'reasons', reasons,
                                                         'opened_at', opened_at, 'former_number', former_number)
                                       ORDER BY opened_at, name)
                       FROM published.exception_v2 AS made
                       WHERE made.form_number = form.form_number AND made.closed_at IS NULL) END,
                   'voided_at', voided_at, 'void_reason', void_reason, 'replaced_by', replaced_by,
                   'waivers', waivers) ORDER BY case_number, sequence)
        FROM published.submission_v2 AS form LEFT JOIN published.attempt_waiver_v1 USING (attempt_id)
        WHERE form.student_id = numbers.student_id) AS forms,{_REPORTED}
FROM numbers
LEFT JOIN {_CASE}
LEFT JOIN LATERAL (
    SELECT attempt_id, state, opened_at, ended_at, cause, objections, answers FROM published.attempt_v1 AS one
    WHERE one.student_id = numbers.student_id ORDER BY one.opened_at DESC LIMIT 1
) AS attempt ON true
LEFT JOIN LATERAL (
    SELECT {_BY_DEPARTMENT}
    FROM published.status_v1 AS status WHERE status.student_id = roster.student_id
) AS reported ON true
ORDER BY numbers.student_id
"""
"""Known or not, and one for each former number of theirs. `alive_as_of` is last."""

# Once for all: else a plan that is made while the tables are empty does it again for each student.
STUDENTS_WITHOUT_MORE: Final = f"""
WITH reported AS MATERIALIZED (
    SELECT student_id, {_BY_DEPARTMENT}
    FROM published.status_v1 WHERE student_id = any($1::text[]) GROUP BY student_id
)
SELECT asked.student_id, NULL::text AS joined_to,{_ROSTER},
       NULL::json AS exemptions, NULL::uuid AS attempt_id, NULL::text AS attempt_state, NULL::timestamptz AS opened_at,
       NULL::timestamptz AS ended_at, NULL::text AS cause, NULL::json AS objections, NULL::json AS answers,
       NULL::json AS forms,{_REPORTED}
FROM unnest($1::text[]) AS asked (student_id)
LEFT JOIN {_CASE}
LEFT JOIN reported ON reported.student_id = roster.student_id
WHERE NOT EXISTS (SELECT FROM published.former_number_v1 AS one WHERE one.student_id = asked.student_id)
  AND NOT EXISTS (SELECT FROM published.attempt_v1 AS one WHERE one.student_id = asked.student_id)
  AND NOT EXISTS (SELECT FROM published.submission_v2 AS one WHERE one.student_id = asked.student_id)
  AND NOT EXISTS (
    SELECT FROM published.exemption_v1 AS one WHERE one.student_id = asked.student_id AND withdrawn_at IS NULL)
"""
"""No row for one with a former number, an attempt, a form or an exemption: `STUDENTS` has it."""
