"""A large upload in a process of its own, whose memory is watched from outside."""

from __future__ import annotations

import http.client
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MIB = 1 << 20

SERVER = textwrap.dedent(
    """
    import socket, sys
    import uvicorn
    from index.blobs_dir import DirBlobStore
    from api.app import create_app
    from tests.api_kit import FakeService

    class OnDisk(FakeService):
        blobs = DirBlobStore(__import__("pathlib").Path(sys.argv[1]), min_free_bytes=0)
        def stage(self):
            return self.blobs.stage(1 << 40)
        def accept(self, tenant, staged, **facts):
            name_only = type("Staged", (), {"content": self.blobs.commit(staged).sha256.encode()})
            return FakeService.accept(self, tenant, name_only, **facts)

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(create_app(OnDisk()), log_level="error")).run([listener])
    """
)


def rss_mib(pid):
    """(now, highest ever) of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    values = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith("Vm")}
    return int(values["VmRSS"]) / 1024, int(values["VmHWM"]) / 1024


@pytest.mark.slow
@pytest.mark.parametrize("form", [True, False], ids=["form", "raw"])
def test_one_gigabyte_grows_memory_by_less_than_50_mb(tmp_path, form):
    """The peak during a 1 GB upload, against the service before it, both ways of sending."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        port = int(process.stdout.readline())
        _upload(port, 2, form)  # everything is imported and warm
        before, _ = rss_mib(process.pid)
        _upload(port, 1000, form)
        _, peak = rss_mib(process.pid)
        assert peak - before < 50, f"memory grew by {peak - before:.0f} MiB"
    finally:
        process.kill()
        process.wait()


def _upload(port, mib, form):
    head = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n' if form else b""
    tail = b"\r\n--XX--\r\n" if form else b""

    def body():
        yield head
        for number in range(mib):
            yield number.to_bytes(4, "big") * (MIB // 4)
        yield tail

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(
        "POST",
        "/v1/documents",
        body(),
        {
            "Content-Type": "multipart/form-data; boundary=XX" if form else "application/pdf",
            "Content-Length": str(mib * MIB + len(head) + len(tail)),
        },
    )
    response = connection.getresponse()
    assert response.status == 202, response.read()
