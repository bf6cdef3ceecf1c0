"""The sandbox from inside: what a child may still do once it is sealed."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from ingest import confine
from ingest.sandbox import SandboxConfig, SandboxRenderer
from tests import ingest_kit as kit

pytest_plugins = ("tests.ingest_fixtures",)
ROOT = Path(__file__).resolve().parent.parent
PDF = "application/pdf"
sealed_here = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="system calls are filtered on Linux, x86_64 and aarch64, only",
)


PROBE = """
import ctypes, json, mmap, os, signal, socket, sys
sys.path.insert(0, sys.argv[1])
from ingest import confine
names = confine.limit(memory_bytes=1 << 30, parent_pid=os.getppid())
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
ours, theirs = socket.socketpair()
parent, prlimit = os.getppid(), __import__("resource").prlimit
names += confine.seal()
def blocked(call):
    try:
        call()
    except PermissionError:
        return True
    except OSError as error:
        return repr(error)
    return False
def executable_memory():
    if libc.mmap(None, 4096, 7, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0) == ctypes.c_void_p(-1).value:
        raise PermissionError
result = {
    "inet": blocked(lambda: socket.socket(socket.AF_INET)),
    "unix": blocked(lambda: socket.socket(socket.AF_UNIX)),
    "pair": blocked(socket.socketpair),
    "read": blocked(lambda: open("/etc/passwd")),
    "write": blocked(lambda: open("/tmp/folioscope-probe", "w")),
    "unlink": blocked(lambda: os.unlink("/tmp/folioscope-probe")),
    "mkdir": blocked(lambda: os.mkdir("/tmp/folioscope-probe")),
    "fork": blocked(os.fork),
    "exec": blocked(lambda: os.execv("/bin/true", ["true"])),
    "kill": blocked(lambda: os.kill(parent, 0)),
    "memfd": blocked(lambda: os.memfd_create("x")),
    "chdir": blocked(lambda: os.chdir("/")),
    "limits_of_others": blocked(lambda: prlimit(parent, 7)),
    "executable_memory": blocked(executable_memory),
}
ours.send(b"x")
result["talks"] = theirs.recv(1) == b"x"
result["computes"] = len(bytearray(50 << 20)) == 50 << 20
print(json.dumps([names, result]), flush=True)
"""


@sealed_here
def test_a_sealed_process_can_only_compute_and_talk():
    """No network, no file (not even to read), no process, no signal, no new executable memory."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROBE, str(ROOT)], capture_output=True, text=True, check=True, timeout=250
    )
    names, result = json.loads(done.stdout)
    assert result == dict.fromkeys(result, True)
    assert "system_calls" in names


@sealed_here
def test_every_child_is_sealed(good, monkeypatch):
    """The kernel says so, not only the child: filter on, no new privileges, no network, no environment."""
    monkeypatch.setenv("FOLIOSCOPE_TEST", "SECRET")
    with SandboxRenderer(SandboxConfig(children=1)) as renderer:
        protections = renderer.protections()
        assert {"system_calls", "address_space", "no_file_writes", "dies_with_parent"} <= set(protections)
        renderer.render(good, PDF, 1, None)
        proc = Path(f"/proc/{kit.the_child(renderer)}")
        status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line)
        assert status["Seccomp"] == "2"
        assert status["NoNewPrivs"] == "1"
        assert status["Threads"] == "1"
        if "network_namespace" in protections and os.geteuid() == 0:
            assert (proc / "ns/net").readlink() != Path("/proc/self/ns/net").readlink()
        if os.geteuid() == 0:
            assert b"SECRET" not in (proc / "environ").read_bytes()


def test_filters_exist_for_both_machines():
    """The program fits the kernel's limit, jumps stay in it, and other machines have none."""
    for machine in ("x86_64", "aarch64"):
        program = confine.filter_program(machine, 1234)
        assert program is not None
        assert len(program) % 8 == 0
        assert 50 < len(program) // 8 < 4096
    assert confine.filter_program("riscv64", 1234) is None
