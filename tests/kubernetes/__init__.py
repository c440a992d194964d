"""`make test-kubernetes`: the chart of `deploy/kubernetes` rendered, validated, and played by podman."""
