"""Which engine reads here, and why: `FOLIOSCOPE_ENGINE` to an engine.

`auto` takes DeepSeek-OCR where its weights and a GPU are there, else RapidOCR: on a CPU a page takes DeepSeek-OCR a
minute and more. It never takes `mini`, our own small model, which reads cards only and is there to try out and to
measure the way over vision tokens. The choice looks at files and devices only; nothing heavy is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from index.errors import ConfigError
from worker.engine.engine import Engine
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.engine.deepseek.engine import PageHelper

RAPIDOCR = "rapidocr"
DEEPSEEK_OCR = "deepseek-ocr"
MINI = "mini"
VISION_ENGINES = (DEEPSEEK_OCR, "deepseek-ocr-2", "unlimited-ocr", MINI)
NAMES = ("auto", RAPIDOCR, *VISION_ENGINES)
GPU_READERS = 160  # 128 pages are decoded at a time (`texts.GPU_SLOTS`); others are rendered, encoded or embedded
CPU_READERS = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine, and in words why this one."""

    engine: Engine
    reason: str


def choose(settings: Settings, *, cuda: Callable[[], bool] | None = None) -> Choice:
    """Raises `ConfigError`: `unknown_engine`, or what is wrong with the weights of an engine that was asked for. The
    engine carries the reason (`reason`) as well.
    """
    choice = _choose(settings, cuda or _cuda)
    choice.engine.reason = choice.reason  # type: ignore[attr-defined]
    return choice


def _choose(settings: Settings, cuda: Callable[[], bool]) -> Choice:
    if settings.engine not in NAMES:
        raise ConfigError(
            f"There is no engine {settings.engine!r}; FOLIOSCOPE_ENGINE can be {', '.join(NAMES)}.",
            code="unknown_engine",
        )
    from worker.engine.rapidocr import RapidOcrEngine

    rapid = RapidOcrEngine(cache_dir=settings.data_dir / "cache")
    if settings.engine == RAPIDOCR:
        return Choice(rapid, "set by FOLIOSCOPE_ENGINE")
    if settings.engine in VISION_ENGINES:
        return Choice(_vision(settings, settings.engine, rapid), "set by FOLIOSCOPE_ENGINE")
    place = weights_of(settings, DEEPSEEK_OCR)
    if settings.weights is None and not Path(place).is_dir():
        return Choice(rapid, f"auto: there are no DeepSeek-OCR weights in {place}, and FOLIOSCOPE_WEIGHTS is not set")
    if not cuda():
        return Choice(
            rapid, "auto: DeepSeek-OCR has weights here but no GPU; FOLIOSCOPE_ENGINE=deepseek-ocr uses the CPU"
        )
    try:
        engine = _vision(settings, None, rapid)
    except ConfigError as error:
        return Choice(rapid, f"auto: DeepSeek-OCR cannot be used: {error.message}")
    if engine.name == MINI:
        return Choice(rapid, f"auto: {place} holds the mini model, which is only used where FOLIOSCOPE_ENGINE says so")
    return Choice(engine, f"auto: weights ({place}) and a GPU are there")


def weights_of(settings: Settings, name: str) -> str:
    """The folder or hub id of an engine's weights. Those of `mini` come with the package."""
    if name == MINI and settings.weights is None:
        from worker.engine.mini import packaged

        return str(packaged())
    return settings.weights or str(settings.data_dir / "weights" / name)


def vision_dim(settings: Settings, engine: Engine) -> int | None:
    """How many numbers the tokens have that the index shall have room for; None where none are kept."""
    return getattr(engine, "dim", None) if settings.keep_tokens else None


def readers(settings: Settings, engine: Engine, processors: int) -> int:
    """Pages read at the same time. A vision engine is fast with many: each waits while its page is decoded."""
    if settings.readers:
        return settings.readers
    if not hasattr(engine, "decode"):
        return processors + 1  # while one page is rendered or written, its processor has another
    if settings.slots:
        return settings.slots + settings.slots // 4
    return GPU_READERS if settings.device.startswith("cuda") or (settings.device == "auto" and _cuda()) else CPU_READERS


def _vision(settings: Settings, kind: str | None, helper: PageHelper) -> Engine:
    if find_spec("torch") is None:
        raise ConfigError(
            "Vision engines need torch, which is not installed here: use an image or an environment with it, or set "
            "FOLIOSCOPE_ENGINE=rapidocr.",
            code="engine_not_installed",
        )
    from worker.engine.deepseek.engine import DeepSeekOcrEngine, EngineConfig
    from worker.engine.deepseek.pages import AUTO

    place = weights_of(settings, kind or DEEPSEEK_OCR)
    if settings.weights is None and not Path(place).is_dir():
        raise ConfigError(
            f"There are no weights in {place}. Copy the model's folder there, or set FOLIOSCOPE_WEIGHTS to a folder or "
            "to a hub id with FOLIOSCOPE_WEIGHTS_REVISION.",
            code="weights_missing",
        )
    return DeepSeekOcrEngine(
        EngineConfig(
            weights=place,
            revision=settings.weights_revision,
            kind=kind,
            device=settings.device,
            # At its widths bfloat16 saves nothing anywhere, and costs letters.
            dtype="float32" if kind == MINI and settings.dtype == AUTO else settings.dtype,
            mode=settings.mode,
            max_tokens=settings.max_tokens,
            slots=settings.slots,
        ),
        helper,
    )


def _cuda() -> bool:
    try:
        import torch
    except ImportError:  # an installation without torch, as the images of API and CPU worker are
        return False
    return torch.cuda.is_available()
