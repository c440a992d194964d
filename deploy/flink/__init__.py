"""The view filled by an Apache Flink SQL job."""
