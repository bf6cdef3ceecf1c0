"""The index of a full stack is made anew from the originals, and an archive is restored from copies of its files: by
processes that are killed in the middle of it, while people go on asking.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time

import httpx
import pytest

from index.types import PageState
from tests.stack_kit import Stack, scan, until

PAGES, DOCUMENTS = 5, 6
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def rng():
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    return random.Random(seed)


def book(number):
    return scan(*(f"document {number} page {page}" for page in range(PAGES)))


def points(stack):
    """How many pages the index has, and how many of them are read: 0 while there is no collection."""
    collection = stack.index.environment.get("FOLIOSCOPE_QDRANT_COLLECTION", "folioscope")
    url = f"{stack.index.url}/collections/{collection}/points/count"
    is_done = {"must": [{"key": "state", "match": {"value": PageState.DONE.value}}]}
    for wanted in ({}, {"filter": is_done}):
        response = httpx.post(url, json={"exact": True, **wanted}, trust_env=False, timeout=60)
        yield response.json()["result"]["count"] if response.status_code == 200 else 0


def is_emptied(stack):
    """Whether the index was made anew and has nothing that was read: so it stays while nobody reads."""
    _, done = points(stack)
    return done == 0


def done(api, documents):
    """Pages that are read, of the documents that the index knows already."""
    return sum(api.pages(one)["done"] for one in documents)


class Asker:
    """Asks an API all the time, from a thread of its own."""

    def __init__(self, api, document):
        self._api, self._document = api, document
        self._stop = threading.Event()
        self._in_order = False
        self.statuses = []
        self._thread = threading.Thread(target=self._ask)

    def _ask(self):
        with httpx.Client(base_url=self._api.url, timeout=60, trust_env=False) as client:
            while not self._stop.is_set():
                for path in (f"/v1/documents/{self._document}", f"/v1/documents/{self._document}/pages/1"):
                    self.statuses.append(client.get(path).status_code)
                self.statuses.append(client.post("/v1/search", json={"query": "page"}).status_code)
                time.sleep(0.05)
        self._in_order = True

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *failure):
        self._stop.set()
        self._thread.join(120)
        if not failure[0]:
            assert self._in_order
            assert set(self.statuses) <= {200, 404, 409, 503}, sorted(set(self.statuses))
            assert self.statuses.count(200) > 10


def test_a_rebuild_killed_midway(tmp_path, rng):
    """Refused while others run; once begun and then killed, the workers finish what it began, and a search finds what
    there is meanwhile; begun again, it ends with the same texts. No page has two points."""
    with Stack(tmp_path, read_s=0.1, grpc=True) as stack:
        api = stack.start_api()
        stack.start_worker("w1")
        documents = [api.upload(book(number)) for number in range(DOCUMENTS)]
        api.wait(documents)
        before = stack.texts()
        assert len(before) == PAGES * DOCUMENTS

        refused = stack.start("refused", "rebuild", supervised=False)
        assert refused.process.wait(120) != 0
        assert "in use by process" in refused.said()
        assert [*points(stack)] == [PAGES * DOCUMENTS] * 2

        for name in ("api", "w1"):
            stack.processes[name].end()
        rebuild = stack.start("first", "rebuild", supervised=False)
        until(lambda: is_emptied(stack), "the old index is gone")
        api = stack.start_api("api2")
        with Asker(api, documents[0]) as asker:
            enough = rng.randrange(3, 12)
            stack.hold("read", after=enough)
            for name in ("w2", "w3"):
                stack.start_worker(name)
            until(lambda: done(api, documents) >= enough, "some pages are read again")
            rebuild.kill()
            assert rebuild.process.wait(60) == -signal.SIGKILL
            assert done(api, documents) < PAGES * DOCUMENTS
            stack.release("read")
            # Whoever keeps house finds what is missing.
            api.wait(documents)
            asked = len(asker.statuses)
            until(lambda: len(asker.statuses) > asked + 6, "it is asked on")
        assert stack.texts() == before
        for name in ("api2", "w2", "w3"):
            stack.processes[name].end()

        again = stack.start("second", "rebuild", "--json", supervised=False)
        until(lambda: is_emptied(stack), "the old index is gone")
        again.kill()  # before anybody reads
        again.process.wait(60)
        last = stack.start("third", "rebuild", "--json", supervised=False)
        stack.start_worker("w4")
        assert last.process.wait(240) == 0, last.said()
        assert f'"done": {PAGES * DOCUMENTS}' in last.said()
        assert stack.texts() == before
        stack.verify()


@pytest.mark.skipif("FOLIOSCOPE_TEST_QDRANT_URL" in os.environ, reason="the files of a server that is not ours")
def test_a_restored_archive(tmp_path):
    """From copies made while everything ran, documents first and then blobs: with no index, all is read again; with an
    older copy of the index, what is new is read, what was deleted since goes, and nothing else is touched."""
    source, copies = tmp_path / "source", tmp_path / "copies"
    with Stack(source, grpc=True) as stack:
        api = stack.start_api()
        stack.start_worker()
        first = [api.upload(book(number)) for number in range(3)]
        api.wait(first)
        stack.index.stop()
        shutil.copytree(source / "qdrant", copies / "qdrant")  # a snapshot, before the files
        stack.index.start()
        second = [api.upload(book(number)) for number in range(3, 5)]
        assert api.http.delete(f"/v1/documents/{first[0]}").status_code == 200
        api.wait([*first[1:], *second])
        kept = [*first[1:], *second]
        for part in ("documents", "keys", "blobs"):
            if (stack.data / part).exists():
                shutil.copytree(stack.data / part, copies / part)
            if part == "documents":
                api.upload(book(9))  # too late for the copies, of which one has its bytes
        texts = {key: text for key, text in stack.texts().items() if key[0] in kept}
        assert len(texts) == PAGES * len(kept)

    for name, index in (("without", False), ("with", True)):
        root = tmp_path / name
        for part in ("blobs", "documents", "keys"):
            if (copies / part).exists():
                shutil.copytree(copies / part, root / "data" / part)
        if index:
            shutil.copytree(copies / "qdrant", root / "qdrant")
        with Stack(root, grpc=True) as stack:
            api = stack.start_api()
            stack.start_worker()
            until(
                lambda s=stack: s.texts().keys() == texts.keys(), "what was lacking is there, what was deleted is gone"
            )
            api.wait(kept)
            assert stack.texts() == texts
            assert len(stack.reads()) == PAGES * (len(second) if index else len(kept))
            assert stack.verify().documents == len(kept)
            hits = api.http.post("/v1/search", json={"query": "page", "limit": 50}).json()["hits"]
            assert {hit["document_id"] for hit in hits} <= set(kept)
