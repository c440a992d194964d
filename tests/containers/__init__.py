"""`make test-containers`: a part of the component level with PostgreSQL and Kafka in containers."""
