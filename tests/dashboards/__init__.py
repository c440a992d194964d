"""`make test-dashboards`: the page that `make dashboards` brings up beside the demo, as a person sees it."""
