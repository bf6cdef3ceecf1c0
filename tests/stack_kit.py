"""The full stack as local processes: Redis, an index server, API processes and Celery workers, all real but the
reading engine (`tests/stack_service.py`). Each can be killed, stopped and started again on its own.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import httpx
from PIL import Image, ImageDraw

from tests import stack_service
from tests.qdrant_helper import QdrantHelper
from tests.stack_redis import RedisServer, free_port
from worker import maintenance, wiring
from worker.broker import Broker
from worker.settings import Settings
from worker.stack import celery_config

ROOT = Path(__file__).parent.parent
DEADLINE_S = 240


def scan(*texts, colour=(255, 255, 255)):
    """A TIFF with a page for each text. `colour` is of all first pixels; some are deadly."""
    pages = []
    for text in texts:
        page = Image.new("RGB", (200, 120), (255, 255, 255))
        ImageDraw.Draw(page).text((10, 10), text, fill=0)
        page.putpixel((0, 0), colour)
        pages.append(page)
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    return buffer.getvalue()


class Process:
    """A process of ours, with what it said in a file; started again after its death while `supervised`, as Docker
    does."""

    def __init__(self, command, environment, log: Path, *, supervised):
        self._command = command
        self._environment = environment
        self.log = log
        self._supervised = supervised
        self.deaths: list[int] = []
        self._guard = threading.Lock()
        self._ended = False
        self.process = None
        self._start()
        threading.Thread(target=self._supervise, daemon=True).start()

    def _start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env=self._environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )

    def _supervise(self):
        while True:
            code = self.process.wait()
            with self._guard:
                if self._ended:
                    return
                self.deaths.append(code)
                if not self._supervised:
                    return
                self._start()

    def kill(self, number=signal.SIGKILL):
        with self._guard:  # not while the next one is being started
            self.process.send_signal(number)

    def end(self, number=signal.SIGTERM, timeout=120):
        """Ended and not started again; the exit code."""
        with self._guard:
            self._ended = True
            process = self.process
        if process.poll() is None:
            process.send_signal(number)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise

    def said(self):
        return self.log.read_text(errors="replace")


class Stack:
    """`with Stack(tmp_path) as stack`. Nothing runs at first but Redis and the index server."""

    def __init__(self, root: Path, *, read_s=0.02, housekeeping_s=4.0, vision=False, grpc=False, **environment):
        self.root = root
        self.data = root / "data"
        self.reads_file = root / "reads"
        self._hold_dir = root / "hold"
        self.redis = RedisServer(root / "redis", password="stack secret")
        self.index = QdrantHelper(root / "qdrant", grpc=grpc)
        self.processes: dict[str, Process] = {}
        self._environment = {
            "FOLIOSCOPE_DATA_DIR": str(self.data),
            "FOLIOSCOPE_HOUSEKEEPING_S": str(housekeeping_s),
            "FOLIOSCOPE_MIN_FREE_BYTES": "0",
            "FOLIOSCOPE_REQUESTS_PER_MINUTE": "0",
            "FOLIOSCOPE_PAGE_PIXELS": "100000",
            "FOLIOSCOPE_JUDGE": "false",
            "STACK_READ_S": str(read_s),
            "STACK_READS": str(self.reads_file),
            "STACK_HOLD": str(self._hold_dir),
            **({"STACK_VISION": "1"} if vision else {}),
            **{name.upper(): str(value) for name, value in environment.items()},
        }

    def __enter__(self):
        self._hold_dir.mkdir(parents=True, exist_ok=True)
        self.redis.start()
        self.index.start()
        return self

    def __exit__(self, *failure):
        for process in self.processes.values():
            with_said = process.said()[-4000:] if failure[0] else ""
            try:
                process.end(signal.SIGKILL)
            finally:
                if with_said:
                    print(f"--- {process.log.name}\n{with_said}")
        self.index.stop()
        self.redis.stop()

    @property
    def stack_environment(self):
        return self._environment | {
            "FOLIOSCOPE_BROKER_URL": f"redis://127.0.0.1:{self.redis.port}/0",
            "FOLIOSCOPE_BROKER_PASSWORD": self.redis.password,
            **self.index.environment,
        }

    def settings(self):
        """Of this stack, for calls in the test's own process."""
        values = {
            name.removeprefix("FOLIOSCOPE_").lower(): value
            for name, value in self.stack_environment.items()
            if name.startswith("FOLIOSCOPE_")
        }
        return Settings(**values)

    def _process_environment(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FOLIOSCOPE_")}
        return environment | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"} | self.stack_environment

    def start(self, name, *command, supervised=True, module="tests.stack_service"):
        process = Process(
            [sys.executable, "-m", module, *command],
            self._process_environment(),
            self.root / f"{name}.log",
            supervised=supervised,
        )
        self.processes[name] = process
        return process

    def start_worker(self, name="w1", *, queues="housekeeping,read.cpu", threads=2, supervised=True):
        arguments = ("worker", "--name", name, "--queues", queues, "--threads", str(threads))
        return self.start(name, *arguments, supervised=supervised)

    def start_api(self, name="api", *, wait=True):
        port = free_port()
        self.start(name, "serve", "--port", str(port))
        api = Api(f"http://127.0.0.1:{port}")
        if wait:
            until(api.ready, "the API is ready")
        return api

    def workers(self):
        """Names of the workers that say that they are there."""
        with self._broker() as broker:
            return {worker.name for worker in broker.workers()}

    def queue_is_empty(self):
        """Whether no message waits and no job runs."""
        with self._broker() as broker:
            return not broker.depth() and not any(worker.jobs for worker in broker.workers())

    @contextmanager
    def _broker(self):
        broker = Broker(celery_config(self.settings()).broker_url)
        try:
            yield broker
        finally:
            broker.close()

    def reads(self):
        """How often each page was begun to be read, by the hash of its pixels."""
        return Counter(self.reads_file.read_text().split()) if self.reads_file.exists() else Counter()

    def hold(self, what, after=0):
        """From now on no reading (`read`) or decoding (`decode`) comes to its end but the next `after`, until
        `release`."""
        self._say(what, str(self.begun(what) + after))

    def release(self, what):
        (self._hold_dir / what).unlink()

    def pace(self, seconds):
        """From now on a reading takes so long."""
        self._say("pace", str(seconds))

    def begun(self, what):
        """How many readings or decodings were begun."""
        path = self.reads_file if what == "read" else self._hold_dir / f"{what}.begun"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def _say(self, what, text):
        new = self._hold_dir / f"{what}.new"
        new.write_text(text)
        new.replace(self._hold_dir / what)

    def verify(self):
        """`folioscope verify` finds nothing, and everything is read."""
        done = subprocess.run(
            [sys.executable, "-m", "tests.stack_service", "verify"],
            env=self._process_environment(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with light_models():
            result = maintenance.verify(self.settings())
        assert result.findings == ()
        assert result.unfinished == 0
        return result

    def texts(self):
        """Text of every page by document and page: the stored points, each once."""
        truth = self.truth()
        try:
            points = list(truth.store.scan(None, with_content=True))
            found = {(point.key.document_id, point.key.page): point.text for point in points}
            assert len(found) == len(points), "a page has two points"
            return found
        finally:
            truth.close()

    def truth(self):
        with light_models():
            return wiring.open_truth(self.settings())


@contextmanager
def light_models():
    """The stub engine and embedder in this process, for a moment."""
    before = wiring.build_engine, wiring.build_embedder_for
    stack_service.use_light_models()
    try:
        yield
    finally:
        wiring.build_engine, wiring.build_embedder_for = before


class Api:
    """One API process."""

    def __init__(self, url):
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def ready(self):
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def upload(self, content, filename="scan.tiff"):
        response = self.http.post("/v1/documents", files={"file": (filename, content)})
        assert response.status_code == 202, (response.status_code, response.text)
        return response.json()["id"]

    def document(self, document_id):
        response = self.http.get(f"/v1/documents/{document_id}")
        assert response.status_code == 200, (response.status_code, response.text)
        return response.json()

    def pages(self, document_id):
        return self.document(document_id)["pages"]

    def settled(self, document_ids):
        """Whether nothing of these documents is still to be done."""
        return all(self.document(one)["state"] not in {"accepted", "reading"} for one in document_ids)

    def wait(self, document_ids, seconds=DEADLINE_S):
        until(lambda: self.settled(document_ids), "everything is read", seconds, pause=0.2)


def until(condition, what, seconds=DEADLINE_S, *, pause=0.05):
    """Until the condition holds. Errors of the moment (503 while something is down) count as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
            last = "no"
        except (AssertionError, httpx.HTTPError) as error:
            last = error
        assert time.monotonic() < deadline, f"waited {seconds} s until {what}: {last}"
        time.sleep(pause)
