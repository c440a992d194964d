"""Streams of open pages: what they cost, and how long a change takes to reach them."""
