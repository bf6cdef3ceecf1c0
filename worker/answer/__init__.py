"""Extractive answering in small steps: asking → candidates → features → model → quoting."""
