"""api talks to people: HTTP, web page and command line."""
