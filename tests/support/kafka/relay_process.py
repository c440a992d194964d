"""A relay in a process of its own, which a test stops: `python -m … <dsn> <kafka> <name>`."""

import asyncio
import sys

from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.relaying.relay import Relay

if __name__ == "__main__":
    dsn, kafka, name = sys.argv[1:]
    asyncio.run(Relay(dsn, kafka=kafka, name=name, wakeup=Wakeup()).run())
