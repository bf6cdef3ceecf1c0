"""How well a small model of our own reads, decoded greedily: generated pages, and words cut from the sample scans.

    python -m benchmarks.mini [CHECKPOINT] [--pages N]

CHECKPOINT is a folder that `python -m worker.train run` wrote, by default the one in the package. Generated pages
say held-out text; "faces" are type faces that training never saw. Sample scans are taken as cards: words of a scan,
where the CPU engine found them and the truth confirms their letters, are scaled to the type sizes of the training and
set in lines on the scan's own paper. That says how letters of scans that were made otherwise are read, and nothing of
whole pages; models for 640 pixels and more read those too, whole and in their true reading order.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.cer import edits
from benchmarks.reading import Sheet, sample_sheets
from benchmarks.report import publish, table
from index.errors import ConfigError
from ingest.sandbox import SandboxConfig, SandboxRenderer
from worker.engine.deepseek.load import LoadedModel, load_model
from worker.engine.mini import packaged
from worker.engine.rapidocr import RapidOcrEngine
from worker.train.curriculum import CURRICULA
from worker.train.forms import FORMS
from worker.train.measure import Score, held_out, measure, read, score, usual
from worker.train.pages import Wanted

_TYPE, _LEADING = 24, 34  # pixels: height of a word's box on a card, and of a line
_PAGE = 640  # pixels: from here on whole pages are read
_TURN = 8


def generated(model: LoadedModel, usually: Wanted, names: Sequence[str], count: int) -> Iterator[tuple[str, Score]]:
    kinds = (
        ("held-out text, faces of the training", usually, False),
        ("the same, clean", replace(usually, wear=0.0), False),
        ("the same, twice the wear", replace(usually, wear=2 * usually.wear), False),
        ("the same, unguessable strings only", replace(usually, unguessable=1.0), False),
        ("held-out text and faces", usually, True),
    )
    for name, wanted, faces_too in kinds:
        pages = held_out(wanted, count, faces_too=faces_too, names=names)
        yield name, measure(model.model, model.tokenizer, pages)


def cards(sheet: Sheet, side: int, most: int) -> Iterator[tuple[np.ndarray, str]]:
    """Grey views (S, S) with words of one scan, and what they say: consecutive words that the truth has so."""
    image = Image.open(sheet.picture)
    reading = RapidOcrEngine(threads=1).read([image])[0]
    if reading.rotation:
        image = image.rotate(-reading.rotation, expand=True)
    grey = np.asarray(image.convert("L"))
    true = set(sheet.true.split())
    paper = int(np.median(grey))
    view, lines, x = _blank(side, paper), [[]], 4
    made = 0
    for word in reading.words:
        text = reading.text[word.start : word.end]
        box = word.box
        top, bottom = round(box.y0 * grey.shape[0]), round(box.y1 * grey.shape[0])
        left, right = round(box.x0 * grey.shape[1]), round(box.x1 * grey.shape[1])
        if text not in true or bottom - top < 8 or right - left < 4:
            continue
        width = round((right - left) * _TYPE / (bottom - top))
        if width > side - 8:
            continue
        if x + width > side - 4:
            lines.append([])
            x = 4
        if len(lines) * _LEADING > side - 4 or sum(len(" ".join(line)) + 1 for line in lines) + len(text) > 120:
            yield view, "\n".join(" ".join(line) for line in lines if line)
            made += 1
            if made == most:
                return
            view, lines, x = _blank(side, paper), [[]], 4
        y = 4 + (len(lines) - 1) * _LEADING
        cut = Image.fromarray(grey[top:bottom, left:right]).resize((width, _TYPE), Image.Resampling.BICUBIC)
        view[y : y + _TYPE, x : x + width] = np.asarray(cut)
        lines[-1].append(text)
        x += width + 8


def _blank(side: int, paper: int) -> np.ndarray:
    return np.full((side, side), paper, np.uint8)


def from_scans(model: LoadedModel, sheets: Sequence[Sheet], side: int) -> Score:
    """Two cards of each scan."""
    found = [card for sheet in sheets for card in cards(sheet, side, 2)]
    texts: list[str] = []
    for start in range(0, len(found), _TURN):
        views = np.stack([view for view, _ in found[start : start + _TURN]])
        texts += read(model.model, model.tokenizer, views, 150)
    return score([(true, np.ones(len(true), bool)) for _, true in found], texts)


def whole_pages(model: LoadedModel, sheets: Sequence[Sheet], side: int) -> float:
    """Character error rate over the scans as single views of the model's largest size."""
    wrong = total = 0
    for sheet in sheets:
        page = Image.open(sheet.picture).convert("L")
        page.thumbnail((side, side), Image.Resampling.BICUBIC)
        view = np.full((side, side), 127, np.uint8)
        top, left = (side - page.height) // 2, (side - page.width) // 2
        view[top : top + page.height, left : left + page.width] = np.asarray(page)
        text = read(model.model, model.tokenizer, view[None], 2000)[0]
        distance, length = edits(text, sheet.true)
        wrong, total = wrong + distance, total + length
    return wrong / max(1, total)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mini", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("checkpoint", type=Path, nargs="?", help="default: the packaged one")
    parser.add_argument("--pages", type=int, default=100, help="generated pages of each kind")
    parser.add_argument("--scans", type=int, default=100, help="sample scans at most; 0: none")
    chosen = parser.parse_args()
    if chosen.checkpoint is None:
        try:
            chosen.checkpoint = packaged()
        except ConfigError as error:
            if error.code != "weights_missing":
                raise
            print(error.message)
            sys.exit(0)
    import torch

    model = load_model(chosen.checkpoint, dtype=torch.float32)
    side = model.config.vision_config.sam_config.image_size
    form = next((form for form in FORMS.values() if form.side == side), None)
    if form is None:
        sys.exit(f"no form has views of {side} pixels")
    stage = CURRICULA[form.name](1).stages[-1]
    usually = usual(stage)
    rows = []
    for name, found in generated(model, usually, stage.faces, chosen.pages):
        rows.append((name, found.pages, found.characters, found.cer, found.unguessable, found.words))
    if chosen.scans:
        with tempfile.TemporaryDirectory(prefix="folioscope-mini-") as scratch:
            renderer = SandboxRenderer(SandboxConfig())
            sheets = sample_sheets(renderer, Path(scratch))[: chosen.scans]
            cut = from_scans(model, sheets, side)
            rows.append(("words of the sample scans, set as cards", cut.pages, cut.characters, cut.cer, "", cut.words))
            if side >= _PAGE:
                rows.append(("the sample scans, whole", len(sheets), "", whole_pages(model, sheets, side), "", ""))
    header = ("pages", "number", "characters", "CER", "CER, unguessable", "words right")
    publish("mini", f"The small model `{model.revision}` ({form.name}, {side} px)", table(header, rows))


if __name__ == "__main__":
    main()
