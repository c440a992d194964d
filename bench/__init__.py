"""The measurements: `make bench`, or `python -m bench [name…] [--quick] [--rounds N]`."""
