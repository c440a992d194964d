"""A relay in a process of its own, which a test stops: `python -m … <dsn> <name>`, with Kafka in the environment."""

import asyncio
import sys

from services.kit.kafka.settings import KafkaSettings
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying.relay import Relay
from services.kit.settings import PREFIX

if __name__ == "__main__":
    dsn, name = sys.argv[1:]
    kafka = KafkaSettings(_env_prefix=PREFIX).kafka_connection
    asyncio.run(Relay(dsn, kafka=kafka, name=name, wakeup=Wakeup()).run())
