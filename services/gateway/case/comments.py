"""What a student may say about a check, and what became of it, as a view. Pure."""

from services.gateway.case.progress import CheckProgress
from services.gateway.case.view_model import CommentView
from services.gateway.case.wording import ViewContext
from services.gateway.read_model.line_comment import LineComment


def comment_view(context: ViewContext, progress: CheckProgress) -> CommentView | None:
    """None for a check that nothing was said about and nothing can be."""
    comment, texts = shown_comment(progress), context.texts
    offered = may_comment(progress)
    if comment is None and not offered:
        return None
    department = texts.of(progress.department.title)
    heading = answered = ""
    if comment is not None:
        heading = texts("comment.said", at=context.local_time(comment.asked_at).words)
        answered = texts("comment.waiting", department=department)
        if comment.answered_at is not None:
            at = context.local_time(comment.answered_at).words
            answered = texts("comment.answered", department=department, at=at)
    return CommentView(
        heading=heading,
        text=comment.text if comment else "",
        answered=answered,
        answer=comment.answer if comment else "",
        offered=offered,
        ask=texts("comment.again" if comment else "comment.ask"),
        address=f"/case/{progress.department.name}/{progress.check.name}/comment",
    )


def shown_comment(progress: CheckProgress) -> LineComment | None:
    """The newest, but for an open one about a check that passed: it waits no longer."""
    comment = progress.comment
    return None if comment is not None and comment.open and progress.result.state.passes else comment


def may_comment(progress: CheckProgress) -> bool:
    """A check that is not passed, under the number of now, while none about it is open."""
    waits = progress.comment is not None and progress.comment.open
    return not progress.result.state.passes and not progress.former_number and not waits
