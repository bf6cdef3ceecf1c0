"""Decoding a stored page for a person who waits: the `PageDecoder` port, in this process or by a worker.

A page's vision tokens are in the index, so a request is a page's key and a prompt, and the answer what the decoder
wrote. Nothing is stored.
"""

from __future__ import annotations

from typing import Any, Protocol

from index.errors import (
    Conflict,
    FolioscopeError,
    InternalError,
    InvalidRequest,
    NotFound,
    Unavailable,
)
from index.store import Store
from index.types import Box, PageKey, Region, RegionKind
from worker.engine.engine import Decoded, Finish, VisionEngine
from worker.engine.prompts import Prompt, Task


class PageDecoder(Protocol):
    def decode(self, key: PageKey, prompt: Prompt) -> Decoded:
        """The page under this prompt. `NotFound`, `Conflict` (`no_vision_tokens`, `wrong_tokens`), or `Unavailable`
        (`no_decoder`, `decode_timeout`) when nobody can do it in time.
        """


class LocalDecoder:
    """With the engine of this process."""

    def __init__(self, store: Store, engine: VisionEngine) -> None:
        self._store = store
        self._engine = engine

    def decode(self, key: PageKey, prompt: Prompt) -> Decoded:
        point = self._store.get([key], with_vision=True)[0]
        if point is None:
            raise NotFound(f"There is no page {key.page} of {key.document_id}.")
        if point.vision_tokens is None:
            raise Conflict("The page was not read by way of vision tokens.", code="no_vision_tokens")
        return self._engine.decode([point.vision_tokens], [prompt])[0]


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
