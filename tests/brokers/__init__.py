"""`make test-brokers`: an installation on three brokers, of which some are killed."""
