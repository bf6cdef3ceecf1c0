"""What an administrator sees and does: the overview, and reading again what failed, over a real library."""

from __future__ import annotations

import threading

import pytest

from index.errors import Unavailable
from index.store import PageUpdate
from index.types import PageState
from tests.access_kit import ADMIN, READ, WRITE, KeyedApi
from tests.api_kit import UNKNOWN_ID, assert_problem, wait_for
from tests.cli_kit import fake_cli
from tests.ingest_kit import zip_bytes
from tests.kit import TENANT, Archive, pdf
from worker.broker import WorkerFacts
from worker.jobs import now
from worker.queue import Expand, Read
from worker.queue_local import LocalQueue


@pytest.fixture
def archive(tmp_path):
    made = Archive(tmp_path)
    yield made
    made.close()


def state(archive, document_id, page):
    return archive.library.page(TENANT, document_id, page)[1].state


def test_failed_pages_are_read_again(archive):
    """Three more tries for what failed; what is done is not touched, and page numbers stay."""
    archive.engine.fail = {"Two.": [RuntimeError("broken")] * 4}
    document = archive.upload(pdf("One.", "Two.", "Three."))
    archive.settle()
    assert [state(archive, document, n) for n in (1, 2, 3)] == ["done", "failed", "done"]
    asked = archive.library.read_again(TENANT, document)
    assert (asked.pages, asked.documents) == (1, 0)
    assert state(archive, document, 2) is PageState.PENDING
    archive.settle()
    assert archive.texts(document) == ["One.", "Two.", "Three."]
    assert archive.engine.reads["One."] == 1
    assert archive.library.read_again(TENANT, document).pages == 0


def test_everything_is_read_again_on_request(archive):
    """Pages that are done too; of a page that waits already nothing is lost."""
    document = archive.upload(pdf("One.", "Two."))
    archive.settle()
    assert archive.library.read_again(TENANT, document, 2).pages == 0
    assert archive.library.read_again(TENANT, document, 2, everything=True).pages == 1
    assert archive.library.read_again(TENANT, document, 2, everything=True).pages == 0
    assert archive.library.read_again(TENANT, document, everything=True).pages == 1
    archive.settle()
    assert (archive.engine.reads["One."], archive.engine.reads["Two."]) == (2, 2)
    assert archive.texts(document) == ["One.", "Two."]


def test_what_was_read_meanwhile_stays_read(archive):
    """Between the look and the change somebody else reads the page: its text is not thrown away."""
    archive.engine.fail = {"Two.": [RuntimeError("broken")] * 3}
    document = archive.upload(pdf("One.", "Two."))
    archive.settle()
    scan = archive.store.scan

    def overtaken(*where, **more):
        found = list(scan(*where, **more))
        archive.store.update([PageUpdate(point.key, now(), state=PageState.PENDING, attempts=0) for point in found])
        archive.jobs.run(Read(found[0].key))
        return found

    archive.store.scan = overtaken
    assert archive.library.read_again(TENANT, document).pages == 0
    assert archive.texts(document) == ["One.", "Two."]
    assert archive.engine.reads["Two."] == 4


def test_sending_the_same_bytes_again_overtakes_nobody_either(archive):
    """The other way of asking for another try is as careful."""
    archive.engine.fail = {"Two.": [RuntimeError("broken")] * 3}
    content = pdf("One.", "Two.")
    document = archive.upload(content)
    archive.settle()
    archive.upload(content)
    archive.settle()
    assert archive.texts(document) == ["One.", "Two."]


def test_a_file_that_did_not_open_is_opened_again(archive):
    """Its document is looked into once more."""
    document = archive.upload(pdf("!broken"))
    archive.settle()
    assert archive.view(document).split.error_code == "damaged"
    asked = archive.library.read_again(TENANT, document)
    assert (asked.pages, asked.documents) == (0, 1)
    assert archive.rung == [Expand(TENANT, document)]


@pytest.fixture
def api(tmp_path):
    made = KeyedApi(tmp_path)
    yield made
    made.archive.close()


