"""The command line of training: `python -m worker.train`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from worker.train.forms import FORMS


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m worker.train", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="train, or go on with what the folder holds")
    run.add_argument("folder", type=Path)
    run.add_argument("--form", choices=sorted(FORMS), default="card")
    run.add_argument("--batches", type=int, default=9000, help="of the whole run; the curriculum stretches to it")
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--rate", type=float, default=1.5e-3)
    run.add_argument("--warm-up", type=int, default=300, help="batches")
    run.add_argument("--minutes", type=float, default=0.0, help="end this piece of the run after so long")
    run.add_argument("--save-minutes", type=float, default=5.0)
    run.add_argument("--measure-every", type=int, default=250, help="batches; 0: never")
    run.add_argument("--measured-pages", type=int, default=32)
    run.add_argument("--workers", type=int, default=0, help="processes that draw pages ahead")
    run.add_argument("--device", default="cpu")
    run.add_argument("--threads", type=int, default=0, help="of torch; 0: its own choice")
    run.add_argument("--half", action="store_true", help="bfloat16 autocast")
    run.add_argument("--compiled", action="store_true", help="torch.compile")
    run.add_argument("--fonts", type=Path, help="folder made by the command fonts, instead of installed packages")
    run.add_argument("--carry-in", type=Path, help="begin from this folder if the run's own has no state")
    run.add_argument("--carry-out", type=Path, help="also write what another machine needs to go on, below 60 MB")

    fonts = commands.add_parser("fonts", help="copy all type faces to a folder, for a machine without packages")
    fonts.add_argument("folder", type=Path)

    ship = commands.add_parser("ship", help="copy a run's checkpoint to where the package has it, with its hashes")
    ship.add_argument("folder", type=Path)
    ship.add_argument("--to", type=Path, default=Path("worker/engine/mini"))

    curve = commands.add_parser("curve", help="learning curves as a table and, with --plot, as a picture")
    curve.add_argument("folders", type=Path, nargs="+")
    curve.add_argument("--plot", type=Path, help="PNG to write")
    curve.add_argument("--rows", type=int, default=12)

    chosen = vars(parser.parse_args(arguments))
    command = chosen.pop("command")
    if command == "curve":
        _curve(**chosen)
        return
    folder = chosen.pop("folder")
    if command == "fonts":
        from worker.train.fonts import collect

        print(f"{collect(folder)} faces in {folder}")
        return
    if command == "ship":
        from worker.train.ship import ship as shipped

        print(f"{shipped(folder, chosen['to']):,} bytes in {chosen['to']}")
        return
    import cv2
    import torch

    from worker.train.loop import Run, Settings

    threads = chosen.pop("threads")
    if threads:
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
    Run(folder, Settings(**chosen)).train()


def _curve(folders: Sequence[Path], plot: Path | None, rows: int) -> None:
    from worker.train import curves

    for folder in folders:
        print(f"{folder.name}\n\n{curves.table(folder, rows)}")
    if plot is not None:
        curves.plot(folders, plot)
