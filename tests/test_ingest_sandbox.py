"""The sandbox under attack: what a document can do to a child, and a child to us."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from index.errors import BadDocument, FolioscopeError, Unavailable
from ingest.archives import members
from ingest.sandbox import SandboxConfig, SandboxRenderer
from ingest.sniff import sniff
from tests import ingest_kit as kit

ROOT = Path(__file__).resolve().parent.parent
PDF, PNG = "application/pdf", "image/png"
pytest_plugins = ("tests.ingest_fixtures",)


@pytest.fixture
def endless(tmp_path):
    path = tmp_path / "endless.pdf"
    path.write_bytes(kit.endless_pdf())
    return path


def limit(renderer: SandboxRenderer, **limits: float) -> None:
    """Other limits from the next call on: little time for what shall run out of it, and enough for all else."""
    renderer._config = replace(renderer._config, **limits)


# -- documents that attack ---------------------------------------------------------------------------


def test_a_page_that_never_ends_is_given_up(good, endless):
    """By the clock, as all the CPU seconds in the world are its own: `render_timeout`, and the next page is rendered by
    a new child.
    """
    with SandboxRenderer(SandboxConfig(children=1, page_cpu_s=10_000, **kit.PATIENT)) as renderer:
        renderer.render(good, PDF, 1, None)
        before = kit.the_child(renderer)
        limit(renderer, page_timeout_s=2)
        assert kit.code_of(lambda: renderer.render(endless, PDF, 1, None)) == "render_timeout"
        limit(renderer, **kit.PATIENT)
        assert renderer.render(good, PDF, 2, None).image.width > 0
        assert kit.the_child(renderer) != before


def test_a_page_that_eats_cpu_is_given_up(good, endless):
    """By CPU seconds, which pages before it have not used up."""
    with SandboxRenderer(SandboxConfig(children=1, page_cpu_s=1, **kit.PATIENT)) as renderer:
        for _ in range(3):
            renderer.render(good, PDF, 1, None)
        started = time.monotonic()
        assert kit.code_of(lambda: renderer.render(endless, PDF, 1, None)) == "render_timeout"
        assert time.monotonic() - started < 200, "it was given up by the clock"
        assert renderer.render(good, PDF, 2, None).image.width > 0


def test_memory_is_limited(tmp_path, good):
    """An image that needs more than the limit is `render_memory`; its child goes, the next page comes."""
    big = tmp_path / "big.png"
    big.write_bytes(kit.saved(Image.new("RGB", (12_000, 12_000), "navy"), "PNG", compress_level=1))
    with SandboxRenderer(SandboxConfig(children=1, memory_bytes=500 << 20, **kit.PATIENT)) as renderer:
        assert renderer.render(good, PDF, 1, None).image.width > 0
        assert kit.code_of(lambda: renderer.render(big, PNG, 1, None)) == "render_memory"
        assert renderer.render(good, PDF, 1, None).image.width > 0


def test_an_image_bomb_inside_a_pdf(tmp_path, good):
    """225 megapixels in 650 KB: refused with a code, or rendered within the limits; never more."""
    path = tmp_path / "bomb.pdf"
    path.write_bytes(kit.huge_image_pdf(15_000))
    with SandboxRenderer(SandboxConfig(children=1, memory_bytes=600 << 20, page_timeout_s=120)) as renderer:
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
    with SandboxRenderer(SandboxConfig(children=1, memory_bytes=500 << 20, **kit.PATIENT)) as renderer:
        assert len(renderer.split(path, PDF, None)) == 1


# -- children that fail ------------------------------------------------------------------------------


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
        time.sleep(300)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(ROOT)], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    kit.until(lambda: not Path(f"/proc/{child}").exists())
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_killed_child_costs_its_page_only(good, endless):
    """SIGKILL in the middle of a page: `render_crash`, and the next page is fine."""
    with SandboxRenderer(SandboxConfig(children=1)) as renderer, ThreadPoolExecutor(1) as pool:
        page = pool.submit(renderer.render, endless, PDF, 1, None)
        kit.until(lambda: renderer._busy)
        time.sleep(0.3)
        os.kill(kit.the_child(renderer), signal.SIGKILL)
        with pytest.raises(BadDocument) as refused:
            page.result(timeout=120)
        assert refused.value.code == "render_crash"
        assert renderer.render(good, PDF, 1, None).image.width > 0


def test_an_idle_child_that_was_killed_is_not_noticed(good):
    """A child that died between two pages (out-of-memory killer) is replaced without an error."""
    with SandboxRenderer(SandboxConfig(children=1)) as renderer:
        renderer.render(good, PDF, 1, None)
        os.kill(kit.the_child(renderer), signal.SIGKILL)
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
    with SandboxRenderer(SandboxConfig(children=2, **kit.PATIENT)) as renderer:
        for number in range(20):
            renderer.render(good, PDF, number % 3 + 1, None)
            pids.add(kit.the_child(renderer))
            kit.code_of(lambda: renderer.render(broken, PDF, 1, None))
        open_in_child = kit.open_descriptors(kit.the_child(renderer)) if sys.platform == "linux" else 0
        assert open_in_child < 12
        limit(renderer, page_timeout_s=1)
        kit.code_of(lambda: renderer.render(endless, PDF, 1, None))
    # Threads of earlier tests may end meanwhile, or have a file open at this very moment.
    kit.until(lambda: kit.open_descriptors() <= before[0] and threading.active_count() <= before[1])
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
    with SandboxRenderer(SandboxConfig(children=1, open_documents=3, **kit.PATIENT)) as renderer:
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
    config = SandboxConfig(children=3, page_cpu_s=10_000, **kit.PATIENT)
    with SandboxRenderer(config) as renderer, ThreadPoolExecutor(8) as pool:
        hanging = pool.submit(renderer.render, endless, PDF, 1, None)
        kit.until(lambda: renderer._busy)
        stuck = kit.the_child(renderer)
        jobs = [
            pool.submit(renderer.render, good, PDF, number % 3 + 1, None, max_pixels=100_000, text_layer=True)
            for number in range(60)
        ]
        for number, job in enumerate(jobs):
            assert job.result(timeout=200).text_layer.words[1].text == str(number % 3 + 1)
        assert not hanging.done()
        os.kill(stuck, signal.SIGKILL)
        with pytest.raises(BadDocument):
            hanging.result(timeout=120)
        assert len(renderer._idle) <= 3


def test_close_ends_waiting_and_running_calls(good, endless):
    """After `close` nothing hangs, and no page is blamed for it."""
    renderer = SandboxRenderer(SandboxConfig(children=1))
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(renderer.render, endless, PDF, 1, None) for _ in range(3)]
        kit.until(lambda: renderer._busy)
        time.sleep(0.2)
        renderer.close()
        for job in jobs:
            with pytest.raises(Unavailable):
                job.result(timeout=120)
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
        pid = kit.the_child(renderer)
        renderer.render(good, PDF, 2, None)
        assert kit.the_child(renderer) == pid


# -- what is not there ------------------------------------------------------------------------------


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
