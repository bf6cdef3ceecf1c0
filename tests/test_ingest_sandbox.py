"""The sandbox under attack: what a document can do to a child, and a child to us."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from index.errors import BadDocument, FolioscopeError, Unavailable
from ingest import confine
from ingest.archives import members
from ingest.sandbox import SandboxConfig, SandboxRenderer
from ingest.sniff import sniff
from tests import ingest_kit as kit

ROOT = Path(__file__).resolve().parent.parent
PDF, PNG = "application/pdf", "image/png"
sealed_here = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="system calls are filtered on Linux, x86_64 and aarch64, only",
)


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.pdf"
    path.write_bytes(kit.pdf_bytes(pages=3))
    return path


@pytest.fixture
def endless(tmp_path):
    path = tmp_path / "endless.pdf"
    path.write_bytes(kit.endless_pdf())
    return path


def the_child(renderer: SandboxRenderer) -> int:
    (child,) = {*renderer._busy, *renderer._idle}
    return child.pid


def code_of(call) -> str:
    with pytest.raises(FolioscopeError) as refused:
        call()
    return refused.value.code


# -- documents that attack ---------------------------------------------------------------------------


def test_a_page_that_never_ends_is_given_up(good, endless):
    """By the clock: `render_timeout`, and the next page is rendered by a new child."""
    with SandboxRenderer(SandboxConfig(children=1, page_timeout_s=2)) as renderer:
        renderer.render(good, PDF, 1, None)
        before = the_child(renderer)
        started = time.monotonic()
        assert code_of(lambda: renderer.render(endless, PDF, 1, None)) == "render_timeout"
        assert time.monotonic() - started < 10
        assert renderer.render(good, PDF, 2, None).image.width > 0
        assert the_child(renderer) != before


def test_a_page_that_eats_cpu_is_given_up(good, endless):
    """By CPU seconds, which pages before it have not used up."""
    with SandboxRenderer(SandboxConfig(children=1, page_cpu_s=1, page_timeout_s=60)) as renderer:
        for _ in range(3):
            renderer.render(good, PDF, 1, None)
        started = time.monotonic()
        assert code_of(lambda: renderer.render(endless, PDF, 1, None)) == "render_timeout"
        assert time.monotonic() - started < 50
        assert renderer.render(good, PDF, 2, None).image.width > 0


def test_memory_is_limited(tmp_path, good):
    """An image that needs more than the limit is `render_memory`; its child goes, the next page comes."""
    big = tmp_path / "big.png"
    big.write_bytes(kit.saved(Image.new("RGB", (12_000, 12_000), "navy"), "PNG", compress_level=1))
    with SandboxRenderer(SandboxConfig(children=1, memory_bytes=500 << 20)) as renderer:
        assert renderer.render(good, PDF, 1, None).image.width > 0
        assert code_of(lambda: renderer.render(big, PNG, 1, None)) == "render_memory"
        assert renderer.render(good, PDF, 1, None).image.width > 0


def test_an_image_bomb_inside_a_pdf(tmp_path, good):
    """225 megapixels in 650 KB: refused with a code, or rendered within the limits; never more."""
    path = tmp_path / "bomb.pdf"
    path.write_bytes(kit.huge_image_pdf(15_000))
    with SandboxRenderer(SandboxConfig(children=1, memory_bytes=600 << 20, page_timeout_s=30)) as renderer:
        with contextlib.suppress(BadDocument):
            image = renderer.render(path, PDF, 1, None).image
            assert image.convert("L").getextrema() == (0, 0)
        assert renderer.render(good, PDF, 1, None).image.width > 0


def test_files_larger_than_the_memory_limit_are_read(tmp_path):
    """A mapped file takes address space but no memory, and does not count."""
    path = tmp_path / "large.pdf"
    path.write_bytes(kit.pdf_bytes())
    junk = b"9999 0 obj\nnull\nendobj\n"
    with path.open("r+b") as file:
        data = file.read()
        table = data.rindex(b"startxref")
        file.seek(table)
        file.write(junk)
        file.truncate(600 << 20)
        file.seek(600 << 20)
        file.write(data[table:])
    with SandboxRenderer(SandboxConfig(children=1, memory_bytes=500 << 20)) as renderer:
        assert len(renderer.split(path, PDF, None)) == 1


# -- what a child may do -----------------------------------------------------------------------------

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
        [sys.executable, "-I", "-c", PROBE, str(ROOT)], capture_output=True, text=True, check=True, timeout=60
    )
    names, result = json.loads(done.stdout)
    assert result == dict.fromkeys(result, True)
    assert "system_calls" in names


@sealed_here
def test_every_child_is_sealed(good):
    """The kernel says so, not only the child: filter on, no new privileges, no network, no environment."""
    with SandboxRenderer(SandboxConfig(children=1)) as renderer:
        protections = renderer.protections()
        assert {"system_calls", "address_space", "no_file_writes", "dies_with_parent"} <= set(protections)
        renderer.render(good, PDF, 1, None)
        proc = Path(f"/proc/{the_child(renderer)}")
        status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line)
        assert status["Seccomp"] == "2"
        assert status["NoNewPrivs"] == "1"
        assert status["Threads"] == "1"
        if "network_namespace" in protections and os.geteuid() == 0:
            assert (proc / "ns/net").readlink() != Path("/proc/self/ns/net").readlink()
            assert b"SECRET" not in (proc / "environ").read_bytes()


def test_filters_exist_for_both_machines():
    """The program fits the kernel's limit, jumps stay in it, and other machines have none."""
    for machine in ("x86_64", "aarch64"):
        program = confine.filter_program(machine, 1234)
        assert program is not None
        assert len(program) % 8 == 0
        assert 50 < len(program) // 8 < 4096
    assert confine.filter_program("riscv64", 1234) is None


