"""The catalog as several processes see it: each has its own memory of the same files."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from index import ids
from index.blobs_dir import DirBlobStore
from index.catalog_dir import DirCatalog
from index.errors import StoreUnavailable
from index.ownership import Ownership
from index.types import Manifest, Origin, PageSize, Split

SHA = "ab" * 32
DOCUMENT = ids.document_id("default", SHA)


def manifest(hour=1):
    at = datetime(2026, 1, 1, hour, tzinfo=UTC)
    return Manifest("default", DOCUMENT, SHA, 3, "a.pdf", "application/pdf", at)


@pytest.fixture
def two(tmp_path):
    return DirCatalog(tmp_path), DirCatalog(tmp_path)


def test_a_password_that_comes_later_is_seen(two):
    """A document that another process knows without a password has it as soon as it was sent."""
    first, second = two
    first.add(manifest(), Origin(None, "a.pdf"))
    assert second.get("default", DOCUMENT).password is None
    first.add(manifest(), Origin(None, "a.pdf"), "sesame")
    assert second.get("default", DOCUMENT).password == "sesame"
    first.add(manifest(), Origin(None, "a.pdf"), "other")
    assert second.get("default", DOCUMENT).password == "other"


def test_origins_that_come_and_go_are_seen(two):
    """Another way in, and its end."""
    first, second = two
    first.add(manifest(), Origin(None, "a.pdf"))
    assert len(second.get("default", DOCUMENT).origins) == 1
    first.add(manifest(), Origin("box", "in/a.pdf"))
    assert len(second.get("default", DOCUMENT).origins) == 2
    first.forget("default", DOCUMENT, Origin("box", "in/a.pdf"))
    assert len(second.get("default", DOCUMENT).origins) == 1


def test_a_document_deleted_and_sent_again_is_a_new_one(two):
    """Neither its manifest nor what was found inside it is remembered from its first life."""
    first, second = two
    first.add(manifest(1), Origin(None, "a.pdf"))
    first.split("default", DOCUMENT, Split(pages=(PageSize(1, 1),)))
    assert len(second.split("default", DOCUMENT).pages) == 1
    second.get("default", DOCUMENT)
    first.forget("default", DOCUMENT)
    assert second.get("default", DOCUMENT) is None
    assert second.split("default", DOCUMENT) is None
    first.add(manifest(2), Origin(None, "a.pdf"))
    assert second.get("default", DOCUMENT).manifest.created_at.hour == 2
    assert second.split("default", DOCUMENT) is None


def test_uploads_that_go_on_are_not_swept(tmp_path):
    """Of several processes none removes what another is just receiving; after a day it is nobody's."""
    store = DirBlobStore(tmp_path)
    staged = store.stage(100)
    staged.write(b"abc")
    assert DirBlobStore(tmp_path).sweep(older_than_s=3600) == 0
    assert store.commit(staged).size == 3


def test_one_service_or_one_stack(tmp_path):
    """Processes of a stack share the directory; an embedded service shares it with nobody."""
    first, second = Ownership(tmp_path, shared=True), Ownership(tmp_path, shared=True)
    with pytest.raises(StoreUnavailable):
        Ownership(tmp_path)
    first.release()
    second.release()
    alone = Ownership(tmp_path)
    with pytest.raises(StoreUnavailable):
        Ownership(tmp_path, shared=True)
    alone.release()
