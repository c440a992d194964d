"""The projector beside raw SQL and plain FastStream, and the rebuild of the view."""
