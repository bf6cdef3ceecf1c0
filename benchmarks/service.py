"""The running service: memory when idle, memory while a file of 1 GB arrives, pages per second of text layers.

`python -m benchmarks.service [--gigabytes 1] [--pages 240]`. Starts `folioscope serve` with a data directory
of its own each time and talks HTTP to it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pymupdf

from benchmarks.report import publish, table

_MIB = 1 << 20
IDLE_TARGET_MIB, UPLOAD_TARGET_MIB, PAGES_TARGET = 1200, 50, 12.0


class Service:
    """One `folioscope serve` process."""

    def __init__(self, root: Path) -> None:
        environment = {**os.environ, "FOLIOSCOPE_DATA_DIR": str(root)}
        self.log = (root / "serve.log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "serve", "--port", "0"], env=environment, stdout=self.log, stderr=self.log
        )
        started = time.perf_counter()
        info = root / "service.json"
        while not info.exists():
            if self.process.poll() is not None:
                self.log.seek(0)
                raise RuntimeError(self.log.read())
            time.sleep(0.02)
        import json

        self.http = httpx.Client(base_url=json.loads(info.read_text())["url"], timeout=600)
        while True:
            with contextlib.suppress(httpx.TransportError):
                if self.http.get("/readyz").status_code == 200:
                    break
            time.sleep(0.02)
        self.start_s = time.perf_counter() - started

    def memory(self) -> tuple[float, float]:
        """Resident MiB of the service itself, and with its child processes."""
        own = _resident(self.process.pid)
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return own, own + sum(_resident(int(pid)) for task in tasks for pid in task.read_text().split())

    def wait(self, document: str) -> dict:
        while True:
            view = self.http.get(f"/v1/documents/{document}").json()
            if view["state"] not in {"accepted", "reading"}:
                return view
            time.sleep(0.2)  # about as often as a browser asks: each look counts pages, which reading waits for

    def upload(self, name: str, content: bytes | Iterator[bytes]) -> str:
        response = self.http.post(
            "/v1/documents", params={"filename": name}, content=content, headers={"content-type": "application/pdf"}
        )
        response.raise_for_status()
        return response.json()["id"]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def _resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


@contextlib.contextmanager
def service() -> Iterator[Service]:
    with tempfile.TemporaryDirectory() as root:
        running = Service(Path(root))
        try:
            yield running
        finally:
            running.stop()


def text_pdf(pages: int, words: int = 330) -> bytes:
    """A born-digital PDF; each page has other words."""
    vocabulary = (Path(__file__).parent.parent / "samples" / "truth.json").read_text().split()
    vocabulary = [word for word in vocabulary if word.isalpha()]
    document = pymupdf.open()
    for page in range(pages):
        body = " ".join(vocabulary[(page * 131 + n * 7) % len(vocabulary)] for n in range(words))
        sheet = document.new_page()
        sheet.insert_text((56, 60), f"Report {page + 1}", fontsize=16)
        sheet.insert_textbox(pymupdf.Rect(56, 80, 540, 800), body, fontsize=10.5)
    return document.tobytes()


def scanned_pdf(pages: int) -> bytes:
    """The same pages as pictures without a text layer."""
    born_digital = pymupdf.open(stream=text_pdf(pages), filetype="pdf")
    document = pymupdf.open()
    for page in born_digital:
        sheet = document.new_page(width=page.rect.width, height=page.rect.height)
        sheet.insert_image(sheet.rect, pixmap=page.get_pixmap(dpi=200))
    return document.tobytes(deflate=True)


def idle_and_upload(gigabytes: float) -> list[list[object]]:
    with service() as running:
        running.wait(running.upload("warm.pdf", text_pdf(4)))
        running.wait(running.upload("scan.pdf", scanned_pdf(4)))
        running.http.post("/v1/search", json={"query": "harbour"}).raise_for_status()
        busy, _ = running.memory()
        time.sleep(30)  # the reading engine gives its memory back when it has had nothing to do for a while
        own, everything = running.memory()
        rows: list[list[object]] = [
            ["start until ready", f"{running.start_s:.1f} s", "–", "–"],
            ["memory right after reading scans", f"{busy:.0f} MiB", "–", "–"],
            ["idle memory, half a minute later", f"{own:.0f} MiB", f"{IDLE_TARGET_MIB} MiB", own < IDLE_TARGET_MIB],
            [
                "… with rendering children",
                f"{everything:.0f} MiB",
                f"{IDLE_TARGET_MIB} MiB",
                everything < IDLE_TARGET_MIB,
            ],
        ]
        peak = own
        chunk = os.urandom(_MIB)

        def body() -> Iterator[bytes]:
            nonlocal peak
            yield b"%PDF-1.7\n"
            for number in range(int(gigabytes * 1000)):
                if number % 20 == 0:
                    peak = max(peak, running.memory()[0])
                yield chunk[:1_000_000]

        begin = time.perf_counter()
        running.upload("large.pdf", body())
        seconds = time.perf_counter() - begin
        peak = max(peak, running.memory()[0])
        rows.append(
            [
                f"growth during an upload of {gigabytes:g} GB",
                f"{peak - own:.0f} MiB",
                f"{UPLOAD_TARGET_MIB} MiB",
                peak - own < UPLOAD_TARGET_MIB,
            ]
        )
        rows.append(["… its speed", f"{gigabytes * 1000 / seconds:.0f} MB/s", "–", "–"])
        return rows


def text_layers(pages: int) -> list[list[object]]:
    with service() as running:
        running.wait(running.upload("warm.pdf", text_pdf(8)))
        content = text_pdf(pages, words=331)
        begin = time.perf_counter()
        view = running.wait(running.upload("report.pdf", content))
        seconds = time.perf_counter() - begin
        if view["pages"]["done"] != pages:
            raise RuntimeError(f"not all pages were read: {view['pages']}")
        page = running.http.get(f"/v1/documents/{view['id']}/pages/1").json()
        speed = pages / seconds
        return [
            [
                f"text-layer pages, 330 words each, {page['reader']['mode']}",
                f"{speed:.1f} pages/s",
                f"{PAGES_TARGET:g} pages/s",
                speed >= PAGES_TARGET,
            ]
        ]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--gigabytes", type=float, default=1.0)
    arguments.add_argument("--pages", type=int, default=240)
    options = arguments.parse_args()
    rows = idle_and_upload(options.gigabytes) + text_layers(options.pages)
    for row in rows:
        row[3] = {True: "reached", False: "**missed**"}.get(row[3], row[3])
    publish("service", "The running service", table(["what", "measured", "target", ""], rows))


if __name__ == "__main__":
    main()
