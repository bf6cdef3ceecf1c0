"""Nothing is lost: the full stack as processes, while parts of it are killed, emptied, stopped and deleted.

`FOLIOSCOPE_KILLS=100` makes it long. Every test prints its seed, and every one ends with `folioscope verify`.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import httpx
import pytest

from index.types import PageKey
from tests.stack_kit import DEADLINE_S, Stack, scan, until
from tests.stack_service import POISON
from worker.watch import EXIT_GPU

KILLS = int(os.environ.get("FOLIOSCOPE_KILLS", "25"))
LONG = KILLS >= 100
PAGES_OF_A_DOCUMENT = 10
DOCUMENTS = 100 if LONG else 20
OUTAGE_S = 30.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if LONG else 900)]


@pytest.fixture
def rng():
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    return random.Random(seed)


def book(number):
    return scan(*(f"document {number} page {page}" for page in range(PAGES_OF_A_DOCUMENT)))


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """The texts of a run that nothing disturbs, in which every page is read exactly once."""
    with Stack(tmp_path_factory.mktemp("calm"), read_s=0.0) as stack:
        api = stack.start_api()
        for name in ("w1", "w2"):
            stack.start_worker(name)
        api.wait([api.upload(book(number)) for number in range(DOCUMENTS)])
        reads = stack.reads()
        assert len(reads) == DOCUMENTS * PAGES_OF_A_DOCUMENT
        assert set(reads.values()) == {1}
        for process in stack.processes.values():
            assert process.end() == 0
        assert stack.verify().pages == DOCUMENTS * PAGES_OF_A_DOCUMENT
        return stack.texts()


def finish(stack, api, documents, calm):
    """Everything is done in the end, once, with the texts of the calm run."""
    api.wait(documents)
    for one in documents:
        pages = api.pages(one)
        assert (pages["done"], pages["total"]) == (PAGES_OF_A_DOCUMENT, PAGES_OF_A_DOCUMENT), pages
    stack.verify()
    assert stack.texts() == calm


def test_workers_killed_at_random(tmp_path, rng, calm):
    """Workers die of SIGKILL at random moments while they read: every page is done once, as in a calm run."""
    with Stack(tmp_path, read_s=0.25) as stack:
        api = stack.start_api()
        names = ["w1", "w2", "w3"]
        for name in names:
            stack.start_worker(name)
        documents = [api.upload(book(number)) for number in range(DOCUMENTS)]
        for _ in range(KILLS):
            until(stack.workers, "a worker is there")
            time.sleep(rng.uniform(0.0, 0.8))
            victim = stack.processes[rng.choice(sorted(stack.workers()) or names)]
            before = len(victim.deaths)
            victim.kill()
            until(lambda victim=victim, before=before: len(victim.deaths) > before, "it is dead")
        finish(stack, api, documents, calm)
        deaths = [code for name in names for code in stack.processes[name].deaths]
        assert deaths.count(-signal.SIGKILL) >= KILLS * 0.8


def test_redis_emptied_and_stopped(tmp_path, rng, calm):
    """Uploads are accepted whatever the broker does, and everything is read afterwards."""
    with Stack(tmp_path, read_s=0.1) as stack:
        api = stack.start_api()
        for name in ("w1", "w2"):
            stack.start_worker(name)
        until(lambda: len(stack.workers()) == 2, "workers are there")
        documents = []
        numbers = iter(range(DOCUMENTS))
        for _ in range(5):
            documents += [api.upload(book(next(numbers))) for _ in range(2)]
            time.sleep(rng.uniform(0.1, 0.8))
            stack.redis.empty()
        stack.redis.stop()
        start = time.monotonic()
        for number in numbers:
            documents.append(api.upload(book(number)))  # it does not wait for what nobody will start before
        until(api.ready, "the API is ready without the broker")
        time.sleep(max(0.0, OUTAGE_S - (time.monotonic() - start)))
        stack.redis.start()
        finish(stack, api, documents, calm)


@pytest.mark.skipif("FOLIOSCOPE_TEST_QDRANT_URL" in os.environ, reason="a server that is not ours cannot be killed")
def test_the_index_server_killed(tmp_path, rng, calm):
    """The API answers 503 meanwhile and never 500, and nothing is lost or doubled. Over gRPC, as the stack runs."""
    with Stack(tmp_path, read_s=0.1, grpc=True) as stack:
        api = stack.start_api()
        for name in ("w1", "w2"):
            stack.start_worker(name)
        documents = [api.upload(book(number)) for number in range(DOCUMENTS)]
        answers, ended, stop = [], [], threading.Event()

        def ask():
            with httpx.Client(base_url=api.url, timeout=60, trust_env=False) as client:
                while not stop.is_set():
                    for method, path, body in (
                        ("GET", f"/v1/documents/{documents[0]}", None),
                        ("GET", f"/v1/documents/{documents[0]}/pages/1", None),
                        ("POST", "/v1/search", {"query": "page"}),
                        ("GET", "/readyz", None),
                    ):
                        answers.append((path, client.request(method, path, json=body).status_code))
                    time.sleep(0.05)
            ended.append("in order")

        asker = threading.Thread(target=ask)
        asker.start()
        for number in range(20 if LONG else 5):
            time.sleep(rng.uniform(0.2, 1.0))
            stack.index.kill()
            # Short outages are waited for; one is longer than anybody's patience.
            if number == 1:
                until(lambda: 503 in {status for _, status in list(answers)}, "somebody is told of it")
            time.sleep(rng.uniform(0.5, 2.0))
            stack.index.start()
        until(api.ready, "the index is back")
        # It asked all the time, and goes on now that there are answers again.
        assert asker.is_alive()
        heard = len(answers)
        until(lambda: answers[heard:].count(("/v1/search", 200)) > 2, "searches are answered again")
        stop.set()
        asker.join(DEADLINE_S)
        assert ended == ["in order"]
        statuses = {status for _, status in answers}
        assert statuses <= {200, 404, 409, 503}, sorted(set(answers))
        assert 503 in statuses
        finish(stack, api, documents, calm)


# A kill from outside looks like the kernel's when memory is short, so such a page has eleven lives: in the long run.
DEADLY = [
    ((250, 0, 0), "reader_crashed", -signal.SIGSEGV),
    (POISON, "reader_crashed", EXIT_GPU),
    *([((0, 0, 250), "reader_killed", -signal.SIGKILL)] if LONG else []),
]


@pytest.mark.parametrize(("colour", "code", "death"), DEADLY)
def test_a_page_that_kills_its_worker(tmp_path, colour, code, death):
    """By a crash, by a GPU that is lost after it, by a kill from outside: it is tried three times and failed; its
    neighbours are done and blamed for nothing, and the worker works.
    """
    with Stack(tmp_path, read_s=0.1) as stack:
        api = stack.start_api()
        worker = stack.start_worker(threads=3)
        deadly = api.upload(scan("deadly", colour=colour), "deadly.tiff")
        others = [api.upload(scan(*(f"{n} {page}" for page in range(4)))) for n in range(3)]
        api.wait([deadly, *others])
        assert api.document(deadly)["state"] == "failed"
        truth = stack.truth()
        point = truth.store.get([PageKey("default", deadly, 1)])[0]
        neighbours = [p for one in others for p in truth.store.scan("default", document_ids=[one])]
        truth.close()
        assert point.error_code == code
        if code == "reader_crashed":
            assert point.attempts == 3
            assert worker.deaths == [death] * 3
        assert {p.state.value for p in neighbours} == {"done"}
        # Beside it once at most: after that it is read alone.
        assert max(p.attempts + p.interruptions for p in neighbours) <= 2
        last = api.upload(scan("afterwards"))
        api.wait([last])
        assert api.document(last)["state"] == "done"
        stack.verify()


def test_documents_deleted_while_they_are_read(tmp_path, rng):
    """Nothing of them remains and nothing comes back, whatever was going on; others are read."""
    with Stack(tmp_path, read_s=0.05) as stack:
        first, second = stack.start_api("a1"), stack.start_api("a2")
        for name in ("w1", "w2"):
            stack.start_worker(name)
        until(lambda: len(stack.workers()) == 2, "workers are there")
        kept = first.upload(book(0))
        gone = []
        for number in range(1, 40 if LONG else 12):
            document = first.upload(book(number))
            time.sleep(rng.uniform(0.0, 0.6))
            response = rng.choice([first, second]).http.delete(f"/v1/documents/{document}")
            assert response.status_code == 200, response.text
            gone.append(document)
        first.wait([kept])
        until(stack.queue_is_empty, "the queue is empty")

        def only_what_is_kept():
            truth = stack.truth()
            try:
                assert {p.key.document_id for p in truth.store.scan(None)} == {kept}
                assert [entry.manifest.document_id for entry in truth.catalog.entries(None)] == [kept]
                assert len(list(truth.blobs.blobs())) == 1
            finally:
                truth.close()
            return True

        until(only_what_is_kept, "the last reading that was under way has ended")
        time.sleep(3)
        only_what_is_kept()
        for one in gone:
            for api in (first, second):
                assert api.http.get(f"/v1/documents/{one}").status_code == 404
        stack.verify()


def test_the_same_file_many_times_at_once(tmp_path):
    """Fifty uploads over two API processes: one document, each page read once."""
    with Stack(tmp_path) as stack:
        apis = [stack.start_api("a1"), stack.start_api("a2")]
        for name in ("w1", "w2"):
            stack.start_worker(name)
        content, ids, failures = book(1), [], []

        def upload(api):
            try:
                with httpx.Client(base_url=api.url, timeout=60, trust_env=False) as client:
                    response = client.post("/v1/documents", files={"file": ("scan.tiff", content)})
                ids.append(response.json()["id"])
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=upload, args=(apis[n % 2],)) for n in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_S)
        assert not failures
        assert len(ids) == 50
        assert len(set(ids)) == 1
        apis[0].wait(ids[:1])
        until(stack.queue_is_empty, "the queue is empty")
        reads = stack.reads()
        assert len(reads) == PAGES_OF_A_DOCUMENT
        assert set(reads.values()) == {1}
        assert stack.verify().documents == 1


def test_disk_full(tmp_path):
    """507, nothing acknowledged and nothing kept; with room again uploads go on without a restart."""
    disk = os.statvfs(tmp_path)
    free = disk.f_bavail * disk.f_frsize
    # Wide, since other programs come and go on the same disk.
    margin = min(1 << 30, free // 8)
    spare = free - margin
    with Stack(tmp_path, folioscope_min_free_bytes=spare) as stack:
        api = stack.start_api()
        stack.start_worker()
        before = api.upload(book(1))
        api.wait([before])
        filler = tmp_path / "filler"
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 2 * margin)
        response = api.http.post("/v1/documents", files={"file": ("scan.tiff", book(2))})
        assert (response.status_code, response.json()["code"]) == (507, "storage_full")
        assert len(api.http.get("/v1/documents").json()["items"]) == 1
        assert not list((stack.data / "incoming").iterdir())
        assert api.document(before)["state"] == "done"
        filler.unlink()
        after = api.upload(book(2))
        api.wait([after])
        assert stack.verify().documents == 2
