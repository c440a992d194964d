"""Sources of files: what a system's own headings, words and formats mean in the terms of an import."""