def test_children_die_with_their_parent():
    """Killing the service leaves no child behind, busy or idle."""
    script = textwrap.dedent(
        """
        import sys, time
        sys.path.insert(0, sys.argv[1])
        from ingest.sandbox import SandboxRenderer
        renderer = SandboxRenderer()
        renderer.protections()
        print(renderer._idle[0].pid, flush=True)
        time.sleep(60)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(ROOT)], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and Path(f"/proc/{child}").exists():
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


# -- children that fail ------------------------------------------------------------------------------


def test_a_killed_child_costs_its_page_only(good, endless):
    """SIGKILL in the middle of a page: `render_crash`, and the next page is fine."""
    with SandboxRenderer(SandboxConfig(children=1)) as renderer, ThreadPoolExecutor(1) as pool:
        page = pool.submit(renderer.render, endless, PDF, 1, None)
        while not renderer._busy:
            time.sleep(0.01)
        time.sleep(0.3)
        os.kill(the_child(renderer), signal.SIGKILL)
        with pytest.raises(BadDocument) as refused:
            page.result(timeout=30)
        assert refused.value.code == "render_crash"
        assert renderer.render(good, PDF, 1, None).image.width > 0


def test_an_idle_child_that_was_killed_is_not_noticed(good):
    """A child that died between two pages (out-of-memory killer) is replaced without an error."""
    with SandboxRenderer(SandboxConfig(children=1)) as renderer:
        renderer.render(good, PDF, 1, None)
        os.kill(the_child(renderer), signal.SIGKILL)
        assert renderer.render(good, PDF, 1, None).image.width > 0


def test_a_child_spoilt_by_another_document_gets_a_second_chance(good, tmp_path):
    """A crash in a child that has read something else before is tried once more in a fresh one."""
    with SandboxRenderer(SandboxConfig(children=1)) as renderer:
        renderer.render(good, PDF, 1, None)
        (child,) = renderer._idle
        send = child.send

        def send_and_die(*args, **options):
            os.kill(child.pid, signal.SIGKILL)
            time.sleep(0.1)
            send(*args, **options)

        child.send = send_and_die
        assert renderer.render(good, PDF, 2, None).image.width > 0


def test_no_child_lives_for_ever(good):
    """Children are replaced after so many requests."""
    with SandboxRenderer(SandboxConfig(children=1, recycle_after=3)) as renderer:
        pids = set()
        for _ in range(7):
            renderer.render(good, PDF, 1, None)
            pids |= {child.pid for child in renderer._idle}
        assert len(pids) == 3


def test_nothing_leaks(good, endless, tmp_path):
    """No descriptor, no process, no zombie after many pages, crashes and a close."""
    before = kit.open_descriptors(), threading.active_count()
    pids = set()
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7 nothing")
    with SandboxRenderer(SandboxConfig(children=2, page_timeout_s=1)) as renderer:
        for number in range(20):
            renderer.render(good, PDF, number % 3 + 1, None)
            pids.add(the_child(renderer))
            code_of(lambda: renderer.render(broken, PDF, 1, None))
        open_in_child = kit.open_descriptors(the_child(renderer)) if sys.platform == "linux" else 0
        assert open_in_child < 12
        code_of(lambda: renderer.render(endless, PDF, 1, None))
    # Fewer, where threads of earlier tests ended and let go of their files meanwhile.
    assert all(
        now <= then for now, then in zip((kit.open_descriptors(), threading.active_count()), before, strict=True)
    )
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):  # a zombie would still be found
            os.kill(pid, 0)


def test_many_documents_in_one_child(tmp_path):
    """Only the last few stay open; all of them stay readable, in any order."""
    paths = []
    for number in range(12):
        path = tmp_path / f"{number}.pdf"
        path.write_bytes(kit.pdf_bytes(pages=number + 1))
        paths.append(path)
    with SandboxRenderer(SandboxConfig(children=1, open_documents=3)) as renderer:
        order = list(range(12)) * 2
        random.Random(5).shuffle(order)
        for number in order:
            page = renderer.render(paths[number], PDF, number + 1, None, max_pixels=100_000, text_layer=True)
            assert page.text_layer.words[1].text == str(number + 1)


def test_a_file_that_was_replaced_is_read_anew(tmp_path):
    """The same path with other content is another document."""
    path = tmp_path / "file.pdf"
    with SandboxRenderer(SandboxConfig(children=1)) as renderer:
        for pages in (1, 2):
            new = tmp_path / "new.pdf"
            new.write_bytes(kit.pdf_bytes(pages=pages))
            new.replace(path)
            assert len(renderer.split(path, PDF, None)) == pages
            renderer.render(path, PDF, pages, None)


def test_threads_share_the_children(good, endless):
    """Many threads, few children: every call gets its own page, and a hanging one holds up no other."""
    with SandboxRenderer(SandboxConfig(children=3, page_timeout_s=4)) as renderer, ThreadPoolExecutor(8) as pool:
        hanging = pool.submit(renderer.render, endless, PDF, 1, None)
        jobs = [
            pool.submit(renderer.render, good, PDF, number % 3 + 1, None, max_pixels=100_000, text_layer=True)
            for number in range(60)
        ]
        for number, job in enumerate(jobs):
            assert job.result(timeout=60).text_layer.words[1].text == str(number % 3 + 1)
        with pytest.raises(BadDocument):
            hanging.result(timeout=60)
        assert len(renderer._idle) <= 3


def test_close_ends_waiting_and_running_calls(good, endless):
    """After `close` nothing hangs, and no page is blamed for it."""
    renderer = SandboxRenderer(SandboxConfig(children=1))
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(renderer.render, endless, PDF, 1, None) for _ in range(3)]
        while not renderer._busy:
            time.sleep(0.01)
        time.sleep(0.2)
        renderer.close()
        for job in jobs:
            with pytest.raises(Unavailable):
                job.result(timeout=20)
    with pytest.raises(Unavailable):
        renderer.render(good, PDF, 1, None)
    renderer.close()


def test_short_lived_threads_do_not_take_children_with_them(good):
    """A child outlives the thread that happened to need it first."""
    with SandboxRenderer(SandboxConfig(children=1)) as renderer:
        thread = threading.Thread(target=renderer.render, args=(good, PDF, 1, None))
        thread.start()
        thread.join()
        time.sleep(0.2)
        pid = the_child(renderer)
        renderer.render(good, PDF, 2, None)
        assert the_child(renderer) == pid


# -- children that lie -------------------------------------------------------------------------------

LIAR = """
import json, socket, struct, sys
sock = socket.socket(fileno=int(sys.argv[1]))
def say(header, payload=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    sock.sendall(struct.pack(">4sII", b"FSR1", len(text), len(payload)) + text + payload)
say({"hello": 1, "protections": ["system_calls", "invincible"]})
answers = json.load(open(sys.argv[2]))
while sock.recv(1 << 16):
    for header, payload in answers.pop(0) if answers else ():
        say(header.encode() if isinstance(header, str) else header, b"x" * payload)
"""

OPENED = [[{"status": 0, "pages": 1}, 0]]
PAGE = [{"status": 0, "width": 10, "height": 10}, 300]
WORD = ["word", 0.1, 0.1, 0.2, 0.2, 0, 0, 10.0, False, False]
LAYER = {"unmapped": 0.0, "image_coverage": 0.0, "rules": [], "quarter_turns": 0, "words": [WORD]}


@pytest.fixture
def lied_to(tmp_path):
    """A renderer whose children answer with what they were told to."""

    def start(*answers):
        script = tmp_path / "answers.json"
        script.write_text(json.dumps(answers))
        command = (sys.executable, "-c", LIAR, "{fd}", str(script))
        return SandboxRenderer(SandboxConfig(children=1, page_timeout_s=3, text_timeout_s=3), command=command)

    return start


@pytest.mark.parametrize(
    "page",
    [
        [{"status": 0, "width": 10, "height": 10}, 299],
        [{"status": 0, "width": 10**9, "height": 10**9}, 300],
        [{"status": 0, "width": -10, "height": -10}, 300],
        [{"status": 0, "width": 10.0, "height": 10}, 300],
        [{"status": 0, "width": True, "height": 300}, 900],
        [{"status": 0}, 300],
        [{"status": 99}, 0],
        [{"status": "ok"}, 0],
        ['{"status": NaN}', 0],
        ["[" * 100_000, 0],
        ["not json", 0],
        ["[]", 0],
    ],
)
def test_lies_about_a_page_are_a_crash(lied_to, good, page):
    """Whatever a child answers, it is our error or a checked image; nothing else comes through."""
    with lied_to(OPENED, [page]) as renderer:
        assert code_of(lambda: renderer.render(good, PDF, 1, None)) == "render_crash"


@pytest.mark.parametrize(
    "reply",
    [
        {"status": 0, "pages": 0, "sizes": []},
        {"status": 0, "pages": 10**9, "sizes": []},
        {"status": 0, "pages": 2, "sizes": [[1, 1]]},
        {"status": 0, "pages": 1, "sizes": [[1]]},
        {"status": 0, "pages": 1, "sizes": [["a", "b"]]},
        {"status": 0, "pages": 1},
    ],
)
def test_lies_about_a_split_are_a_crash(lied_to, good, reply):
    """The page count and the sizes must agree and be numbers."""
    with lied_to([[reply, 0]]) as renderer:
        assert code_of(lambda: renderer.split(good, PDF, None)) == "render_crash"


def test_insane_sizes_are_replaced(lied_to, good):
    """A page without a sensible size is shown as A4 rather than losing the document."""
    with lied_to([[{"status": 0, "pages": 2, "sizes": [[-1, 5], [1e300, 1]]}, 0]]) as renderer:
        assert {(size.width, size.height) for size in renderer.split(good, PDF, None)} == {(595, 842)}


@pytest.mark.parametrize(
    "change",
    [
        {"words": [WORD] * 20_001},
        {"words": [["x" * 201, *WORD[1:]]]},
        {"words": [[*WORD[:5], 1.5, *WORD[6:]]]},
        {"words": [["word"]]},
        {"words": "word"},
        {"words": [["word", None, *WORD[2:]]]},
        {"rules": [[0.0, 0.0]]},
        {"unmapped": "all"},
        {"quarter_turns": 4},
    ],
)
def test_lies_about_words_cost_the_text_layer_only(lied_to, good, change):
    """The pixels were good and checked: the page stays, without words."""
    with lied_to(OPENED, [PAGE, [{"status": 0, "text": LAYER | change}, 0]]) as renderer:
        page = renderer.render(good, PDF, 1, None, text_layer=True)
        assert page.image.size == (10, 10)
        assert page.text_layer is None


def test_words_are_cleaned(lied_to, good):
    """Control and direction characters go, boxes are clamped to the page."""
    words = [["a\u202eb\x07", -5.0, 0.5, 7.0, 0.4, 0, 0, 1e9, 1, 0], ["\x01\x02", *WORD[1:]]]
    with lied_to(OPENED, [PAGE, [{"status": 0, "text": LAYER | {"words": words}}, 0]]) as renderer:
        (word,) = renderer.render(good, PDF, 1, None, text_layer=True).text_layer.words
        assert word.text == "ab"
        assert (word.box.x0, word.box.y0, word.box.x1, word.box.y1) == (0, 0.4, 1, 0.5)
        assert word.size <= 10_000


def test_a_text_layer_that_never_comes_is_done_without(lied_to, good):
    """A child that dies or hangs over the words leaves the page its pixels."""
    with lied_to(OPENED, [PAGE]) as renderer:
        page = renderer.render(good, PDF, 1, None, text_layer=True)
        assert page.image.size == (10, 10)
        assert page.text_layer is None


def test_unknown_protections_are_not_believed(lied_to):
    """Only names that we know are reported."""
    with lied_to() as renderer:
        assert renderer.protections() == ("system_calls",)


def test_a_child_that_cannot_start_is_unavailable(good):
    """That is no fault of the document: `Unavailable`, so the page is tried again later."""
    for command in (("/nonexistent",), (sys.executable, "-c", "raise SystemExit(3)")):
        with (
            SandboxRenderer(SandboxConfig(start_timeout_s=5), command=command) as renderer,
            pytest.raises(Unavailable),
        ):
            renderer.render(good, PDF, 1, None)


def test_a_missing_file_is_unavailable(tmp_path):
    """A blob that is not there is no damaged document."""
    with SandboxRenderer() as renderer, pytest.raises(Unavailable):
        renderer.split(tmp_path / "gone.pdf", PDF, None)


# -- fuzzing -----------------------------------------------------------------------------------------

SOUND = {
    PDF: kit.pdf_bytes(),
    PNG: kit.saved(kit.picture(), "PNG"),
    "image/jpeg": kit.saved(kit.picture(), "JPEG"),
    "image/webp": kit.saved(kit.picture(), "WEBP"),
    "image/tiff": kit.tiff_bytes(3, compression="tiff_lzw"),
    "application/zip": kit.zip_bytes({"a.pdf": b"a" * 999, "b/c.pdf": b"b" * 999}),
    "application/x-tar": kit.tar_bytes({"a.pdf": b"a" * 999, "b/c.pdf": b"b" * 999}),
    "application/gzip": kit.tar_bytes({"a.pdf": b"a" * 999, "b/c.pdf": b"b" * 999}, "w:gz"),
}


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, cut out, doubled or set to extremes; sometimes the end is missing."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 2, 5, 30))):
        at = rng.randrange(len(out))
        kind = rng.randrange(5)
        if kind == 0:
            out[at] = rng.randrange(256)
        elif kind == 1:
            out[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
        elif kind == 2:
            del out[at : at + rng.randrange(1, 20)]
        elif kind == 3:
            out[at:at] = out[at : at + rng.randrange(1, 200)]
        else:
            digits = [place for place, byte in enumerate(out) if 48 <= byte <= 57] or [at]
            out[rng.choice(digits)] = rng.choice(b"0123456789-")
        if len(out) < 4:
            break
    return bytes(out[: rng.randrange(4, len(out) + 1)] if rng.random() < 0.1 and len(out) > 4 else out)


@pytest.mark.parametrize("media_type", list(SOUND))
def test_mutated_files_raise_only_our_errors(tmp_path, media_type):
    """200 damaged copies of a sound file: pages, members or our errors, in bounded time; and no child is lost
    to anything but its document.
    """
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    with SandboxRenderer(SandboxConfig(children=1, page_timeout_s=10)) as renderer:
        for number in range(200):
            path = tmp_path / str(number)
            path.write_bytes(mutated(SOUND[media_type], rng))
            with contextlib.suppress(FolioscopeError):
                sniff(path)
            with contextlib.suppress(FolioscopeError):
                if media_type.startswith("application/") and media_type != PDF:
                    for member in members(path, media_type):
                        with contextlib.suppress(BadDocument):
                            for _ in member.chunks() if hasattr(member, "chunks") else ():
                                pass
                else:
                    for page in range(1, len(renderer.split(path, media_type, None)) + 1)[:3]:
                        image = renderer.render(path, media_type, page, None, max_pixels=100_000, text_layer=True).image
                        assert image.width * image.height <= 100_000 + image.width + image.height
            path.unlink()