def test_the_overview_counts_all_and_names_ones_own(api):
    """Numbers of all tenants; failed pages and files of the key's own tenant, with what went wrong."""
    ours, theirs = api.key("ours"), api.key("theirs")
    for headers, name in ((ours, "ours.pdf"), (theirs, "theirs.pdf")):
        api.post("/v1/documents", files={"file": (name, pdf(f"Good {name}.", "!page_too_large"))}, headers=headers)
        api.post("/v1/documents", files={"file": (f"torn-{name}", pdf("!broken", name))}, headers=headers)
    api.post("/v1/documents", files={"file": ("unopened.pdf", pdf("!broken"))}, headers=ours)
    api.archive.settle()
    told = api.get("/v1/admin/overview", headers=api.key("ours", ADMIN))
    assert told.status_code == 200, told.text
    assert "theirs" not in told.text
    seen = told.json()
    assert seen["documents"] == 5
    assert seen["pages"]["failed"] == sum(one["pages"] for one in seen["failures"]["codes"])
    assert {"code": "page_too_large", "pages": 2} in seen["failures"]["codes"]
    listed = {(one["filename"], one["page"], one["code"]) for one in seen["failures"]["pages"]}
    assert ("ours.pdf", 2, "page_too_large") in listed
    assert [one["code"] for one in seen["failures"]["documents"]] == ["damaged"]
    assert seen["engine"] == "fake@1"


def test_a_failed_member_is_named_with_its_archive(api):
    """Many archives hold a `scan.pdf`: the paths say which of them it is, for files and for pages."""
    members = {"1911/torn.pdf": pdf("!broken"), "1911/huge.pdf": pdf("Good.", "!page_too_large")}
    api.post("/v1/documents", files={"file": ("box.zip", zip_bytes(members))}, headers=api.key("ours"))
    api.archive.settle()
    seen = api.get("/v1/admin/overview", headers=api.key("ours", ADMIN)).json()
    assert (seen["documents"], seen["uploaded"]) == (3, 1)
    failures = seen["failures"]
    assert [one["paths"] for one in failures["documents"]] == [["box.zip/1911/torn.pdf"]]
    assert [one["paths"] for one in failures["pages"]] == [["box.zip/1911/huge.pdf"]]


def test_who_may_see_and_who_may_ask(api):
    """The overview takes the admin scope alone, reading again the write scope alone."""
    assert_problem(api.get("/v1/admin/overview", headers=api.key("ours", READ | WRITE)), 403, "scope_missing")
    path = f"/v1/documents/{UNKNOWN_ID}/read-again"
    assert_problem(api.request("POST", path, headers=api.key("ours", READ | ADMIN)), 403, "scope_missing")
    assert_problem(api.request("POST", path, headers=api.key("ours", WRITE)), 404, "not_found")


def test_reading_again_over_http(api):
    """A page and a document, 202 with what is tried; the page of a document that is not opened yet is a conflict."""
    headers = api.key("again")
    sent = api.post(
        "/v1/documents", files={"file": ("a.pdf", pdf("One.", "!page_too_large", "Later."))}, headers=headers
    )
    path = f"/v1/documents/{sent.json()['id']}"
    early = api.request("POST", f"{path}/pages/1/read-again", headers=headers)
    assert_problem(early, 409, "not_ready")
    api.archive.settle()
    assert_problem(api.request("POST", f"{path}/pages/9/read-again", headers=headers), 404, "not_found")
    for address, pages in (("pages/1/read-again", 0), ("pages/2/read-again", 1), ("read-again?all=true", 2)):
        answer = api.request("POST", f"{path}/{address}", headers=headers)
        assert (answer.status_code, answer.json()["pages"]) == (202, pages), address
    api.archive.settle()
    assert api.get(path, headers=headers).json()["state"] == "partial"


def steps(api, headers, **params):
    """All steps through what failed: (pages, files) of each."""
    told = []
    cursor = {}
    for _ in range(50):
        answer = api.request("POST", "/v1/read-again", headers=headers, params={**params, **cursor})
        assert answer.status_code == 202, answer.text
        step = answer.json()
        told.append((step["pages"], step["documents"]))
        if step["next_cursor"] is None:
            return told
        cursor = {"cursor": step["next_cursor"]}
    raise AssertionError(told)


def test_all_that_failed_is_read_again_in_steps(api):
    """Every failed page and every file that did not open, of the key's tenant alone; each once, though they fail again
    while the steps go on.
    """
    ours, theirs = api.key("ours"), api.key("theirs")
    for headers in (ours, theirs):
        for number in range(3):
            texts = [f"Good {number}.", *(f"!page_too_large {number} {page}" for page in range(3))]
            api.post("/v1/documents", files={"file": (f"{number}.pdf", pdf(*texts))}, headers=headers)
            torn = b"PK\x03\x04" + bytes([number]) * 100
            api.post("/v1/documents", files={"file": ("torn.zip", torn)}, headers=headers)
    api.archive.settle()
    rung = []
    settle, api.archive.rung[:] = api.archive.settle, []
    first = api.request("POST", "/v1/read-again?limit=4", headers=ours).json()
    assert (first["pages"], first["documents"]) == (4, 0)
    rung += api.archive.rung
    settle()  # they fail again, and are not found by the next steps
    path, cursor = "/v1/read-again?limit=4&cursor=", first["next_cursor"]
    sums = [4, 0]
    while cursor:
        step = api.request("POST", path + cursor, headers=ours).json()
        sums = [sums[0] + step["pages"], sums[1] + step["documents"]]
        cursor = step["next_cursor"]
        rung += api.archive.rung
        settle()
    assert sums == [9, 3]
    assert len(set(rung)) == len(rung) == 12
    assert {job.key.tenant if isinstance(job, Read) else job.tenant for job in rung} == {"ours"}
    assert steps(api, ours, limit=1000) == [(9, 0), (0, 3)]
    assert steps(api, api.key("nobody")) == [(0, 0), (0, 0)]


