"""Where students are written to: the API and the file they come by."""
