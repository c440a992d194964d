"""The clearance's parts, made of its settings: for the running service and for operator commands."""

from collections.abc import Iterable
from typing import Any

import asyncpg

from services.clearance.approvals.actions import Action, action_registry
from services.clearance.approvals.decisions import Decisions
from services.clearance.exemptions.actions import ExemptionActions
from services.clearance.exemptions.waivers_of_case import CaseWaivers
from services.clearance.forgetting.actions import forget_action
from services.clearance.forgetting.forget import Forgetting
from services.clearance.receipts.configured import keyring_of
from services.clearance.roster.roster import Roster
from services.clearance.settings import ClearanceSettings
from services.clearance.submission.after_acceptance.form_void import void_action
from services.clearance.submission.restoring.outcomes import Restoring
from services.clearance.submission.round.handlers import Submissions
from services.clearance.submission.subscriptions import outcomes_router, submissions_router
from services.clearance.view.projector import Projector
from services.clearance.view.status_dead_letters import clear_unreadable_mark
from services.kit.clearance_policy import ClearancePolicy, load_policy
from services.kit.manifests import discover, required_checks
from services.kit.messaging.dead_letters.actions import ReplayHandler
from services.kit.messaging.dead_letters.limit import DeadLetterLimit
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.signing.configured import verifier_of


def roster_of(settings: ClearanceSettings) -> Roster:
    return Roster(topic=settings.topics.case, served=policy_of(settings).served, zone=settings.zone)


def projector_of(settings: ClearanceSettings, pool: "asyncpg.Pool[Any]") -> Projector:
    return Projector(
        pool=pool,
        kafka=settings.kafka_connection,
        topics=settings.topics,
        departments=list(discover(settings.services_folder)),
        workers=settings.projector_workers,
        max_records=settings.projector_batch,
        session_timeout_s=settings.session_timeout_s,
        limit=DeadLetterLimit.of(settings),
    )


def submissions_of(settings: ClearanceSettings) -> Submissions:
    """Every installed department has to attest all its checks."""
    return Submissions(
        topics=settings.topics,
        required=required_checks(discover(settings.services_folder)),
        roster=roster_of(settings),
        waivers=CaseWaivers(policy_of(settings)),
        keyring=keyring_of(settings),
        zone=settings.zone,
        life_s=settings.attempt_life_s,
    )


def submissions_router_of(settings: ClearanceSettings, submissions: Submissions) -> TransactionalRouter:
    departments = discover(settings.services_folder)
    return submissions_router(
        submissions,
        settings.topics,
        departments,
        session_timeout_s=settings.session_timeout_s,
        verify=verifier_of(settings, departments),
        prove=settings.require_session_proof,
    )


def outcomes_router_of(settings: ClearanceSettings) -> TransactionalRouter:
    return outcomes_router(
        Restoring(roster=roster_of(settings), keyring=keyring_of(settings)),
        settings.topics,
        session_timeout_s=settings.session_timeout_s,
        verify=verifier_of(settings, discover(settings.services_folder)),
    )


def policy_of(settings: ClearanceSettings) -> ClearancePolicy:
    return load_policy(settings.university, required_checks(discover(settings.services_folder)))


def actions_of(settings: ClearanceSettings) -> tuple[Action[Any], ...]:
    """What two persons may decide."""
    required = required_checks(discover(settings.services_folder))
    return (
        *ExemptionActions(required, settings.zone).actions(),
        void_action(roster_of(settings)),
        forget_action(Forgetting(settings.topics)),
    )


def decisions_of(policy: ClearancePolicy, actions: Iterable[Action[Any]]) -> Decisions:
    """`actions`: what two persons may decide."""
    return Decisions(action_registry(actions, policy.approvals.one_person), policy.approvals)


def replay_handlers(settings: ClearanceSettings, projector: Projector) -> dict[str, ReplayHandler]:
    ended = clear_unreadable_mark(projector.group, projector.topics)
    submissions = submissions_router_of(settings, submissions_of(settings))
    outcomes = outcomes_router_of(settings)
    return {
        projector.group: ReplayHandler(projector.apply, ended, projector.committed),
        submissions.group: ReplayHandler(submissions.subscription.apply),
        outcomes.group: ReplayHandler(outcomes.subscription.apply),
    }
