"""Users and ACLs of a broker, made by one command each, run twice, and against what was there before."""

import asyncio
from dataclasses import replace
from pathlib import Path

from deploy.local.servers.kafka import Kafka, RunningKafka
from schemas.topics import Topics
from services.kit.provisioning.acl_requests import Acl, CreateAcls, DeleteAcls, Operation, Pattern, Permission, Resource
from services.kit.provisioning.acls import _described, acls_of, admin_of, remove_acls, set_acls
from services.kit.provisioning.kafka_users import alter_users, as_service
from tests.component.kit.provisioning.test_provisioning import DEPARTMENTS, run
from tests.support.waiting import eventually


async def test_acls_are_set_once_and_go_with_their_department_and_what_was_granted_by_hand(
    kafka: RunningKafka, namespace: str
) -> None:
    topics = Topics(namespace)
    first = await set_acls(kafka.address, topics, DEPARTMENTS)
    assert set(first.granted) == acls_of(topics, DEPARTMENTS)
    again = await set_acls(kafka.address, topics, DEPARTMENTS)
    assert (again.granted, again.removed, set(again.unchanged)) == ([], [], set(first.granted))

    def by_hand(user: str) -> Acl:
        principal = f"User:{user}"
        return Acl(Resource.TOPIC, f"{namespace}.", Pattern.PREFIXED, principal, "*", Operation.WRITE, Permission.ALLOW)

    too_much, of_another = by_hand(f"{namespace}.{DEPARTMENTS[0]}"), by_hand(f"auditor-{namespace}")
    async with admin_of(kafka.address) as client:
        await client._send_request(CreateAcls([too_much, of_another]))
        left = DEPARTMENTS[1:]
        changed = await set_acls(kafka.address, topics, left)
        assert (changed.granted, set(changed.unchanged)) == ([], acls_of(topics, left))
        assert set(changed.removed) == {too_much, *first.granted} - acls_of(topics, left)
        assert of_another in await _described(client)
        await client._send_request(DeleteAcls([of_another]))
    assert (await remove_acls(kafka.address, namespace)).unchanged == []


async def test_a_users_password_is_kept_until_it_is_rotated(
    kafka: RunningKafka, namespace: str, tmp_path: Path
) -> None:
    environment = {**kafka.address.variables(), "LIXIAO_NAMESPACE": namespace}
    create = ["kafka-users", "--passwords", str(tmp_path)]
    first = run(create, **environment)
    assert first.returncode == 0, first.stderr
    users = first.stdout.split()
    assert f"{namespace}.library" in users
    assert len(users) == len(list(tmp_path.iterdir()))
    passwords = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}

    async def signs_in(password: str) -> bool:
        file = tmp_path.with_suffix(".tried")
        file.write_text(password)
        library = as_service(kafka.address, "library", tmp_path, namespace=namespace)
        return await Kafka.answers(replace(library, sasl_password_file=file))

    await eventually(lambda: signs_in(passwords["library"]), what="the user to be known")
    assert run([*create, "--rotate", "library"], **environment).returncode == 0
    rotated = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert [name for name in passwords if passwords[name] != rotated[name]] == ["library"]
    await eventually(lambda: signs_in(rotated["library"]), what="the new password to be good")
    assert not await signs_in(passwords["library"])
    await alter_users(kafka.address, {}, users)


def test_the_command_shows_what_it_grants_and_refuses_a_principal_without_a_service(
    kafka: RunningKafka, namespace: str
) -> None:
    environment = {**kafka.address.variables(), "LIXIAO_NAMESPACE": namespace}
    done = run(["acls"], **environment)
    assert done.returncode == 0, done.stderr
    assert f"granted: User:{namespace}.library write topic {namespace}.library.status.v1" in done.stdout.splitlines()
    assert f"granted: User:{namespace}.library read group {namespace}.library.*" in done.stdout.splitlines()
    assert run(["acls"], **environment).stdout.startswith("0 granted, 0 removed, ")
    assert run(["acls", "--principal", "User:everybody"], **environment).returncode == 2
    asyncio.run(remove_acls(kafka.address, namespace))
