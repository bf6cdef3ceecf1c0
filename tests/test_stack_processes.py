"""The full stack as processes, undisturbed: several APIs and workers on one archive, persons who wait, and worker
processes that end themselves."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from index.errors import Conflict, NotFound, StoreUnavailable, Unavailable
from index.types import PageKey
from tests.stack_kit import ROOT, Stack, scan, until
from worker import wiring
from worker.engine.prompts import Prompt, Task
from worker.settings import Settings
from worker.stack import remote_decoder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_processes_see_each_other(tmp_path):
    """What one API accepts the other lists at once; a late password is used; what is deleted is gone for all of them
    and can be uploaded again."""
    with Stack(tmp_path) as stack:
        first, second = stack.start_api("a1"), stack.start_api("a2")
        stack.start_worker()
        document = first.upload(scan("one", "two"))
        assert second.document(document)["id"] == document
        second.wait([document])
        found = second.http.post("/v1/search", json={"query": "page"}).json()
        assert {hit["document_id"] for hit in found["hits"]} == {document}
        assert second.http.delete(f"/v1/documents/{document}").status_code == 200
        assert first.http.get(f"/v1/documents/{document}").status_code == 404
        assert first.upload(scan("one", "two")) == document
        second.wait([document])
        assert second.pages(document)["done"] == 2

        locked, name = (ROOT / "tests" / "data" / "locked.pdf"), "locked.pdf"
        content = locked.read_bytes() if locked.exists() else _locked_pdf()
        document = first.upload(content, name)
        first.wait([document])
        assert first.document(document)["failure"]["code"] == "encrypted"
        response = second.http.post(
            "/v1/documents", files={"file": (name, content)}, data={"password": "sesame", "text_layer": "never"}
        )
        assert response.status_code == 202
        until(lambda: first.document(document)["state"] == "done", "the password opens it")
        stack.verify()


def _locked_pdf():
    import pymupdf

    with pymupdf.open() as file:
        file.new_page(width=200, height=100).insert_text((10, 50), "locked")
        return file.tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="sesame", owner_pw="owner")


def test_an_embedded_service_stays_out(tmp_path):
    """While the stack runs, no embedded service opens its data directory, and the stack none of a running one."""
    with Stack(tmp_path) as stack:
        stack.start_api()
        with pytest.raises(StoreUnavailable) as error, wiring.open_service(Settings(data_dir=stack.data)):
            pass
        assert error.value.code == "data_dir_in_use"


def test_a_person_waits_for_a_worker(tmp_path):
    """Decoding by a worker before all bulk work: the whole answer, errors as they are, 503 at once without a worker."""
    with Stack(tmp_path, vision=True, read_s=0.1) as stack:
        api = stack.start_api()
        decoder = remote_decoder(stack.settings())
        stack.start_worker("reader")
        done = api.upload(scan("page"))
        api.wait([done])
        key = PageKey("default", done, 1)
        with pytest.raises(Unavailable) as error:
            decoder.decode(key, Prompt())
        assert error.value.code == "no_decoder"
        start = time.monotonic()
        refused = api.http.post(f"/v1/documents/{done}/pages/1/decode", json={"task": "text"})
        assert (refused.status_code, refused.json()["code"]) == (503, "no_decoder")
        assert int(refused.headers["retry-after"]) > 0
        assert time.monotonic() - start < 60

        stack.start_worker("gpu", queues="decode,read.gpu")
        until(lambda: "gpu" in stack.workers(), "the decoder is there")
        stack.pace(0.5)  # a minute's work would lie before it
        bulk = api.upload(scan(*(f"bulk {n}" for n in range(240))))
        until(lambda: api.pages(bulk)["done"] > 0, "bulk reading is under way")
        answer = decoder.decode(key, Prompt(Task.LOCATE, "two words"))
        assert answer.text.startswith("locate two words: ")
        assert api.pages(bulk)["pending"] > 0
        stack.pace(0)
        with pytest.raises(NotFound):
            decoder.decode(PageKey("default", done, 2), Prompt())
        with pytest.raises(NotFound):
            decoder.decode(PageKey("other", done, 1), Prompt())
        with pytest.raises(Exception, match="our bug"):
            decoder.decode(key, Prompt(Task.FREE, "bug"))

        stack.processes["gpu"].end(signal.SIGKILL)
        until(lambda: _code(decoder, key) == "no_decoder", "the dead worker is forgotten")
        api.wait([bulk])
        stack.verify()


def _code(decoder, key):
    try:
        decoder.decode(key, Prompt())
    except (Unavailable, Conflict) as error:
        return error.code
    return None


def test_a_worker_is_asked_to_end(tmp_path):
    """It ends its pages, takes no more, leaves nothing claimed, and exits with 0; another goes on at once."""
    with Stack(tmp_path, read_s=1.0) as stack:
        stack.hold("read")
        api = stack.start_api()
        worker = stack.start_worker("w1", supervised=False)
        document = api.upload(scan(*(f"page {n}" for n in range(12))))
        until(lambda: len(stack.reads()) >= 2, "it reads")
        worker.kill(signal.SIGTERM)
        stack.release("read")
        assert worker.process.wait(240) == 0
        assert "w1" not in stack.workers()
        assert not list((stack.data / "claims").iterdir())
        assert api.pages(document)["pending"] > 0
        stack.pace(0)
        stack.start_worker("w2")
        api.wait([document])
        # Nothing was cut off, so nothing was read twice.
        assert set(stack.reads().values()) == {1}
        stack.verify()


def test_a_worker_that_hangs_or_grows_is_replaced(tmp_path):
    """A job over the limit counts as a crash and fails after three; a worker above its memory ends in order."""
    with Stack(tmp_path, read_s=60, folioscope_job_timeout_s=2) as stack:
        api = stack.start_api()
        worker = stack.start_worker()
        document = api.upload(scan("endless"))
        until(lambda: api.document(document)["state"] == "failed", "three attempts hang", pause=0.3)
        assert worker.deaths[:3] == [70, 70, 70]
        [failure] = api.document(document)["page_failures"]
        assert failure["code"] == "reader_crashed"
    with Stack(tmp_path / "memory", folioscope_worker_memory_bytes=1 << 20) as stack:
        worker = stack.start_worker()
        until(lambda: worker.deaths, "it ends")
        assert worker.deaths[0] == 0
        assert "MiB are in use" in worker.said()


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["worker"], {}, "FOLIOSCOPE_BROKER_URL is not set"),
        (["worker", "--queues", "read.tpu"], {"FOLIOSCOPE_BROKER_URL": "redis://127.0.0.1:1"}, "no queue read.tpu"),
        (["worker"], {"FOLIOSCOPE_BROKER_URL": "nonsense"}, "no URL of a Redis"),
        (["health", "worker"], {"FOLIOSCOPE_BROKER_URL": "redis://127.0.0.1:1"}, "broker does not answer"),
        (["health", "api", "--url", "http://127.0.0.1:1"], {}, "does not answer"),
    ],
)
def test_wrong_settings_are_one_line(tmp_path, arguments, environment, said):
    """Exit code 1 and a line that says what to do."""
    result = subprocess.run(
        [sys.executable, "-m", "api.cli", *arguments],
        env={"PATH": "/usr/bin:/bin", "FOLIOSCOPE_DATA_DIR": str(tmp_path), **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
