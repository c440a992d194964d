"""What a file would do: tried row by row, and rolled back."""
