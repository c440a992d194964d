"""The view made again from the topics, compared with the live one, and put in its place if that is asked."""
