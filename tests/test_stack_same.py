"""One process or many: the same requests get the same answers, over Qdrant Edge and threads of one process, and over a
Qdrant server and Celery workers.
"""

from __future__ import annotations

import io
import os
import random
import re
import signal
import sys
import zipfile

import pymupdf
import pytest

from tests.stack_kit import Api, Process, Stack, scan, until
from tests.stack_redis import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
# What differs between any two runs.
MOMENTS = {"created_at", "updated_at", "deleted_at", "took_ms", "timings_ms", "request_id"}


class Embedded:
    """One process that does all."""

    def __init__(self, root):
        self.root = root
        self.process = None

    def __enter__(self):
        port = free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FOLIOSCOPE_")}
        environment |= {
            "OMP_NUM_THREADS": "1",
            "FOLIOSCOPE_DATA_DIR": str(self.root / "data"),
            "FOLIOSCOPE_MIN_FREE_BYTES": "0",
            "FOLIOSCOPE_REQUESTS_PER_MINUTE": "0",
            "FOLIOSCOPE_PAGE_PIXELS": "100000",
            "FOLIOSCOPE_JUDGE": "false",
            "STACK_READ_S": "0.02",
        }
        self.root.mkdir()
        command = [sys.executable, "-m", "tests.stack_service", "serve", "--port", str(port)]
        self.process = Process(command, environment, self.root / "log", supervised=False)
        self.api = Api(f"http://127.0.0.1:{port}")
        until(self.api.ready, "the service is ready")
        return self

    def __exit__(self, *failure):
        if failure[0]:
            print(self.process.said()[-4000:])
        self.process.end(signal.SIGTERM)


class Full(Stack):
    """Two API processes, which are asked by turns, and two workers."""

    def __enter__(self):
        super().__enter__()
        self.api = self.start_api("a1")
        self.other = self.start_api("a2")
        for name in ("w1", "w2"):
            self.start_worker(name)
        until(lambda: len(self.workers()) == 2, "workers are there")
        return self


def locked_pdf():
    """Bytes that are the same every time are asked of the caller: encryption draws random numbers."""
    with pymupdf.open() as file:
        file.new_page(width=200, height=100).insert_text((10, 50), "locked")
        return file.tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="sesame", owner_pw="owner")


def archive(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def plain(value):
    """An answer without what differs between any two runs."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items() if key not in MOMENTS}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


def alike(here, there):
    """Equal, but for the second digit of scores: how rare a word is counts pages that were deleted lately in one of the
    two indexes, until it is next tidied up."""
    if isinstance(here, dict) and isinstance(there, dict):
        return here.keys() == there.keys() and all(alike(here[key], there[key]) for key in here)
    if isinstance(here, list | tuple) and isinstance(there, list | tuple):
        return len(here) == len(there) and all(map(alike, here, there))
    if isinstance(here, float) and isinstance(there, float):
        return abs(here - there) < 0.02
    return here == there


class Told:
    """Sends requests, of the full stack to both API processes, and writes down what comes."""

    def __init__(self, service):
        self._apis = [service.api, getattr(service, "other", service.api)]
        self._turn = 0
        self.answers = []

    def ask(self, method, path, **options):
        self._turn += 1
        response = self._apis[self._turn % 2].http.request(method, path, **options)
        kind = response.headers["content-type"].partition(";")[0]
        body = plain(response.json()) if kind.endswith("json") else response.content
        self.answers.append((method, path, response.status_code, kind, body))
        return response

    def upload(self, content, name, **fields):
        response = self.ask("POST", "/v1/documents", files={"file": (name, content)}, data=fields)
        if response.status_code == 202:
            document = response.json()["id"]
            # A document that was just accepted may be read already, or not.
            self.answers[-1] = (*self.answers[-1][:4], document)
            self.settle(document)
            return document
        return None

    def settle(self, document):
        def settled():
            one = self._apis[0].document(document)
            return one["state"] not in {"accepted", "reading"} and self._apis[0].settled(
                member["document_id"] for member in one["members"]
            )

        until(settled, "everything is read")


def scenario(told, contents):
    """Uploads that succeed and fail, an archive, searches, pages, deletions."""
    letters = [told.upload(content, f"letter-{number}.tiff") for number, content in enumerate(contents["letters"])]
    told.upload(contents["letters"][0], "again.tiff")
    locked = told.upload(contents["locked"], "locked.pdf")
    told.ask("GET", f"/v1/documents/{locked}")
    told.upload(contents["locked"], "locked.pdf", password="wrong")
    told.upload(contents["locked"], "locked.pdf", password="sesame", text_layer="never")
    until(lambda: told._apis[0].document(locked)["state"] == "done", "the password opens it")
    box = told.upload(contents["archive"], "box.zip")
    told.upload(contents["broken"], "broken.pdf")
    told.upload(b"MZ of some program", "program.exe")
    for document in (*letters, locked, box, "00000000-0000-5000-8000-000000000000", "nonsense"):
        told.ask("GET", f"/v1/documents/{document}")
    for page in (0, 1, 2, 9):
        told.ask("GET", f"/v1/documents/{letters[0]}/pages/{page}")
    told.ask("GET", f"/v1/documents/{letters[0]}/pages/1/image")
    members = [one["document_id"] for one in told._apis[0].document(box)["members"]]
    words = told._apis[0].http.get(f"/v1/documents/{letters[1]}/pages/1").json()["text"].split()
    for query in ("page", words[1], f'"{words[1]}"', "nothing of the kind", ""):
        told.ask("POST", "/v1/search", json={"query": query, "limit": 20})
    told.ask(
        "POST", "/v1/search", json={"query": "page", "limit": 2, "filter": {"document_ids": [letters[0], members[0]]}}
    )
    told.ask("POST", "/v1/answers", json={"question": f"Which page is {words[1]}?"})
    told.ask("DELETE", f"/v1/documents/{letters[0]}")
    told.ask("DELETE", f"/v1/documents/{letters[0]}")
    told.ask("GET", f"/v1/documents/{letters[0]}/pages/1")
    told.ask("POST", "/v1/search", json={"query": "page", "limit": 20})
    told.ask("DELETE", f"/v1/documents/{box}")
    told.ask("GET", f"/v1/documents/{members[0]}")
    back = told.upload(contents["letters"][0], "letter-0.tiff")
    assert back == letters[0]
    told.ask("GET", f"/v1/documents/{back}")
    listed = told.ask("GET", "/v1/documents").json()["items"]
    assert {one["id"] for one in listed} >= {*letters, locked}


def test_the_same_requests_get_the_same_answers(tmp_path):
    """Status, content type and body of every answer but for moments: over one process, and over two APIs and two
    workers whose index is asked over gRPC."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    contents = {
        "letters": [scan(f"letter {n} of {seed}", f"its second page, {n}") for n in range(3)],
        "locked": locked_pdf(),
        "archive": archive(a__one=scan("in a folder"), b__two=scan("in another", "two"), c__note="no document"),
        "broken": b"%PDF-1.7\nnothing that is one",
    }
    answers = []
    for service in (Embedded(tmp_path / "one"), Full(tmp_path / "many", grpc=True)):
        with service:
            told = Told(service)
            scenario(told, contents)
            answers.append(told.answers)
    one, many = answers
    assert len(one) == len(many) > 35
    for here, there in zip(one, many, strict=True):
        if not alike(here, there):
            assert here == there
    statuses = {status for _, _, status, _, _ in one}
    assert {200, 202, 404, 422} <= statuses
    assert not re.search(r"5\d\d", " ".join(map(str, statuses)))
