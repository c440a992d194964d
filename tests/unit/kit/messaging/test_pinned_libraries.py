"""The private names of FastStream and aiokafka that the consumer uses are there, in the versions it was written for."""

import inspect
from importlib.metadata import version

import aiokafka.client
import aiokafka.protocol.admin
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer import fetcher
from aiokafka.producer.sender import Sender
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy
from faststream._internal.broker.registrator import Registrator
from faststream._internal.endpoint.subscriber.usecase import SubscriberUsecase
from faststream._internal.logger import LoggerState
from faststream.kafka.subscriber.usecase import DefaultSubscriber, LogicSubscriber

from services.kit.messaging.faststream_shell import PINNED, TransactionalRouter


@pytest.mark.parametrize("package", PINNED)
def test_the_installed_version_is_the_one_the_shell_was_written_for(package: str) -> None:
    assert version(package) == PINNED[package], (
        f"{package} has changed: read faststream_shell.py and aiokafka_internals.py against it, run the consumer's"
        " tests on a real broker, then set PINNED"
    )


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (SubscriberUsecase, "_build_fastdepends_model", ["self"]),
        (SubscriberUsecase, "process_message", ["self", "msg"]),
        (LogicSubscriber, "_run_consume_loop", ["self", "consumer"]),
        (LogicSubscriber, "get_msg", ["self", "consumer"]),
        (LogicSubscriber, "consume_one", ["self", "msg"]),
        (DefaultSubscriber, "get_log_context", ["self", "message"]),
        (Registrator, "subscriber", ["self", "subscriber", "persistent"]),
        (LoggerState, "_setup", ["self", "context"]),
        (fetcher.PartitionRecords, "_unpack_records", ["self"]),
        (fetcher.Fetcher, "_get_actions_per_node", ["self", "assignment"]),
        (fetcher.Fetcher, "_proc_fetch_request", ["self", "assignment", "node_id", "request"]),
        (_MemoryRecordsPy, "_cache_next", None),
        (_DefaultRecordBatchPy, "_read_msg", None),
    ],
)
def test_each_method_we_override_or_call_is_there(owner: type, name: str, parameters: list[str] | None) -> None:
    found = getattr(owner, name)
    if parameters is not None:
        assert list(inspect.signature(found).parameters) == parameters


def test_a_fetch_waits_as_long_as_the_fetcher_says_and_leaves_out_what_stands_unread() -> None:
    source = inspect.getsource(fetcher.Fetcher._get_actions_per_node)
    assert "FetchRequest(\n                self._fetch_max_wait_ms," in source
    assert "if tp in self._records:" in source
    assert "self._fetcher = Fetcher(" in inspect.getsource(AIOKafkaConsumer)


def test_the_consume_loop_polls_by_one_method_and_hands_over_by_another() -> None:
    source = inspect.getsource(LogicSubscriber._run_consume_loop)
    assert "await self.get_msg(consumer)" in source
    assert "await self.consume_one(msg)" in source


def test_the_fetcher_takes_its_record_classes_from_the_names_that_are_patched() -> None:
    source = inspect.getsource(fetcher)
    assert "MemoryRecords(" in source
    assert "PartitionRecords(" in source
    assert issubclass(MemoryRecords, object)


def test_the_answer_to_a_fetch_is_decoded_by_what_its_request_names_and_read_by_the_whole_request() -> None:
    source = inspect.getsource(AIOKafkaConnection._handle_frame)
    assert "resp_type = request.RESPONSE_TYPE" in source
    assert "response = resp_type.decode(resp)" in source
    assert "request_struct = request.prepare(self._versions)" in inspect.getsource(AIOKafkaConnection.send)
    source = inspect.getsource(fetcher.Fetcher._proc_fetch_request)
    assert "response = await self._client.send(node_id, request)" in source
    assert "for topic, partitions in request.topics:" in source


def test_a_subscriber_has_the_attributes_the_shell_sets() -> None:
    subscriber = TransactionalRouter(group="g").subscriber("t")
    for name in ("_parser", "_decoder", "_listener", "_outer_config", "consumer", "calls"):
        assert hasattr(subscriber, name)


def test_a_producer_can_be_abandoned_without_a_flush() -> None:
    source = inspect.getsource(AIOKafkaProducer)
    assert "self._sender = " in source
    assert "self._closed" in source


def test_a_producer_id_may_be_given_before_the_start() -> None:
    assert "self._txn_manager = TransactionManager(" in inspect.getsource(AIOKafkaProducer)
    assert list(inspect.signature(TransactionManager.set_pid_and_epoch).parameters) == ["self", "pid", "epoch"]
    assert "self._txn_manager.has_pid()" in inspect.getsource(Sender._maybe_wait_for_pid)


def test_a_client_makes_each_connection_by_the_function_that_is_replaced() -> None:
    assert inspect.getsource(AIOKafkaClient).count("await create_conn(") == 2
    assert "sasl_plain_password=self._sasl_plain_password" in inspect.getsource(AIOKafkaClient)
    assert AIOKafkaClient.bootstrap.__globals__ is vars(aiokafka.client)


def test_aiokafka_has_no_requests_for_acls_and_users_that_would_do() -> None:
    assert not hasattr(AIOKafkaAdminClient, "create_acls")
    assert not any(name.startswith("AlterUserScramCredentials") for name in vars(aiokafka.protocol.admin))
    assert list(inspect.signature(AIOKafkaAdminClient._send_request).parameters) == ["self", "request", "node_id"]


def test_a_request_of_our_own_can_be_sent_to_a_broker() -> None:
    assert "self._client = AIOKafkaClient(" in inspect.getsource(AIOKafkaConsumer)
    assert list(inspect.signature(AIOKafkaClient.get_random_node).parameters) == ["self"]
    assert list(inspect.signature(AIOKafkaClient.send).parameters) == ["self", "node_id", "request", "group"]
    assert all(version.API_VERSION < 10 for version in MetadataRequest._CLASSES), "aiokafka knows topic ids now"
