"""Every page and state that a person can meet.

Journeys, where departments really act, are in `test_journey.py`; here it matters what is shown.
"""

from typing import Final

from tests.support.browser import page_actions, student_states
from tests.support.browser.scene_setter import Scene

SCENES: Final = (
    Scene("guide", "/", None),
    Scene("guide-kept", "/", student_states.favourite),
    Scene("sign-in-failed", "/sign-in/callback", None, 400),
    Scene("signed-out", "/signed-out", None),
    Scene("case-waiting", "/case", student_states.waiting),
    Scene("case-no-data", "/case", student_states.without_data),
    Scene("case-in-question", "/case", student_states.in_question),
    Scene("case-blocked", "/case", student_states.blocked),
    Scene("case-nearly", "/case", student_states.nearly),
    Scene("case-waived", "/case", student_states.waived),
    Scene("case-card", "/case", student_states.card_open),
    Scene("card-confirm", "/case/library/cancel-card", student_states.card_open),
    Scene("case-card-asked", "/case", student_states.card_asked),
    Scene("case-card-refused", "/case", student_states.card_refused),
    Scene("case-clear", "/case", student_states.clear),
    Scene("submit-confirm", "/submit", student_states.clear),
    Scene("submit-refused", "/submit", student_states.blocked, 409),
    Scene("case-asked", "/case", student_states.asked),
    Scene("case-objected", "/case", student_states.objected),
    Scene("case-done", "/case", student_states.completed),
    Scene("case-late-debt", "/case", student_states.late_debt),
    Scene("submitted", "/submitted", student_states.completed),
    Scene("submitted-late-debt", "/submitted", student_states.late_debt),
    Scene("case-void", "/case", student_states.voided),
    Scene("me-earlier", "/me", student_states.replaced),
    Scene("completed-void", "/completed/1", student_states.replaced),
    Scene("completed-waived", "/completed", student_states.completed_with_waivers),
    Scene("me", "/me", student_states.completed),
    Scene("me-empty", "/me", student_states.nothing),
    Scene("completed", "/completed", student_states.completed),
    Scene("completed-none", "/completed", student_states.nearly),
    Scene("not-served", "/case", student_states.not_served),
    Scene("not-on-roster", "/case", student_states.nothing),
    Scene("case-away", "/case", student_states.nothing, 503, away=True),
    Scene("no-such-page", "/no-such-page", None, 404),
    Scene("verify", "/verify", None),
    Scene("verify-genuine", "/verify", None, act=page_actions.verified),
    Scene("verify-void", "/verify", None, act=page_actions.verified_void),
    Scene("verify-not-genuine", "/verify", None, act=page_actions.not_verified),
    Scene("desk", "/desk", student_states.nothing, clerk=True),
    Scene("desk-genuine", "/desk", student_states.nothing, clerk=True, act=page_actions.scanned),
    Scene("desk-waived", "/desk", student_states.nothing, clerk=True, act=page_actions.scanned_with_waivers),
    Scene("desk-new-debt", "/desk", student_states.nothing, clerk=True, act=page_actions.scanned_after_a_debt),
    Scene("desk-unconfirmed", "/desk", student_states.nothing, clerk=True, act=page_actions.pressed_unconfirmed),
    Scene("desk-handed-over", "/desk", student_states.nothing, clerk=True, act=page_actions.scanned_handed_over),
    Scene("desk-void", "/desk", student_states.nothing, clerk=True, act=page_actions.scanned_void),
    Scene("desk-forgery", "/desk", student_states.nothing, clerk=True, act=page_actions.scanned_forgery),
)
BY_NAME: Final = {scene.name: scene for scene in SCENES}
