"""`make test-upgrade`: two versions of every service on one database each and one cluster."""
