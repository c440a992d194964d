"""`make test-compose`: the installation of `deploy/compose`, brought up and used."""
