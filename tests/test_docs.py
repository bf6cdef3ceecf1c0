"""Documentation that cannot drift: what the reference pages say is what the code has."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from index_kit import tokens_of

from index import payload
from index.passages import embed_passages
from index.store import PageUpdate, PassageVectors
from index.store_edge import EdgeStore, StoreConfig
from index.types import Note, PageKey, PageLabels, PageState, ReadingMark
from tests.kit import HashEmbedder, reading
from worker import settings

DOCS = Path(__file__).parent.parent / "docs"


def test_settings_reference():
    """Every setting, its default and its meaning stand in docs/settings.md."""
    assert settings.reference() in (DOCS / "settings.md").read_text()


def test_payload_reference():
    """Every payload field that a page point can have stands in docs/payload.md, and no other."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    key = PageKey("default", "id", 1)
    labels = PageLabels("scan.pdf", "application/pdf", at, ("box",), ("box/scan.pdf",))
    fields = set(payload.new_pending(key, labels, at))
    update = PageUpdate(
        key,
        at,
        state=PageState.DONE,
        error_code="x",
        reading=replace(reading("some text"), vision=tokens_of(1), marks=(ReadingMark.LOOP,), decoded=False),
        tried=("figure",),
        notes=(Note("figure", "a chart", 0.5),),
        passages=PassageVectors(((0, 9),), np.zeros((1, 3), np.float32)),
    )
    fields |= set(payload.changed({}, update)) | {payload.STAMP, payload.CONDITIONAL}
    table = (DOCS / "payload.md").read_text().split("## Vectors")[0]
    documented = set()
    for line in table.splitlines():
        if line.startswith("| `"):
            documented |= set(re.findall(r"`(\w+)`", line.split("|")[1]))
    assert documented == fields


def test_vector_reference(tmp_path):
    """Every vector of a page point stands in docs/payload.md, and no other."""
    store = EdgeStore.open(tmp_path, HashEmbedder(), StoreConfig(vision_dim=64))
    key = PageKey("default", "id", 1)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    store.add_pending([key], PageLabels("scan.pdf", "application/pdf", at), at)
    passages = embed_passages(HashEmbedder(), "some text")
    store.update([PageUpdate(key, at, state=PageState.DONE, reading=reading("some text"), passages=passages)])
    config = json.loads((tmp_path / "shard" / "edge_config.json").read_text())
    documented = set(re.findall(r"^\| `(\w+)`", (DOCS / "payload.md").read_text().split("## Vectors")[1], re.MULTILINE))
    assert documented == config["vectors"].keys() | config["sparse_vectors"].keys()
    store.close()