def test_steps_that_make_no_sense(api):
    """A cursor of one's own making, a limit of nothing or of everything, and a key that may not write."""
    for cursor in ("x", "pages", "1_", "1_pages2", "nan_pages", "1e400_pages", "1_files-../x", "99999999999_pages"):
        refused = api.request("POST", "/v1/read-again", headers=api.key("ours"), params={"cursor": cursor})
        assert_problem(refused, 422, "invalid_request")
    for limit in (0, 1001):
        refused = api.request("POST", f"/v1/read-again?limit={limit}", headers=api.key("ours"))
        assert_problem(refused, 422, "invalid_request")
    assert_problem(api.request("POST", "/v1/read-again", headers=api.key("ours", READ)), 403, "scope_missing")


def test_the_threads_of_one_process_say_what_they_do(tmp_path):
    """Queues by what waits, threads by what runs and what they did."""
    gate, begun = threading.Event(), threading.Event()

    def run(_job):
        begun.set()
        gate.wait(120)

    queue = LocalQueue(run, readers=1)
    queue.start()
    try:
        archive = Archive(tmp_path)
        document = archive.upload(pdf("One.", "Two.", "Three."))
        archive.settle()
        keys = [archive.library.page(TENANT, document, n)[1].key for n in (1, 2, 3)]
        archive.close()
        queue.ring(map(Read, keys))
        assert begun.wait(90)
        inside = queue.inside("fake@1")
        assert {one.name: one.waiting for one in inside.queues} == {"open": 0, "read": 2}
        reader = next(one for one in inside.workers if one.name == "reader-0")
        assert (reader.queues, reader.engine, reader.jobs, reader.done) == (("read",), "fake@1", 1, 0)
        assert all(one.jobs == 0 for one in inside.workers if one is not reader)
        gate.set()
        wait_for(lambda: not queue.depth())
        assert next(one for one in queue.inside("x").workers if one.name == "reader-0").done == 3
    finally:
        gate.set()
        queue.close(timeout_s=60)
    assert queue.inside("x").workers == ()


def test_an_overview_without_its_broker():
    """The page of the full stack comes all the same, and says why it does not know more."""
    from worker.stack import _inside

    class Away:
        def seen(self):
            raise Unavailable("The message broker does not answer (ConnectionError).", code="broker_unavailable")

    class Here:
        def seen(self):
            return {"reader-1": 0.5}

        def depth(self, queues):
            return 4 if queues == ["read.cpu"] else 0

        def workers(self):
            return [WorkerFacts("reader-1", ("read.cpu",), "rapidocr@1", 2, 3.5, 40, 1 << 30)]

    assert _inside(Away()).problem.startswith("The message broker")
    inside = _inside(Here())
    assert {one.name: one.waiting for one in inside.queues}["read.cpu"] == 4
    assert (inside.workers[0].name, inside.workers[0].seen_s, inside.workers[0].memory_bytes) == (
        "reader-1",
        0.5,
        1 << 30,
    )


def test_read_again_on_the_command_line(capsys, monkeypatch, tmp_path):
    """Documents, or a page of one; ids that are unknown are told and make the exit code 3."""
    with fake_cli(capsys, monkeypatch, tmp_path / "data") as folioscope:
        (tmp_path / "a.pdf").write_bytes(b"one\ftwo")
        folioscope("add", tmp_path / "a.pdf")
        document = next(iter(folioscope.service.views))
        result = folioscope("read-again", document, UNKNOWN_ID)
        assert result.code == 3
        assert f"{document}: 2 pages will be read again" in result.out
        assert "There is no document" in result.err
        assert folioscope("read-again", document, "--page", "2", "--all", "--json").json["pages"] == 1
        assert folioscope.service.asked_again == [(document, None, False), (document, 2, True)]
        assert folioscope("read-again", document, document, "--page", "1").code == 2
        assert "200 pages and 3 files will be read again" in folioscope("read-again", "--failed").out
        assert folioscope("read-again", "--failed", "--json").json == {"pages": 200, "documents": 3, "lifted": 0}
        assert folioscope("read-again", "--failed", document).code == 2
        assert folioscope("read-again").code == 2
