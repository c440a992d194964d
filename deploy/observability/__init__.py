"""Dashboards and alerts as code: `python -m deploy.observability` writes the files that Grafana and Prometheus load."""
