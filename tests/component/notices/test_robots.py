"""Robots of 企业微信 and 钉钉, as real HTTP receivers."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.servers.kafka import RunningKafka
from tests.support.notices.robot_server import RobotServer, robot_server
from tests.support.notices.running import PAGE, RunningNotices, running_notices
from tests.support.waiting import eventually

SECRET = "SEC-of-the-robot"
TEXT = f"【离校服务】您的办理情况有变化，请登录查看：{PAGE}/case"


@pytest.fixture(scope="module")
def wecom() -> Iterator[RobotServer]:
    with robot_server() as server:
        yield server


@pytest.fixture(scope="module")
def dingtalk() -> Iterator[RobotServer]:
    with robot_server() as server:
        yield server


@pytest.fixture
async def robots(
    database: str, kafka: RunningKafka, namespace: str, wecom: RobotServer, dingtalk: RobotServer, tmp_path: Path
) -> AsyncIterator[RunningNotices]:
    files = {"wecom_url": wecom.address, "dingtalk_url": dingtalk.address, "dingtalk_secret": SECRET}
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
    async with running_notices(
        database,
        kafka.address,
        namespace,
        tmp_path,
        robot_per_minute=6_000.0,
        **{f"{name}_file": tmp_path / name for name in files},
    ) as running:
        yield running


@pytest.mark.acceptance("N-001")
async def test_each_robot_mentions_the_student_and_says_only_that_there_is_something_to_look_at(
    robots: RunningNotices, wecom: RobotServer, dingtalk: RobotServer
) -> None:
    student_id = await robots.student(mail=None, wecom="zhiyuan.lin", dingtalk="u-17")
    wecom.errcodes = [45009]
    dingtalk.status = 500
    await robots.refused(student_id)
    await eventually(lambda: bool(wecom.taken), what="the robot of 企业微信, which was asked too often at first")
    assert wecom.taken == [
        ({"key": "secret"}, {"msgtype": "text", "text": {"content": TEXT, "mentioned_list": ["zhiyuan.lin"]}})
    ]
    dingtalk.status = 200
    await robots.ended(student_id, "sent", "sent")
    ((parameters, document),) = dingtalk.taken
    assert document == {
        "msgtype": "text",
        "text": {"content": f"{TEXT} @u-17"},
        "at": {"atUserIds": ["u-17"], "isAtAll": False},
    }
    signed = hmac.digest(SECRET.encode(), f"{parameters['timestamp']}\n{SECRET}".encode(), hashlib.sha256)
    assert parameters["sign"] == base64.b64encode(signed).decode()
