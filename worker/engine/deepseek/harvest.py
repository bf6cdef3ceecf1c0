"""From device to host without waiting: copies that were asked for earlier."""

from __future__ import annotations

import time
from typing import Any

import torch

from index.errors import InternalError
from worker.engine.deepseek.next_token import BROKEN, END, LENGTH, LOOP
from worker.engine.deepseek.requests import Generated
from worker.engine.deepseek.slots import Slots
from worker.engine.engine import Finish

_FINISH = {END: Finish.END, LENGTH: Finish.LENGTH, LOOP: Finish.LOOP}


class _Copy:
    """`tensor` as it is now in the order of the device's work; it may change afterwards."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._event = None
        if tensor.device.type != "cuda":
            self.host = tensor.clone()
            return
        self.host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        self.host.copy_(tensor, non_blocking=True)
        self._event = torch.cuda.Event()
        self._event.record()

    def ready(self) -> bool:
        return self._event is None or self._event.query()

    def wait(self) -> torch.Tensor:
        if self._event is not None:
            self._event.synchronize()
        return self.host


class Poll:
    """Which pages were done at one moment. `pages` are those that ran then, by row."""

    def __init__(self, done: torch.Tensor, pages: list[Any]) -> None:
        self.pages = pages
        self._copy = _Copy(done[: len(pages)])

    def read(self) -> list[int]:
        """Values of `Slots.done`, 0 where a page was running; waits for the device to have come that far."""
        return self._copy.wait().tolist()


class Harvest:
    """The result of a finished row, read before the row is used again."""

    def __init__(self, slots: Slots, row: int) -> None:
        self._numbers = _Copy(torch.stack([slots.done[row], slots.count[row], slots.bans[row]]).double())
        self._sum = _Copy(slots.log_probability[row])
        self._tokens = _Copy(slots.out[row])

    def ready(self) -> bool:
        return self._tokens.ready()

    def result(self, submitted: float) -> Generated:
        """Waits where it must. Raises `InternalError` where the model's numbers were not finite."""
        now = time.perf_counter()
        done, count, bans = (int(number) for number in self._numbers.wait().tolist())
        if done == BROKEN or done not in _FINISH:
            raise InternalError(
                "the decoder's numbers are not finite: the vision tokens or the weights are damaged, or the number "
                "type is too narrow for this model"
            )
        chosen = count + (done == END)
        return Generated(
            tokens=tuple(self._tokens.wait()[:count].tolist()),
            mean_logprob=float(self._sum.wait()) / max(1, chosen),
            bans=bans,
            finish=_FINISH[done],
            seconds=now - submitted,
        )
