"""The environment of a process: what is missing is said, what is secret is not."""

from pathlib import Path

import pytest

from services.kit.clearance_policy import load_policy
from services.kit.settings import Settings, load, reported

DSN = "postgresql://library:hush-hush@127.0.0.1:5432/library"


class GatewaySettings(Settings):
    read_model: str
    session_idle_s: int = 1800


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Only what a test says."""
    for name in [*Settings.model_fields, "session_idle_s", "secrets_folder"]:
        monkeypatch.delenv(f"LIXIAO_{name.upper()}", raising=False)
    return monkeypatch


def complete(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LIXIAO_KAFKA", "127.0.0.1:9092,kafka-2.example:9092")
    environment.setenv("LIXIAO_DATABASE", DSN)


def test_a_complete_environment_gives_settings_with_safe_defaults(environment: pytest.MonkeyPatch) -> None:
    complete(environment)
    settings = load(Settings)
    assert settings.database == DSN
    assert settings.http_host == "127.0.0.1"
    assert settings.topics.case == "lixiao.clearance.case.v1"
    assert settings.credentials is None


def test_a_missing_variable_is_named_in_one_line_and_ends_the_process_with_2(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("LIXIAO_KAFKA", "127.0.0.1:9092")
    with pytest.raises(SystemExit) as ended:
        load(Settings)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "LIXIAO_DATABASE is not set\n"


def test_an_empty_variable_counts_as_missing(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    complete(environment)
    environment.setenv("LIXIAO_KAFKA", "")
    with pytest.raises(SystemExit):
        load(Settings)
    assert capsys.readouterr().err == "LIXIAO_KAFKA is not set\n"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LIXIAO_KAFKA", "no port"),
        ("LIXIAO_DATABASE", "mysql://user:hush-hush@127.0.0.1/x"),
        ("LIXIAO_HTTP_PORT", "hush-hush"),
        ("LIXIAO_NAMESPACE", "Hush_Hush"),
        ("LIXIAO_FRESHNESS_BOUND_S", "-1"),
        ("LIXIAO_LOG_LEVEL", "hush-hush"),
        ("LIXIAO_CREDENTIALS", "/nowhere/hush-hush.json"),
    ],
)
def test_a_wrong_variable_is_named_and_its_value_is_not_shown(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    complete(environment)
    environment.setenv(variable, value)
    with pytest.raises(SystemExit):
        load(Settings)
    said = capsys.readouterr().err
    assert said.startswith(f"{variable} is wrong: ")
    assert said.count("\n") == 1
    assert value not in said


def test_what_should_be_json_and_is_none_is_named_without_its_value(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class WithDesks(Settings):
        desks: dict[str, str]

    complete(environment)
    environment.setenv("LIXIAO_DESKS", '{"library": "hush-hush"')
    with pytest.raises(SystemExit) as ended:
        load(WithDesks)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "LIXIAO_DESKS is wrong: it is not JSON\n"


@pytest.mark.parametrize("folder", ["/nowhere/secrets", __file__])
def test_a_folder_of_secrets_that_is_none_is_said_and_not_passed_over(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    complete(environment)
    environment.setenv("LIXIAO_SECRETS_FOLDER", folder)
    with pytest.raises(SystemExit) as ended:
        load(Settings)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "LIXIAO_SECRETS_FOLDER is wrong: no such folder\n"


def test_a_rule_about_two_variables_names_them_and_no_other(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    complete(environment)
    environment.setenv("LIXIAO_TLS_KEY", __file__)
    with pytest.raises(SystemExit):
        load(Settings)
    assert capsys.readouterr().err == "LIXIAO_TLS_CERTIFICATE and LIXIAO_TLS_KEY go together\n"


def test_a_file_of_the_university_with_a_fault_is_named_with_its_field_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "clearance.toml"
    file.write_text("[approvals]\nexpire_after_hours = 0\n")
    with pytest.raises(SystemExit) as ended, reported():
        load_policy(tmp_path, {})
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{file}: approvals.expire_after_hours: ")
    assert said.count("\n") == 1


def test_a_service_adds_and_tightens_fields(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    complete(environment)
    with pytest.raises(SystemExit):
        load(GatewaySettings)
    assert capsys.readouterr().err == "LIXIAO_READ_MODEL is not set\n"
    environment.setenv("LIXIAO_READ_MODEL", DSN)
    environment.setenv("LIXIAO_SESSION_IDLE_S", "60")
    assert load(GatewaySettings).session_idle_s == 60


def test_a_secret_may_come_as_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    complete(environment)
    environment.delenv("LIXIAO_DATABASE")
    (tmp_path / "lixiao_database").write_text(DSN)
    environment.setenv("LIXIAO_SECRETS_FOLDER", str(tmp_path))
    assert load(Settings).database == DSN


def test_settings_do_not_show_a_password_when_printed(environment: pytest.MonkeyPatch) -> None:
    complete(environment)
    environment.setenv("LIXIAO_READ_MODEL", DSN)
    assert "hush-hush" not in repr(load(Settings))


def test_a_form_of_student_numbers_needs_an_example_of_it(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    complete(environment)
    environment.setenv("LIXIAO_STUDENT_ID_PATTERN", "TS[0-9]{8}")
    for example in ("", "TS1", "ts20260001"):
        environment.setenv("LIXIAO_STUDENT_ID_EXAMPLE", example)
        with pytest.raises(SystemExit):
            load(Settings)
        assert capsys.readouterr().err.startswith("LIXIAO_STUDENT_ID_EXAMPLE is wrong")
    environment.setenv("LIXIAO_STUDENT_ID_EXAMPLE", "TS20260001")
    form = load(Settings).number_form
    assert form is not None
    assert form.example == "TS20260001"


def test_a_form_that_is_no_regular_expression_is_refused(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    complete(environment)
    environment.setenv("LIXIAO_STUDENT_ID_PATTERN", "TS[0-9")
    environment.setenv("LIXIAO_STUDENT_ID_EXAMPLE", "TS20260001")
    with pytest.raises(SystemExit):
        load(Settings)
    assert "no regular expression" in capsys.readouterr().err


def test_rounds_are_kept_for_longer_than_topics_keep_their_records(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    complete(environment)
    environment.setenv("LIXIAO_TOPIC_DAYS", "30")
    environment.setenv("LIXIAO_KEEP_ROUNDS_DAYS", "31")
    assert load(Settings).keep_rounds_days == 31
    environment.setenv("LIXIAO_KEEP_ROUNDS_DAYS", "30")
    with pytest.raises(SystemExit):
        load(Settings)
    assert "LIXIAO_KEEP_ROUNDS_DAYS is wrong" in capsys.readouterr().err


def test_a_secret_in_another_encoding_is_named_in_one_line(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    complete(environment)
    (tmp_path / "lixiao_trace_key").write_bytes(b"\xff" * 40)
    environment.setenv("LIXIAO_SECRETS_FOLDER", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        load(Settings)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "LIXIAO_TRACE_KEY is wrong: its file cannot be read as UTF-8\n"
