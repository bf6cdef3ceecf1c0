"""The optimizer of training: Muon for the matrices inside the network, AdamW for everything else.

Muon takes the momentum of a matrix and makes all its singular values alike before it is applied, by five steps of a
Newton-Schulz iteration (K. Jordan and others, 2024: kellerjordan.github.io/posts/muon; the coefficients are theirs, the
scale of the update is that of arXiv 2502.16982). For so few samples as a CPU core sees in an hour that is worth its
time: more letters after fewer cards than with AdamW (docs/lab.md). Embeddings, tables of positions, norms,
biases, the first convolution and what is outside the network (training heads) are left to AdamW.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

_BETAS = (0.9, 0.98)
_DECAY = 0.05
_MOMENTUM = 0.95
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5
_RMS = 0.2  # of AdamW's usual updates; Muon's are scaled to it
_TIMES = 3.5  # how much larger Muon's rate is than AdamW's
_BARE = ("norm", "bias", "embed", "rel_pos", "newline", "separator")  # no weight decay
ENCODER = ("vision_tower", "multi_modal_projector")
_NOT_INSIDE = (*_BARE, "heads.", "lm_head", "gate.weight")


class Optimizer:
    """`step` uses the gradients of all parameters and forgets them; weights named with one of `ENCODER` have a rate of
    their own. `state` is what must be kept to go on.
    """

    def __init__(self, named: Iterable[tuple[str, nn.Parameter]]) -> None:
        self._named = dict(named)
        self._inside = {
            name: weight
            for name, weight in self._named.items()
            if weight.dim() >= 2 and not any(part in name for part in _NOT_INSIDE)
        }
        self._momenta = {name: torch.zeros_like(weight) for name, weight in self._inside.items()}
        others = [(name, weight) for name, weight in self._named.items() if name not in self._inside]
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, weight in others:
            decays = weight.dim() >= 2 and not any(part in name for part in _BARE)
            groups.setdefault((decays, _sees(name)), []).append(weight)
        self._adam = torch.optim.AdamW(
            [
                {"params": weights, "weight_decay": _DECAY if decays else 0.0, "sees": sees}
                for (decays, sees), weights in groups.items()
            ],
            lr=0.0, betas=_BETAS, foreach=True,
        )  # fmt: skip

    @torch.no_grad()
    def step(self, rate: float, seeing: float | None = None) -> None:
        """`seeing`: the encoder's rate, where it is another."""
        seeing = rate if seeing is None else seeing
        for group in self._adam.param_groups:
            group["lr"] = seeing if group["sees"] else rate
        self._adam.step()
        for name, weight in self._inside.items():
            if weight.grad is None:
                continue
            momentum = self._momenta[name].lerp_(weight.grad, 1 - _MOMENTUM)
            update = weight.grad.lerp(momentum, _MOMENTUM)
            own = _TIMES * (seeing if _sees(name) else rate)
            weight.mul_(1 - own * _DECAY)
            weight.add_(_apart(name, update).view_as(weight), alpha=-own)
        for weight in self._named.values():
            weight.grad = None

    def state(self) -> Iterator[tuple[str, Tensor]]:
        for name, momentum in self._momenta.items():
            yield f"muon.{name}", momentum
        for name, weight in self._named.items():
            for key, value in self._adam.state.get(weight, {}).items():
                yield f"adam.{key}.{name}", value

    def take(self, kept: dict[str, Tensor]) -> bool:
        """What `state` gave; whether it was there."""
        found = False
        for name, momentum in self._momenta.items():
            if (value := kept.get(f"muon.{name}")) is not None:
                momentum.copy_(value)
                found = True
        for name, weight in self._named.items():
            mine = {key: kept.get(f"adam.{key}.{name}") for key in ("step", "exp_avg", "exp_avg_sq")}
            if name not in self._inside and all(value is not None for value in mine.values()):
                self._adam.state[weight] = {
                    key: value if key == "step" else value.to(weight.device) for key, value in mine.items()
                }
                found = True
        return found


def _sees(name: str) -> bool:
    return any(part in name for part in ENCODER)


def _apart(name: str, update: Tensor) -> Tensor:
    """The update with its singular values alike, scaled to AdamW's size. Matrices that lie in one are taken apart:
    query, key and value, gate and up, and all experts.
    """
    if update.dim() == 4:  # a convolution: (out, in x height x width)
        update = update.flatten(1)
    elif "qkv" in name:
        update = update.unflatten(0, (3, -1))
    elif "gate_up_proj" in name:
        update = update.unflatten(1, (2, -1)).flatten(0, 1)
    return orthogonal(update) * (_RMS * max(update.shape[-2:]) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """(..., m, n): nearly the closest matrices with orthonormal rows or columns; singular values within 0.7 to 1.2."""
    a, b, c = _COEFFICIENTS
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.mT if tall else matrix
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_STEPS):
        square = x @ x.mT
        x = a * x + (b * square + c * (square @ square)) @ x
    return x.mT if tall else x
