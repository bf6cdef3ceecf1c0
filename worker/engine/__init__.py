"""Engines: what turns a page image into text, behind the `Engine` port."""
