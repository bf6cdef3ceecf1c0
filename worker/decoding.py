"""Decoding a stored page for a person who waits: the `PageDecoder` port, in this process or by a worker.

A page's vision tokens are in the index, so a request is a page's key and a prompt, and the answer what the decoder
wrote. `decode` stores nothing; `keep` stores what it finds and tells only that (`worker/writeback.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from index.errors import (
    Conflict,
    FolioscopeError,
    InternalError,
    InvalidRequest,
    NotFound,
    Unavailable,
)
from index.store import Store
from index.types import Box, PageKey, PagePoint, PageState, Region, RegionKind, VisionFormat, VisionTokens
from worker.engine.deepseek.grounding import located
from worker.engine.deepseek.modes import content_tokens, has_modes, mode_named
from worker.engine.engine import Decoded, Engine, Finish, VisionEngine
from worker.engine.prompts import Prompt, Task
from worker.patience import Patience

if TYPE_CHECKING:
    from worker.writeback import Want


class PageDecoder(Protocol):
    def decode(self, key: PageKey, prompt: Prompt, patience: Patience | None = None) -> Decoded:
        """The page under this prompt. `NotFound`, `Conflict` (`not_read`, `no_vision_tokens`, `wrong_tokens`), or
        `Unavailable` (`no_decoder`, `decode_timeout`; `cancelled`) when nobody can do it while `patience` lasts.
        """

    def keep(self, key: PageKey, want: Want, patience: Patience | None = None) -> bool:
        """Have it done and written back, unless it was done before; whether it was done now. Raises as `decode`, and
        `NotFound` (`deleted`) for a page that is there no more.
        """


class LocalDecoder:
    """With the engine of this process, which may be one that decodes nothing. `keep` is `Jobs.keep`."""

    def __init__(
        self, store: Store, engine: Engine | VisionEngine, keep: Callable[[PageKey, Want, Patience], bool]
    ) -> None:
        self._store = store
        self._engine = engine
        self._keep = keep

    def decode(self, key: PageKey, prompt: Prompt, patience: Patience | None = None) -> Decoded:
        point = self._store.get([key], with_vision=True)[0]
        if point is None:
            raise NotFound(f"There is no page {key.page} of {key.document_id}.")
        tokens = tokens_of(point)
        return decoding_engine(self._engine, tokens.format).decode([tokens], [prompt], patience)[0]

    def keep(self, key: PageKey, want: Want, patience: Patience | None = None) -> bool:
        return self._keep(key, want, patience or Patience())


def tokens_of(point: PagePoint) -> VisionTokens:
    """The tokens that a page was fetched with. Raises as `require_tokens`."""
    require_tokens(point)
    if point.vision_tokens is None:  # read again, otherwise, a moment ago
        raise Conflict("The page is just being read again; ask once more in a moment.", code="not_read")
    return point.vision_tokens


def decoding_engine(engine: Engine | VisionEngine, made: VisionFormat) -> VisionEngine:
    """The engine as one that decodes; `Unavailable` (`no_decoder`) where it does not."""
    if not hasattr(engine, "decode"):
        raise Unavailable(
            f"{engine.name} reads pages here, which decodes no vision tokens. These were made by "
            f"{made.engine}@{made.revision}: set FOLIOSCOPE_ENGINE={made.engine} and start the service again.",
            code="no_decoder",
        )
    return engine


@dataclass(frozen=True, slots=True)
class Located:
    """Where a phrase stands on a page; no boxes where it was not found."""

    boxes: tuple[Box, ...]
    decoded: Decoded


def locate(decoder: PageDecoder, key: PageKey, phrase: str) -> Located:
    """Raises as `PageDecoder.decode`."""
    decoded = decoder.decode(key, Prompt(Task.LOCATE, phrase))
    return Located(located(decoded.raw), decoded)


def token_count(form: VisionFormat) -> int | None:
    """How many vision tokens a page of this format has; None for an engine or a mode that is not known here."""
    if not has_modes(form.engine):
        return None
    try:
        return content_tokens(mode_named(form.engine, form.mode), form.tile_grid)
    except InvalidRequest:
        return None


def require_tokens(point: PagePoint) -> None:
    """`Conflict` that says why, and what to do, where a page has no vision tokens: `not_read`, `no_vision_tokens`."""
    if point.state is PageState.PENDING:
        raise Conflict("The page is not read yet; ask again when it is.", code="not_read")
    if point.vision is not None:
        return
    if point.state is PageState.FAILED:
        raise Conflict(
            f"The page could not be read ({point.error_code}), so there is nothing to decode.", code="not_read"
        )
    reader = point.reader
    if reader is not None and reader.mode == "blank":
        raise Conflict("The page is blank: there is nothing to decode.", code="no_vision_tokens")
    raise Conflict(
        f"The page was read by {reader or 'an engine'} and has no vision tokens. With a vision engine that keeps them "
        "(FOLIOSCOPE_ENGINE=deepseek-ocr), delete the document and send it in again, or run `folioscope rebuild`.",
        code="no_vision_tokens",
    )


def dump_prompt(prompt: Prompt) -> dict[str, str]:
    return {"task": prompt.task.value, "argument": prompt.argument}


def load_prompt(values: dict[str, Any]) -> Prompt:
    return Prompt(Task(values["task"]), str(values["argument"]))


def dump_decoded(decoded: Decoded) -> dict[str, Any]:
    """What a worker sends to the process that waits."""
    return {
        "prompt": dump_prompt(decoded.prompt),
        "raw": decoded.raw,
        "text": decoded.text,
        "regions": [
            [region.kind.value, region.box.x0, region.box.y0, region.box.x1, region.box.y1, region.start, region.end]
            for region in decoded.regions
        ],
        "tokens": decoded.tokens,
        "finish": decoded.finish.value,
        "mean_logprob": decoded.mean_logprob,
        "bans": decoded.bans,
        "trust": decoded.trust,
    }


def load_decoded(values: dict[str, Any]) -> Decoded:
    return Decoded(
        load_prompt(values["prompt"]),
        values["raw"],
        values["text"],
        tuple(
            Region(RegionKind(kind), Box(x0, y0, x1, y1), start, end)
            for kind, x0, y0, x1, y1, start, end in values["regions"]
        ),
        values["tokens"],
        Finish(values["finish"]),
        values["mean_logprob"],
        values["bans"],
        values["trust"],
    )


_ERRORS: dict[int, type[FolioscopeError]] = {404: NotFound, 409: Conflict, 422: InvalidRequest, 503: Unavailable}


def dump_error(error: FolioscopeError) -> dict[str, Any]:
    return {"status": error.status, "code": error.code, "message": error.message}


def load_error(values: dict[str, Any]) -> FolioscopeError:
    """The error that a worker met, as the class that answers with the same status."""
    return _ERRORS.get(values["status"], InternalError)(values["message"], code=values["code"])
