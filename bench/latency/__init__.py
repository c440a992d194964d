"""From the commit at a desk to the row in the view."""
