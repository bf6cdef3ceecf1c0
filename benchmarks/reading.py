"""Reading: character errors in reading order and pages per second, beside Tesseract on the same pixels.

    python -m benchmarks.reading [--corpus DIRECTORY] [--only NAME] [--keep DIRECTORY]

Pages are the scans of the sample archive and, where present, of a corpus directory with `linn.txt` beside
`linn.pdf`, `skew.pdf` and `rotated_skew.pdf`. They are rendered once, as Folioscope renders them, to PNG
files; both sides then read these files. Each side reads a page per core: Folioscope with as many threads as
cores, Tesseract with as many processes (`OMP_THREAD_LIMIT=1`, its default page segmentation, `eng`). The time
counts from the file to the text; starting Folioscope's engine is not counted, starting Tesseract is, for it
cannot do without.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from benchmarks.cer import edits
from benchmarks.finding_texts import members
from benchmarks.report import publish, table
from ingest.sandbox import SandboxConfig, SandboxRenderer
from worker.engine.rapidocr import RapidOcrEngine

ROOT = Path(__file__).parents[1]
_TURN = 16  # pages
_HARD = frozenset({"skew", "noisy", "columns"})


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page to read: its picture, its true text, and the groups it counts in."""

    name: str
    picture: Path
    true: str
    groups: tuple[str, ...]


def sample_sheets(renderer: SandboxRenderer, folder: Path) -> list[Sheet]:
    truth = json.loads((ROOT / "samples" / "truth.json").read_text())
    content = dict(members(ROOT / "samples"))
    sheets = []
    for document in truth["documents"]:
        if document["origin"] != "scan":
            continue
        path = folder / document["sha256"]
        path.write_bytes(content[document["path"]])
        for page in document["pages"]:
            flags = set(page["flags"])
            # "Hard" is what the target names: skew, noise or columns. Sideways pages stand apart.
            kind = "turned" if "rotated" in flags else "hard" if flags & _HARD else "plain"
            groups = (f"samples, {kind}", *sorted(f"- {flag}" for flag in flags))
            name = f"{Path(document['path']).name} p{page['page']}"
            picture = folder / f"{name}.png"
            renderer.render(path, document["media_type"], page["page"], None).image.save(picture)
            sheets.append(Sheet(name, picture, page["text"], groups))
    return sheets


def corpus_sheets(renderer: SandboxRenderer, corpus: Path, folder: Path) -> list[Sheet]:
    if not (corpus / "linn.txt").is_file():
        return []
    true = (corpus / "linn.txt").read_text()
    sheets = []
    for name in ("linn", "skew", "rotated_skew"):
        picture = folder / f"{name}.pdf.png"
        renderer.render(corpus / f"{name}.pdf", "application/pdf", 1, None).image.save(picture)
        sheets.append(Sheet(f"{name}.pdf", picture, true, (f"corpus, {name}.pdf",)))
    return sheets


def folioscope(engine: RapidOcrEngine) -> Callable[[Path], str]:
    def read(picture: Path) -> str:
        with Image.open(picture) as image:
            return engine.read([image])[0].text

    return read


def tesseract(picture: Path) -> str:
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    command = ["tesseract", str(picture), "stdout", "-l", "eng"]
    return subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout


@dataclass(slots=True)
class Side:
    """One of the two, and what it did: texts by page, seconds by the clock and of all cores' work."""

    read: Callable[[Path], str]
    texts: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    work: float = 0.0

    def run(self, sheets: Sequence[Sheet], pool: ThreadPoolExecutor) -> None:
        started, worked = time.perf_counter(), _work()
        texts = list(pool.map(lambda sheet: self.read(sheet.picture), sheets))
        self.seconds += time.perf_counter() - started
        self.work += _work() - worked
        self.texts.update((sheet.name, text) for sheet, text in zip(sheets, texts, strict=True))


def _work() -> float:
    """Processor seconds of this process and of the children it has waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def error(texts: dict[str, str], sheets: Sequence[Sheet]) -> float:
    counts = [edits(texts[sheet.name], sheet.true) for sheet in sheets]
    return sum(wrong for wrong, _ in counts) / max(1, sum(length for _, length in counts))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--corpus", type=Path, default=ROOT.parent / "shared" / "corpus")
    arguments.add_argument("--only", help="read only pages whose name holds this, and print errors by page")
    arguments.add_argument("--keep", type=Path, help="write pictures and texts of both sides here")
    options = arguments.parse_args()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as scratch, SandboxRenderer(SandboxConfig(children=1)) as renderer:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        sheets = sample_sheets(renderer, folder) + corpus_sheets(renderer, options.corpus, folder)
        sheets = [sheet for sheet in sheets if not options.only or options.only in sheet.name]
        engine = RapidOcrEngine(threads=cores)
        engine.warm()
        ours, theirs = Side(folioscope(engine)), Side(tesseract)
        with ThreadPoolExecutor(cores) as pool:
            # In turns, so that whatever else the machine does meets both alike.
            for start in range(0, len(sheets), _TURN):
                for side in (ours, theirs):
                    side.run(sheets[start : start + _TURN], pool)
        for side, texts in (("folioscope", ours.texts), ("tesseract", theirs.texts)):
            for sheet in sheets if options.keep else ():
                (folder / f"{sheet.name}.{side}.txt").write_text(texts[sheet.name])
                (folder / f"{sheet.name}.true.txt").write_text(sheet.true)
    if options.only or options.keep:
        rows = [(s.name, error(ours.texts, [s]), error(theirs.texts, [s]), ", ".join(s.groups)) for s in sheets]
        print(table(("page", "Folioscope", "Tesseract", "groups"), sorted(rows, key=lambda row: -row[1])))
    groups = dict.fromkeys(group for sheet in sheets for group in sheet.groups)
    rows = []
    for group in sorted(groups, key=lambda name: (name.startswith("-"), not name.startswith("corpus"), name)):
        inside = [sheet for sheet in sheets if group in sheet.groups]
        mine, other = error(ours.texts, inside), error(theirs.texts, inside)
        rows.append((group, len(inside), mine, other, f"{mine / other:.2f}" if other else "-"))
    count = len(sheets)
    speed = [
        (
            "pages per second, whole machine",
            count / ours.seconds,
            count / theirs.seconds,
            theirs.seconds / ours.seconds,
        ),
        ("processor seconds per page", ours.work / count, theirs.work / count, ours.work / theirs.work),
    ]
    version = re.search(
        r"[\d.]+", subprocess.run(["tesseract", "--version"], check=False, capture_output=True, text=True).stdout
    )
    if options.only:
        sys.exit()
    publish(
        "reading",
        "Reading scans: Folioscope and Tesseract",
        f"Character error rate in reading order (normalised as `benchmarks/cer.py` says); Tesseract "
        f"{version.group() if version else '?'}, one page per core on both sides.",
        table(("pages", "count", "Folioscope", "Tesseract", "ratio"), rows),
        table(("speed", "Folioscope", "Tesseract", "ratio"), speed),
    )


if __name__ == "__main__":
    main()
