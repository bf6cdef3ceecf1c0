"""Converted graphs of models: made once in a process of their own, cached, computed by requests that are used again.

What no process has opened for a month, and what a kill left half made, goes from the cache: each is some 90 MB, and
each version of a model or of OpenVINO has its own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import re
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_GRAPH = re.compile(r".+-openvino-\d+(\.\d{1,7})*(?P<half>\.\w{8})?")
"""Names of graphs (`_place`), and of those that are being made (`whole`): what these end with may be all digits."""
_UNUSED_S = 30 * 86_400.0
_HALF_MADE_S = 86_400.0


def made(cache: Path | None, name: str, marker: str, command: Callable[[Path], list[str]], timeout_s: float) -> Path:
    """The directory of a converted graph, made now where there is none. `command` gives the module and its arguments
    for a target directory; it writes `marker` last. `RuntimeError` with its last line where it fails.
    """
    target = _place(cache, name)
    _tidy(target)
    if (target / marker).is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    log.info("converting a model for OpenVINO, once, into %s", target)
    done = subprocess.run(
        [sys.executable, "-m", *command(target)],
        capture_output=True,
        # Not as the locale has it, which is C for all threads while OpenVINO compiles a network in another one.
        encoding="utf-8",
        errors="replace",
        timeout=timeout_s,
        check=False,
        cwd=Path(__file__).resolve().parent.parent,
    )
    if done.returncode != 0:
        lines = (done.stdout or done.stderr).strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"conversion ended with status {done.returncode}")
    return target


def is_made(cache: Path | None, name: str, marker: str) -> bool:
    """Whether `made` would find the graph there."""
    return (_place(cache, name) / marker).is_file()


def _tidy(opened: Path) -> None:
    """Remember that a graph is used, and remove those that are not. A process that has one open keeps it in memory."""
    with contextlib.suppress(OSError):  # not there yet, or on a disk that is read-only
        os.utime(opened)
    for path in sorted(opened.parent.iterdir()) if opened.parent.is_dir() else ():
        if path == opened or not (graph := _GRAPH.fullmatch(path.name)):
            continue
        with contextlib.suppress(OSError):  # another process was faster
            unused_s = time.time() - path.stat().st_mtime
            if unused_s > (_HALF_MADE_S if graph["half"] else _UNUSED_S):
                log.info("%s is used no more and is removed", path)
                # Under the name of a half-made one: what a kill leaves of it must not be taken for it.
                half = path if graph["half"] else path.rename(f"{path}.{secrets.token_hex(4)}")
                shutil.rmtree(half, ignore_errors=True)


def _place(cache: Path | None, name: str) -> Path:
    import openvino

    root = (cache or scratch()).resolve()  # the conversion runs in another directory
    runtime = openvino.__version__.split("-")[0]
    return root / f"{name}-openvino-{runtime}".replace("/", "--").replace("@", "-")


@contextlib.contextmanager
def whole(target: Path, marker: str) -> Iterator[Path]:
    """A directory to write into that becomes `target` when the block ends, or is gone where it fails. Where another
    process was faster, as `marker` in `target` tells, its result is the same and stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        yield staging
        try:
            staging.rename(target)
        except OSError:
            if not (target / marker).is_file():
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def scratch() -> Path:
    """A folder of this user's among the temporary ones. Its name can be guessed: where somebody else was there first,
    their graph is not run, and the model is converted into a folder of a drawn name, anew at each start.
    """
    root = Path(tempfile.gettempdir()) / f"folioscope-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        root.mkdir(mode=0o700)
    found = root.lstat()  # of the name itself: a link leads where somebody else likes
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
        return root
    log.warning("%s is not this user's alone and is not used; set a cache folder", root)
    return Path(tempfile.mkdtemp(prefix="folioscope-"))


class Requests:
    """Inference requests of a compiled model, used again: each owns the memory of its results."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._idle: queue.SimpleQueue = queue.SimpleQueue()

    def take(self) -> Any:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return self._compiled.create_infer_request()

    def put(self, request: Any) -> None:
        self._idle.put(request)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
