"""The projector beside other stream processors, each on the same topic: `make bench-peers` installs them."""
