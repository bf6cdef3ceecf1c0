"""The training loop: warm-up and cosine, a moving average of the weights, states that can be gone on from.

Every batch, and every number that is drawn for it, is a function of the run's seed and the batch's number. A run that
was interrupted and resumed from its state therefore ends in the same weights as one that was not.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from worker.engine.deepseek.load import load_model, read_tokenizer
from worker.engine.deepseek.weights import TOKENIZER
from worker.train.batches import Batches, stream
from worker.train.curriculum import CURRICULA, Curriculum
from worker.train.forms import Form, form_named, new_model
from worker.train.measure import held_out, measure, usual
from worker.train.model import Losses, Trainee
from worker.train.muon import Optimizer
from worker.train.store import (
    CHECKPOINT,
    add_to_curve,
    read_carried,
    read_state,
    write_carried,
    write_state,
    write_weights,
)
from worker.train.tokenizer import train_tokenizer

_CLIP = 1.0
_AVERAGE = 0.995
_POINTER, _PLACE, _WINDOW, _BALANCE = 0.3, 0.2, 0.1, 0.01
_LOGGED = 25  # batches


@dataclass(frozen=True, slots=True)
class Settings:
    """`minutes` ends this piece of a run, not the run; 0: when all batches are done. `save_minutes` part two states.

    `carry_in` is a folder of `store.write_carried` that a run without a state begins from, `carry_out` one to write.
    """

    form: str = "card"
    batches: int = 9000
    seed: int = 0
    rate: float = 1.5e-3
    warm_up: int = 300
    minutes: float = 0.0
    save_minutes: float = 5.0
    measure_every: int = 250
    measured_pages: int = 32
    workers: int = 0
    device: str = "cpu"
    half: bool = False  # bfloat16 autocast
    compiled: bool = False
    fonts: Path | None = None
    carry_in: Path | None = None
    carry_out: Path | None = None


class Run:
    """A run in its folder: begins, or goes on where the folder's state ends."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self.form: Form = form_named(settings.form)
        self.device = torch.device(settings.device)
        torch.manual_seed(settings.seed)
        state = read_state(folder)
        if state is None and settings.carry_in is not None:
            state = read_carried(settings.carry_in)
        if state is None:
            self.tokenizer: Tokenizer = train_tokenizer(self.form.dimensions.vocabulary)
            native, self.batch = new_model(self.form, settings.seed), 0
        else:
            self.tokenizer = read_tokenizer(state.weights / TOKENIZER)
            native = load_model(state.weights, device="cpu", dtype=torch.float32).model.requires_grad_(True).train()
            # With another number of batches a run goes on at the same place of its curriculum.
            self.batch = round(state.progress["batch"] * settings.batches / state.progress["batches"])
        native.config.image_token_id = self.tokenizer.token_to_id("<image>")
        self.trainee = Trainee(self.form, native, fused=self.device.type == "cuda").to(self.device)
        self.curriculum: Curriculum = CURRICULA[self.form.name](settings.batches)
        self.optimizer = Optimizer(self.trainee.named_parameters())
        self.average = {name: weight.detach().clone() for name, weight in self._native.state_dict().items()}
        self.warm_from, self.seconds, self.samples = self.batch, 0.0, 0
        if state is not None:
            self.seconds = float(state.progress.get("seconds", 0.0))
            self.samples = int(state.progress.get("samples", 0))
            if self._take(state.training):
                # A place in the curriculum too: left as it was, it would lie ahead in a run made shorter.
                share = settings.batches / state.progress["batches"]
                self.warm_from = min(self.batch, round(state.progress.get("warm_from", 0) * share))
        self._stopping = False

    @property
    def _native(self) -> Any:
        return self.trainee.native

    def train(self) -> None:
        """Train until the batches or the minutes are over or a SIGTERM comes; then save."""
        settings = self.settings
        data = Batches(self.curriculum, self.tokenizer, settings.seed, settings.fonts)
        forward = torch.compile(self.trainee, dynamic=True) if settings.compiled else self.trainee
        self.trainee.train()
        started = saved = last = time.monotonic()
        sums: dict[str, Tensor] = {}
        summed = 0
        with self._until_told():
            for batch in stream(data, self.batch, settings.batches, workers=settings.workers):
                losses = self.step(forward, batch.to(self.device))
                self.samples += len(batch.pixels)
                for name in Losses.__slots__:
                    value = getattr(losses, name).detach().float()
                    sums[name] = sums.get(name, 0.0) + value
                summed += 1
                now = time.monotonic()
                self.seconds += now - last
                last = now
                if self.batch % _LOGGED == 0:
                    means = {name: round(float(value) / summed, 4) for name, value in sums.items()}
                    self._note("train", means)
                    sums, summed = {}, 0
                if settings.measure_every and self.batch % settings.measure_every == 0:
                    self.judge()
                    last = time.monotonic()
                if time.monotonic() - saved > 60 * settings.save_minutes:
                    self.save()
                    saved = time.monotonic()
                over = settings.minutes and time.monotonic() - started > 60 * settings.minutes
                if over or self._stopping:
                    break
        self.save()

    def step(self, forward: Any, batch: Any) -> Losses:
        """One update; the run's batch number goes up by one."""
        dense, stage = self.curriculum.dense(self.batch), self.curriculum.stage(self.batch)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.half):
            losses: Losses = forward(batch, reading=stage.reading)
            total = losses.text + _BALANCE * losses.balance
            total = total + dense * (losses.patches + losses.tokens)
            total = total + dense * (_POINTER * losses.pointer + _PLACE * losses.place + _WINDOW * losses.window)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.trainee.parameters(), _CLIP)
        self.optimizer.step(self.rate(), self.rate() * stage.eye)
        self.batch += 1
        keep = min(_AVERAGE, (1 + self.batch) / (10 + self.batch))
        with torch.no_grad():
            for name, weight in self._native.state_dict().items():
                self.average[name].lerp_(weight, 1 - keep)
        return losses

    def rate(self) -> float:
        """Warm-up from where moments are new, then half a cosine to a fiftieth of the rate."""
        settings = self.settings
        warm = min(1.0, (self.batch - self.warm_from + 1) / max(1, settings.warm_up))
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, self.batch / settings.batches)))
        return settings.rate * warm * (0.02 + 0.98 * cosine)

    def judge(self) -> None:
        """Greedy reading of held-out pages of the present stage by the moving average, into the curve."""
        stage = self.curriculum.stage(self.batch)
        if not stage.reading:
            return
        wanted = usual(stage)
        with self.averaged() as native:
            for name, faces_too in (("text", False), ("faces", True)):
                pages = held_out(
                    wanted,
                    self.settings.measured_pages,
                    faces_too=faces_too,
                    folder=self.settings.fonts,
                    names=stage.faces,
                )
                found = asdict(measure(native, self.tokenizer, pages))
                self._note(f"held-out {name}", {key: round(value, 4) for key, value in found.items()})

    @contextmanager
    def averaged(self) -> Iterator[Any]:
        """The model with the moving average for weights, in evaluation mode."""
        own = {name: weight.detach().clone() for name, weight in self._native.state_dict().items()}
        self._native.load_state_dict(self.average)
        self._native.eval()
        try:
            yield self._native
        finally:
            self._native.load_state_dict(own)
            self._native.train()

    def save(self) -> None:
        """The state, and the moving average as a checkpoint."""
        settings = asdict(replace(self.settings, fonts=None, carry_in=None, carry_out=None))
        progress = {
            "batch": self.batch, "batches": self.settings.batches, "warm_from": self.warm_from,
            "seconds": round(self.seconds, 1), "samples": self.samples, "settings": settings,
        }  # fmt: skip
        write_state(self.folder, self.form, self.tokenizer, self._native.state_dict(), self._kept(), progress)
        write_weights(self.folder / CHECKPOINT, self.form, self.tokenizer, self.average, torch.bfloat16)
        if self.settings.carry_out is not None:
            heads = self.trainee.heads.state_dict()
            write_carried(self.settings.carry_out, self.form, self.tokenizer, self.average, heads, progress)

    def _kept(self) -> dict[str, Tensor]:
        kept = {f"heads.{name}": weight for name, weight in self.trainee.heads.state_dict().items()}
        kept |= {f"average.{name}": weight for name, weight in self.average.items()}
        return kept | dict(self.optimizer.state())

    def _take(self, kept: Mapping[str, Tensor]) -> bool:
        """Heads, average and moments, as far as they were kept; whether the moments were."""
        heads = {name: kept.get(f"heads.{name}") for name in self.trainee.heads.state_dict()}
        if all(weight is not None for weight in heads.values()):
            self.trainee.heads.load_state_dict(heads)
        if all(f"average.{name}" in kept for name in self.average):
            self.average = {name: kept[f"average.{name}"].to(self.device) for name in self.average}
        return self.optimizer.take(dict(kept))

    def _note(self, kind: str, values: Mapping[str, Any]) -> None:
        row = {
            "kind": kind, "batch": self.batch, "samples": self.samples, "minutes": round(self.seconds / 60, 2),
            "rate": round(self.rate(), 6), **values,
        }  # fmt: skip
        add_to_curve(self.folder, row)
        print(" ".join(f"{key}={value}" for key, value in row.items()), flush=True)

    @contextmanager
    def _until_told(self) -> Iterator[None]:
        """SIGTERM and SIGINT end the loop after the batch at hand; only the main thread can be told so."""

        def stop(_number: int, _frame: Any) -> None:
            self._stopping = True

        try:
            before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        except ValueError:
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
