"""A GPU's worker as a process, the real engine on a small random model: what it does with many documents at once."""

from __future__ import annotations

import io
import re

import pytest
from engine_deepseek_kit import checkpoint, page

from tests.stack_kit import Stack, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
DOCUMENTS = 12


def tiff(seed):
    buffer = io.BytesIO()
    page(seed, (500, 700)).save(buffer, "TIFF")
    return buffer.getvalue()


def work(path):
    """(seconds, what, number) of what the worker did."""
    for line in path.read_text().splitlines():
        at, what, number = line.split()
        yield float(at), what, int(number)


@pytest.mark.parametrize("room", [1000, 1])
def test_pages_of_many_documents_share_batches(tmp_path, room):
    """Documents of one page each are encoded and decoded together, and pages are rendered while others are decoded; a
    device with less room halves its batches and reads all of them too, each in one attempt."""
    with Stack(
        tmp_path,
        folioscope_engine="deepseek-ocr",
        folioscope_weights=checkpoint(),
        folioscope_device="cpu",
        folioscope_mode="tiny",
        folioscope_max_tokens=48,
        folioscope_slots=4,
        folioscope_read_queue="read.gpu",
        stack_work=tmp_path / "work",
        stack_room=room,
    ) as stack:
        api = stack.start_api()
        documents = [api.upload(tiff(number)) for number in range(DOCUMENTS)]
        stack.start_worker("keeper", queues="housekeeping")  # opens them
        until(lambda: all(api.pages(one)["total"] for one in documents), "all pages wait")
        module, arguments = "tests.stack_gpu_service", ("worker", "--name", "gpu", "--queues", "decode,read.gpu")
        worker = stack.start("gpu", *arguments, "--threads", "6", module=module)
        api.wait(documents)
        assert all(api.document(one)["state"] == "done" for one in documents)
        until(stack.queue_is_empty, "the queue is empty")
        truth = stack.truth()
        points = list(truth.store.scan(None))
        truth.close()
        assert {(point.attempts, point.reader.engine) for point in points} == {(1, "deepseek-ocr")}
        stack.verify()
        done = list(work(tmp_path / "work"))
    batches = [number for _, what, number in done if what == "encode"]
    rows = [number for _, what, number in done if what == "step"]
    assert max(rows) > 1, "pages of several documents are decoded in the same steps"
    assert max(batches) > 1, "and encoded in the same batches"
    fitting = [number for number in batches if number <= room]
    assert sum(fitting) >= DOCUMENTS
    if room < 1000:
        assert any(number > room for number in batches), "more came than there was room for"
        assert not re.search(r"ERROR|Traceback", worker.said())
    # Between the steps of others.
    steps = [at for at, what, _ in done if what == "step"]
    rendered = [at for at, what, _ in done if what == "rendered"]
    assert sum(steps[0] < at < steps[-1] for at in rendered) >= DOCUMENTS // 3
