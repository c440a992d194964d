"""`make test-flink`: the job of `deploy/flink` beside the projector, until both views are equal by their hash."""
