"""`SandboxRenderer`: the `Renderer` port over a pool of confined child processes.

    with SandboxRenderer(SandboxConfig(children=2)) as renderer:
        sizes = renderer.split(path, "application/pdf", None)
        page = renderer.render(path, "application/pdf", 1, None, text_layer=True)

Each call borrows one child, so as many calls run at once as there are children; others wait. A child keeps
the last few documents open, and a call prefers the child that has its document. A crash, time-out or memory
refusal costs that call (`render_crash`, `render_timeout`, `render_memory`) and the child, which is replaced.
A child that has read other documents before may have been damaged by one of them: when it crashes or runs out
of memory, the call is tried once more in a fresh one. All children are also replaced after so many pages.

Errors: `BadDocument`, `TooLarge`, `UnsupportedMedia` with the codes of `ingest.renderer`; `InvalidRequest`
(`no_such_page`); `Unavailable` when no child can be started, the file cannot be opened, or after `close()`.
Documents must not be changed while they are read (blobs never are).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from index.errors import BadDocument, FolioscopeError, InvalidRequest, TooLarge, Unavailable, UnsupportedMedia
from index.types import PageSize
from ingest import untrusted
from ingest.budget import MAX_SIDE
from ingest.child_process import ChildDied, ChildTooSlow, RenderChild, default_command
from ingest.renderer import RenderedPage, TextLayer
from ingest.wire import Status, WireError

MEDIA_TYPES = ("application/pdf", "image/png", "image/jpeg", "image/webp", "image/tiff")

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """Limits of the sandbox. Sizes in bytes, times in seconds."""

    children: int = 2  # processes, and so calls at the same time
    max_pixels: int = 4_000_000  # of a rendered page: A4 at 203 dpi
    max_image_pixels: int = 200_000_000  # declared by an image file; at twice as many it counts as a bomb
    max_pages: int = 5_000
    memory_bytes: int = 2 << 30  # address space of a child, mapped files not counted
    page_timeout_s: float = 60.0  # by the clock, for one page or one split
    page_cpu_s: float = 50.0  # of CPU, for the same
    text_timeout_s: float = 20.0  # by the clock, for a page's text layer; without it the page is still good
    start_timeout_s: float = 60.0
    recycle_after: int = 1_000  # requests, then a child is replaced
    open_documents: int = 4  # kept open in a child


class SandboxRenderer:
    """Implements `Renderer`; see the module's docstring. Thread-safe."""

    def __init__(self, config: SandboxConfig | None = None, *, command: Sequence[str] | None = None) -> None:
        """`command` replaces the child's command line (for tests); `{fd}`, `{memory}`, `{parent}` are filled in."""
        self._config = config or SandboxConfig()
        self._command = tuple(command) if command is not None else default_command()
        self._changed = threading.Condition()
        self._idle: list[RenderChild] = []
        self._busy: set[RenderChild] = set()
        self._starting = 0
        self._closed = False
        self._protections: tuple[str, ...] | None = None
        # A child dies with the *thread* that started it (PR_SET_PDEATHSIG): one thread starts them all and stays.
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="render-starter")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill all children, busy ones too; their calls end with `Unavailable`. May be called twice."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            for child in self._busy:
                child.interrupt()
            self._changed.notify_all()
        for child in idle:
            child.kill()
        self._starter.shutdown(wait=True)

    def protections(self) -> tuple[str, ...]:
        """Names of the protections in force here (`ingest.confine.PROTECTIONS`); starts a child if none ran yet."""
        if self._protections is None:
            self._give_back(self._borrow(None))
        return self._protections or ()

    def split(self, path: Path, media_type: str, password: str | None) -> tuple[PageSize, ...]:
        """Sizes of all pages as shown: points for PDF, pixels for images."""

        def ask(child: RenderChild) -> tuple[PageSize, ...]:
            deadline = time.monotonic() + self._config.page_timeout_s
            return self._open(child, key, path, media_type, password, deadline, sizes=True)

        key = _key(path, media_type, password)
        return self._with_child(key, ask)

    def render(
        self,
        path: Path,
        media_type: str,
        page: int,
        password: str | None,
        *,
        max_pixels: int | None = None,
        text_layer: bool = False,
    ) -> RenderedPage:
        """Page `page` (from 1) in at most `max_pixels`; with `text_layer`, its words where the file has any."""
        if page < 1:
            raise InvalidRequest("Pages are counted from 1.", code="no_such_page")
        pixels = min(max(max_pixels or self._config.max_pixels, 1), self._config.max_pixels)
        key = _key(path, media_type, password)

        def ask(child: RenderChild) -> RenderedPage:
            deadline = time.monotonic() + self._config.page_timeout_s
            if key not in child.open_documents:
                self._open(child, key, path, media_type, password, deadline, sizes=False)
            child.open_documents.move_to_end(key)
            return self._render(child, child.open_documents[key][0], page, pixels, text_layer, deadline)

        return self._with_child(key, ask)

    def _open(
        self,
        child: RenderChild,
        key: Hashable,
        path: Path,
        media_type: str,
        password: str | None,
        deadline: float,
        *,
        sizes: bool,
    ) -> tuple[PageSize, ...]:
        """Open a document in the child, in a free slot or in that of the one used longest ago. `key` is the caller's:
        asked for again it could differ, since an upload of the same bytes puts a new file in the old one's place.
        """
        slot = self._free_slot(child, key)
        header = {
            "op": "open",
            "slot": slot,
            "media_type": media_type,
            "password": password,
            "max_pages": self._config.max_pages,
            "max_image_pixels": self._config.max_image_pixels,
            "cpu_s": self._config.page_cpu_s,
            "sizes": sizes,
        }
        fd = _open_file(path)
        try:
            if os.fstat(fd).st_size == 0:
                raise BadDocument("The file is empty.", code="empty")
            child.send(header, deadline, fd)
        finally:
            os.close(fd)
        reply, _ = child.receive(deadline)
        _raise_for(untrusted.status(reply))
        child.open_documents[key] = (slot, untrusted.page_count(reply, self._config.max_pages))
        return untrusted.page_sizes(reply, self._config.max_pages) if sizes else ()

    def _free_slot(self, child: RenderChild, key: Hashable) -> int:
        if key in child.open_documents:
            return child.open_documents.pop(key)[0]
        if len(child.open_documents) >= self._config.open_documents:
            return child.open_documents.popitem(last=False)[1][0]
        taken = {slot for slot, _ in child.open_documents.values()}
        return next(slot for slot in range(len(taken) + 1) if slot not in taken)

    def _render(
        self, child: RenderChild, slot: int, page: int, max_pixels: int, text_layer: bool, deadline: float
    ) -> RenderedPage:
        from PIL import Image

        cpu_s = self._config.page_cpu_s + (self._config.text_timeout_s if text_layer else 0)
        request = {"op": "render", "slot": slot, "page": page, "max_pixels": max_pixels, "text": text_layer}
        child.send(request | {"cpu_s": cpu_s}, deadline)
        reply, untrusted_pixels = child.receive(deadline)
        _raise_for(untrusted.status(reply))
        size = untrusted.image_size(reply, len(untrusted_pixels), max_pixels, MAX_SIDE)
        image = Image.frombytes("RGB", size, bytes(untrusted_pixels))
        return RenderedPage(image, self._text_layer(child) if text_layer else None)

    def _text_layer(self, child: RenderChild) -> TextLayer | None:
        """The second answer of a render request. A page whose words cannot be had is still a page."""
        try:
            reply, _ = child.receive(time.monotonic() + self._config.text_timeout_s)
            return untrusted.text_layer(reply) if untrusted.status(reply) is Status.OK else None
        except (ChildDied, ChildTooSlow, WireError) as error:
            child.kill()
            _log.warning("a page's text layer was given up: %s", type(error).__name__)
            return None

    def _with_child(self, key: Hashable, ask: Callable[[RenderChild], _T]) -> _T:
        """Borrow a child for `ask`; turn its failures into ours; once more with a fresh child where that is fair."""
        for last in (False, True):
            child = self._borrow(key)
            fresh = child.served == 0
            child.served += 1
            failure: FolioscopeError
            try:
                return ask(child)
            except ChildTooSlow:
                raise self._failure("render_timeout") from None
            except ChildDied as error:
                if error.cpu:
                    raise self._failure("render_timeout") from None
                failure = self._failure("render_crash")
            except WireError as error:
                _log.warning("a render child answered nonsense: %s", error)
                child.kill()
                failure = self._failure("render_crash")
            except BadDocument as error:
                if error.code != "render_memory":
                    raise
                child.kill()
                failure = error
            except FolioscopeError:
                raise
            except BaseException:  # ours to fix, or a KeyboardInterrupt: what the child would answer is unknown
                child.kill()
                raise
            finally:
                self._give_back(child)
            if fresh or last or self._closed:
                raise failure
        raise AssertionError("unreachable")

    def _failure(self, code: str) -> FolioscopeError:
        if self._closed:
            return Unavailable("The renderer is shutting down. Try again later.")
        return BadDocument(_MESSAGES[code], code=code)

    def _borrow(self, key: Hashable) -> RenderChild:
        """An idle child, the one that has `key` open if any; or a new one while there may be more; or wait."""
        with self._changed:
            while not self._closed:
                for dead in [child for child in self._idle if not child.alive]:
                    self._idle.remove(dead)
                    dead.kill()
                if self._idle:
                    child = next((idle for idle in self._idle if key in idle.open_documents), self._idle[-1])
                    self._idle.remove(child)
                    self._busy.add(child)
                    return child
                if len(self._busy) + self._starting < max(1, self._config.children):
                    self._starting += 1
                    break
                self._changed.wait()
            else:
                raise Unavailable("The renderer is shutting down. Try again later.")
        return self._start()

    def _start(self) -> RenderChild:
        child: RenderChild | None = None
        try:
            config = self._config
            start = self._starter.submit(RenderChild, self._command, config.memory_bytes, config.start_timeout_s)
            child = start.result()
            self._protections = untrusted.protections(child.hello)
        except (ChildDied, ChildTooSlow, WireError, OSError, RuntimeError) as error:
            if child is not None:
                child.kill()
                child = None  # it is nobody's, and takes no place
            raise Unavailable(f"The page renderer cannot be started ({type(error).__name__}: {error}).") from error
        finally:
            with self._changed:
                self._starting -= 1
                if child is not None:
                    self._busy.add(child)
                self._changed.notify()
        if self._closed:
            child.kill()
        return child

    def _give_back(self, child: RenderChild) -> None:
        with self._changed:
            self._busy.discard(child)
            usable = child.alive and not self._closed and child.served < self._config.recycle_after
            if usable:
                self._idle.append(child)
            self._changed.notify()
        if not usable:
            child.kill()


