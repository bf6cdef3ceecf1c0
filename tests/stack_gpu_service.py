"""`folioscope worker` with the real vision engine on a small random model, whose work is noted in `STACK_WORK`.

Run as `python -m tests.stack_gpu_service worker ...`. Lines are `time what number`: `rendered 1`, `encode N` for a
batch of N views, `step N` for a step of the decoder over N pages. `STACK_ROOM` is how many views the device has room
for; a batch of more raises what CUDA raises then.
"""

from __future__ import annotations

import os
import sys
import time

import torch

from ingest.sandbox import SandboxRenderer
from tests.kit import HashEmbedder
from worker import wiring
from worker.engine.deepseek.graphs import Steps
from worker.engine.deepseek.vision import VisionNetwork

ROOM = int(os.environ.get("STACK_ROOM", "1000"))


def note(what, number):
    line = f"{time.monotonic()} {what} {number}\n".encode()
    handle = os.open(os.environ["STACK_WORK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, line)
    os.close(handle)


def wrap(owner, name, around):
    original = getattr(owner, name)
    setattr(owner, name, lambda self, *given, **options: around(original, self, *given, **options))


def encode(original, self, views):
    note("encode", len(views))
    time.sleep(0.1)  # others come meanwhile, however fast the processor
    if len(views) > ROOM:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    return original(self, views)


def step(original, self, rows, longest):
    note("step", rows)
    return original(self, rows, longest)


def render(original, self, *given, **options):
    page = original(self, *given, **options)
    note("rendered", 1)
    return page


def main():
    wiring.build_embedder_for = lambda _settings: HashEmbedder()
    wrap(VisionNetwork, "__call__", encode)
    wrap(Steps, "run", step)
    wrap(SandboxRenderer, "render", render)
    from api import cli

    sys.exit(cli.run())


if __name__ == "__main__":
    main()
