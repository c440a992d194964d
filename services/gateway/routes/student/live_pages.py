"""What open pages are given: of a usual case by its shape, of any other by way of progress, words and template."""

from services.gateway.case.live.live_page import LivePage, Read
from services.gateway.case.present import present
from services.gateway.case.progress import CaseProgress, case_progress
from services.gateway.case.usual_case import usual_case
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import Texts
from services.gateway.routes.student.prepared_answers import PreparedAnswers
from services.gateway.shown.document import shown_page
from services.gateway.shown.recorder import ShownPages
from services.gateway.web.renderer import Renderer


class LivePages:
    def __init__(self, renderer: Renderer, shown: ShownPages) -> None:
        self._renderer, self._shown, self._prepared = renderer, shown, PreparedAnswers(renderer)

    def page(self, read: Read, texts: Texts) -> LivePage:
        site = self._renderer.site
        context = ViewContext(site, texts, read.now)

        def progress_of() -> CaseProgress:
            return case_progress(read.rows.snapshot(), read.commands, site, read.now, read.comments)

        quiet = not read.commands and not read.comments
        usual = usual_case(read.rows, site, read.now) if quiet else None
        if usual is None:
            return self._made(context, progress_of())
        live = self._prepared.live(usual, context, progress_of)
        return LivePage(
            live.html.decode(),
            {name: one.version for name, one in live.received.items()},
            max((one.occurred_at for one in live.received.values()), default=None),
            lambda student_id: self._shown.note(student_id, texts.language, live.shown()),
        )

    def _made(self, context: ViewContext, progress: CaseProgress) -> LivePage:
        page = present(context, progress)
        received = [(one, one.received.status) for one in progress.checks if one.received]
        return LivePage(
            self._renderer.live(page, context.texts),
            {one.department.name: status.version for one, status in received if not one.former_number},
            max((status.occurred_at for _, status in received), default=None),
            lambda student_id: self._shown.note(student_id, context.language, shown_page(page, progress)),
        )
