"""Members of a consumer group that run in the test's own process."""

from services.kit.messaging.consumer import TransactionalConsumer


def assigned(consumer: TransactionalConsumer) -> int:
    """How many partitions the consumer has been assigned; 0 while it is not running."""
    member = consumer.subscriber.consumer
    return len(member.assignment()) if member else 0
