"""A `DeepSeekOcrEngine` on the small random checkpoint, and one whose decoder follows a script."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

from tests.engine_deepseek_kit import checkpoint
from worker.engine.deepseek.engine import DeepSeekOcrEngine, EngineConfig
from worker.engine.deepseek.modes import DEEPSEEK_OCR
from worker.engine.engine import Finish

TOKENS = 24


@dataclass
class Helper:
    """Says that every page must be turned by `turn` degrees; reads no lines."""

    turn: int = 0
    asked: int = 0

    def rotation(self, image):
        self.asked += 1
        return self.turn

    def read_lines(self, image, boxes):
        return [("", 0.0) for _ in boxes]

    def knows(self, text):
        return True


@dataclass(frozen=True)
class Written:
    tokens: tuple[int, ...]
    mean_logprob: float = -0.01
    bans: int = 0
    finish: Finish = Finish.END


@dataclass
class Script:
    """A decoder that writes what `write` says for a page's tokens and prompt, or raises it."""

    loaded: object
    write: object
    seen: list = field(default_factory=list)
    alive: bool = True

    def submit(self, tokens, prompt):
        self.seen.append((tokens.format.mode, prompt))
        future = Future()
        try:
            text, values = self.write(tokens, prompt)
            future.set_result(
                Written(tuple(self.loaded.tokenizer.encode(text, add_special_tokens=False).ids), **values)
            )
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self):
        pass


def engine(kind=DEEPSEEK_OCR, *, mode="auto", helper=None, write=None, **config) -> DeepSeekOcrEngine:
    """With `write` the decoder is a `Script`."""
    settings = EngineConfig(
        str(checkpoint(kind)), kind=kind, device="cpu", dtype="float32", mode=mode, max_tokens=TOKENS, **config
    )
    make = (lambda loaded, _config: Script(loaded, write)) if write else None
    return DeepSeekOcrEngine(settings, helper or Helper(), make_decoder=make)