_MESSAGES = {
    "render_timeout": "The page took too long to render and was given up.",
    "render_crash": "The page made the renderer crash. The file is probably damaged.",
    "render_memory": "The page needs more memory to render than is allowed.",
}


def _raise_for(status: Status) -> None:
    """The error for a status, with words of our own."""
    if status is Status.OK:
        return
    if status is Status.NO_SUCH_PAGE:
        raise InvalidRequest("The document has no such page.", code="no_such_page")
    if status is Status.TOO_MANY_PAGES:
        raise TooLarge("The document has more pages than are allowed. Split it up.", code="too_many_pages")
    if status is Status.PAGE_TOO_LARGE:
        raise TooLarge("The page has more pixels than can be decoded. Scale it down.", code="page_too_large")
    code, message = {
        Status.PASSWORD_NEEDED: ("encrypted", "The file is protected by a password. Upload it with its password."),
        Status.PASSWORD_WRONG: ("encrypted", "The password does not open this file."),
        Status.EMPTY: ("empty", "The file has no pages."),
        Status.PORTFOLIO: (
            "portfolio",
            "The PDF is a portfolio: a folder of other files, and a page that says so. Save these files out of it and "
            "upload them, each by itself or all in a ZIP.",
        ),
        Status.MEMORY: ("render_memory", _MESSAGES["render_memory"]),
        Status.BOMB: ("bomb", "The image declares so many pixels that it looks made to exhaust memory."),
    }.get(status, ("damaged", "The file is damaged or incomplete and cannot be read."))
    raise BadDocument(message, code=code)


def _key(path: Path, media_type: str, password: str | None) -> Hashable:
    """Names a document in a child: the file itself, not just its path, and how it is opened."""
    if media_type not in MEDIA_TYPES:
        raise UnsupportedMedia(f"{media_type} has no pages that can be rendered.", code="unsupported_media_type")
    try:
        facts = Path(path).stat()
    except OSError as error:
        raise Unavailable(f"The file cannot be opened ({error.strerror}).") from error
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, media_type, password


def _open_file(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        raise Unavailable(f"The file cannot be opened ({error.strerror}).") from error
