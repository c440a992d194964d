"""The HTTP APIs as their documents describe them."""
