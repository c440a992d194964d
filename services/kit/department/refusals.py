"""Words of refusals: a department's own, and those the kit gives in every department's name."""

from typing import Final

from services.kit.manifests import DepartmentManifest, Text
from services.kit.rules.collections import NAME_IN_ANOTHER_CASE
from services.kit.rules.reasons import IN_THE_FUTURE, STUDENT_UNKNOWN
from services.kit.rules.undo import MOVED_ON, NOT_OFFERED, SETTLED_A_QUESTION, TAKEN_BACK_BEFORE

SHARED: Final = {
    IN_THE_FUTURE.code: Text(
        zh="数据时间晚于现在。", en="It is said to be true at an instant that lies in the future."
    ),
    STUDENT_UNKNOWN.code: Text(
        zh="名册中没有这个学号，未写入任何内容。",
        en="This number is not on the roster, and nothing was applied.",
    ),
    MOVED_ON.code: Text(
        zh="此后该项又有变动，不能撤销；请按现在的内容另行办理。",
        en="What it changed was changed again since, so it cannot be undone. Correct it by an operation of its own.",
    ),
    TAKEN_BACK_BEFORE.code: Text(zh="此项已经撤销过。", en="It was undone before."),
    NOT_OFFERED.code: Text(
        zh="此项不能撤销，或办理时间过久；请更正登记内容。",
        en="It cannot be undone, or was done too long ago. Correct the record.",
    ),
    SETTLED_A_QUESTION.code: Text(
        zh="此项同时了结了导入文件中的一处疑问，不能撤销；请更正登记内容。",
        en="It also settled a question that an imported file had left, so it cannot be undone. Correct the record.",
    ),
    NAME_IN_ANOTHER_CASE.code: Text(
        zh="该生已有一项的编号与此只差大小写，而内容不同；无法判断是否同一项，未写入。",
        en="This student has an item whose id differs from this one in case alone, with other content. "
        "It cannot be told whether they are one, and nothing was applied.",
    ),
}


def words_of(department: DepartmentManifest, code: str) -> Text | None:
    return department.refusals.get(code) or SHARED.get(code)
