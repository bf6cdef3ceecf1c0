"""What all tests share: offline models, and a seed in the output (pytest-randomly prints and resets it)."""

from __future__ import annotations

import os

# Before any import of a model library: nothing may be looked for on a network.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
# Haystack would tell its makers of every pipeline that runs.
os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")
# A service converts the judge of answers at its start, seconds for each fresh data directory: only in tests about it.
os.environ.setdefault("FOLIOSCOPE_JUDGE", "false")
