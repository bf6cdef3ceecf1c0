"""Layout: from recognised lines in any order to Markdown in reading order."""
