"""Why a row's values are refused: the column, what it should hold and the remedy, Chinese first. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from services.kit.imports.files.columns import Columns
from services.kit.imports.files.kinds import FieldKind
from services.kit.imports.files.problems import Place, RowProblem, Text, problem
from services.kit.rules.visible_text import INVISIBLE_CHARACTER
from services.kit.student_numbers import OTHER_FORM

_MOST: Final = 20

_BY_KIND: Final[dict[FieldKind, tuple[Text, Text]]] = {
    FieldKind.STUDENT_ID: (
        Text("不是学号。", "is not a student number."),
        Text(
            "学号为 3 到 32 位字母、数字或连字符，以字母或数字开头。",
            "It has 3 to 32 letters, digits or hyphens, and begins with a letter or digit.",
        ),
    ),
    FieldKind.IDENTIFIER: (
        Text("不是编号。", "is not an id."),
        Text(
            "编号最多 64 位，不含空格，如 C-2025-01；请按原样填写。",
            "It has at most 64 characters and no spaces, for example C-2025-01: type it as it is.",
        ),
    ),
    FieldKind.DAY: (
        Text("不是日期。", "is not a day."),
        Text(
            "请写成 2026-06-05（或 2026/6/5、2026年6月5日，1950 至 2149 年）；6/5/2026 有歧义，不读取。",
            "Write 2026-06-05 (or 2026/6/5, of 1950 to 2149); 6/5/2026 may mean two days and is not read.",
        ),
    ),
    FieldKind.INSTANT: (
        Text("不是时间。", "is not an instant."),
        Text(
            "请写成 2026-06-05 14:30（学校所在时区），或 2026-06-05T06:30:00Z；只有日期不够，因为当天可能另有办理。",
            "Write 2026-06-05 14:30 (in the university's time zone) or 2026-06-05T06:30:00Z; a day alone is not "
            "enough, because something may have been done on that day.",
        ),
    ),
    FieldKind.MONEY: (
        Text("不是可用的金额。", "is not an accepted amount of money."),
        Text(
            "请写成 1234.50：不带逗号、货币符号和单位，最多两位小数。",
            "Write 1234.50: no commas, currency or unit, and at most two decimals.",
        ),
    ),
    FieldKind.FLAG: (
        Text("不是“是/否”。", "is neither yes nor no."),
        Text("请填 是 或 否（也可 yes、no、true、false、1、0）。", "Write yes or no (or 是, 否, true, false, 1, 0)."),
    ),
    FieldKind.NUMBER: (Text("不是整数。", "is not a whole number."), Text("请填数字，如 12。", "Write digits, as 12.")),
}
_EMPTY: Final = (Text("为空。", "is empty."), Text("请填写。", "Fill it in."))


def row_problems(error: ValidationError, columns: Columns, headings: Mapping[str, str]) -> tuple[RowProblem, ...]:
    """The faults of a row's fields, never with the value. `headings` are the file's: field → heading."""
    found = error.errors(include_url=False, include_input=False, include_context=True)
    return tuple(_problem(each, columns, headings) for each in found[:_MOST])


def _problem(error: ErrorDetails, columns: Columns, headings: Mapping[str, str]) -> RowProblem:
    field = str(error["loc"][0]) if error["loc"] else ""
    label = headings.get(field) or columns.unnamed.labels.get(field, field)
    kind = columns.kinds.get(field, FieldKind.TEXT)
    fault, remedy = _fault(error["type"], error.get("ctx") or {}, kind, columns.examples.get(field))
    if error["type"] == "value_error" and kind not in (FieldKind.DAY, FieldKind.INSTANT):
        # A rule of the row's own model: its message has the words.
        words = error["msg"].removeprefix("Value error, ")
        named = f"“{label}”：{words}" if label else words
        return {"field": field, "problem": named, "remedy": str(Text("请核对这一行。", "Check this row."))}
    return problem(field, Place(label).describe(fault), remedy)


def _fault(error: str, context: Mapping[str, Any], kind: FieldKind, example: str | None) -> tuple[Text, Text]:
    if error == "missing":
        return _EMPTY
    if error in ("enum", "literal_error"):
        accepted = str(context["expected"]).replace("'", "")
        remedy = Text(f"可填：{accepted.replace(' or ', '、').replace(', ', '、')}。", f"One of: {accepted}.")
        return Text("不是可用的代码。", "is not one of the accepted codes."), remedy
    if error == "string_too_long":
        most = context["max_length"]
        remedy = Text(f"最多 {most} 个字。", f"At most {most} characters.")
        return Text(f"超过 {most} 个字。", f"is longer than {most} characters."), remedy
    if error.startswith("greater_than") or error.startswith("less_than"):
        return _out_of_range(error, context)
    if error == INVISIBLE_CHARACTER:
        code = context["code"]
        remedy = Text("请重新输入该值，不要复制。", "Type the value anew instead of copying it.")
        return Text(f"含有看不见的字符 {code}。", f"has the invisible character {code}."), remedy
    if error == OTHER_FORM:
        example = str(context["example"])
        remedy = Text(
            f"请核对；本校学号形如 {example}。", f"Check it; one of this university is written like {example}."
        )
        return Text("不是本校的学号。", "is not a student number of this university."), remedy
    if kind in _BY_KIND:
        return _BY_KIND[kind]
    remedy = Text("请更正该值。", "Correct the value.")
    if example is not None:
        remedy = Text(f"请写成类似 {example} 的形式。", f"Write it like {example}.")
    return Text("的写法不符合要求。", "is not written as this column asks for."), remedy


def _out_of_range(error: str, context: Mapping[str, Any]) -> tuple[Text, Text]:
    name, limit = next(iter(context.items()))
    zh, en = _BOUNDS[name]
    fault = Text("超出范围。", "is out of range.")
    return fault, Text(f"应{zh} {limit}。", f"It has to be {en} {limit}.")


_BOUNDS: Final = {
    "gt": ("大于", "greater than"),
    "ge": ("不小于", "at least"),
    "lt": ("小于", "less than"),
    "le": ("不大于", "at most"),
}


def refusal_problem(words: str, field: str | None, remedy: object | None) -> RowProblem:
    """Of a row that the rules refuse, from the words of the refusal."""
    return {"field": field or "", "problem": words, "remedy": str(remedy or ASK_THE_DESK)}


ASK_THE_DESK: Final = Text("请在柜台核对该生的记录。", "Check the student's record at the desk.")
OUTDATED: Final = problem(
    "",
    Text(
        "这一行比已有的记录旧，会改掉其后的办理，没有写入。",
        "This row is older than what is on record and would undo what was done after it; it was left out.",
    ),
    Text(
        "一般无需处理；如确应以这一行为准，请在柜台更正，或核对数据时间后重新发送。",
        "As a rule there is nothing to do. If the row is right, correct the record at the desk, or check the row's "
        "time and send it again.",
    ),
)
INTERNAL: Final = problem(
    "",
    Text(
        "这一行无法处理，没有写入任何内容，错误已记入日志。",
        "This row could not be processed; nothing of it was applied, and the error was logged.",
    ),
    Text(
        "请核对各列；如都正确，请把导入编号和行号告诉系统管理员。",
        "Check its values; if they are right, give the operator the job and the row number.",
    ),
)
