"""Folders of many documents: walks tell what each document by itself tells, without working it out for each."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest

from index.catalog import Entry
from index.types import Origin
from tests.test_catalog import manifest
from worker import listing
from worker.folders import folders
from worker.labels import labels, paths

ODD = ["a.pdf", "x/a.pdf", "x/y/b.pdf", "y/c.pdf", "/x/a.pdf", "/a.pdf", "x//a.pdf", "x/./a.pdf", "x/", "x/.", ".", ""]


def strange_archive(seed):
    """A catalog that looks up by id, and all its documents: with several ways in, archives in archives, odd paths."""
    draw = random.Random(seed)
    names = ["box.zip", "x", "a.pdf", "x/y.pdf"]
    made = []
    for number in range(60):
        earlier = [None, None, *[entry.manifest.document_id for entry in made[:20]], "gone"]
        ways = {Origin(draw.choice(earlier), draw.choice(ODD)) for _ in range(draw.randrange(4))}
        made.append(Entry(replace(manifest(number), filename=draw.choice(names)), tuple(ways)))
    known = {entry.manifest.document_id: entry for entry in made}
    return SimpleNamespace(get=lambda _tenant, document_id: known.get(document_id)), made


@pytest.mark.parametrize("seed", range(8))
def test_a_walk_tells_of_folders_what_each_document_tells(seed):
    """Though each folder is worked out only once."""
    catalog, made = strange_archive(seed)
    wanted = {folder for entry in made for folder in labels(catalog, entry).folders} | {"nowhere"}
    for folder in wanted - {"/"}:
        here = folder.strip("/")
        found = listing.chosen(made, uploaded_only=True, name=None, folder=folder, catalog=catalog)
        assert list(found) == [entry for entry in made if here in labels(catalog, entry).folders]
    for within in ["", *wanted]:
        parts = within.strip("/").split("/") if within.strip("/") else []
        expected = Counter()
        for entry in made:
            ways = [way.split("/")[:-1] for way in paths(catalog, entry)]
            inside = [way[: len(parts) + 1] for way in ways if way[: len(parts)] == parts and len(way) > len(parts)]
            expected.update({"/".join(way) for way in inside})
        assert {one.path: one.documents for one in folders(catalog, made, within)} == expected, within


def test_the_archives_of_a_folder_are_looked_up_once():
    """Not for each of its documents, which are hundreds of thousands."""
    archives = [Entry(manifest(number), (Origin(None, f"shelf/{number}.zip"),)) for number in range(2)]
    ids = [entry.manifest.document_id for entry in archives]
    known, looks = dict(zip(ids, archives, strict=True)), []
    catalog = SimpleNamespace(get=lambda _tenant, document_id: looks.append(document_id) or known[document_id])
    made = [Entry(manifest(n), (Origin(ids[n % 2], f"folder {n % 3}/{n}.pdf"),)) for n in range(2, 602)]
    found = listing.chosen(made, uploaded_only=False, name=None, folder="folder 1", catalog=catalog)
    assert len(list(found)) == 200
    assert [(one.path, one.documents) for one in folders(catalog, made, "shelf")] == [
        ("shelf/0.zip", 300),
        ("shelf/1.zip", 300),
    ]
    assert len(looks) <= 6 * 3  # two archives with three folders each; labels need two looks, paths one
