"""Texts of the sample pages from several sources, for `benchmarks/finding.py`; the slow ones are cached in `.bench/`.

`truth` is the true text, `noise-N` the same with N per cent of its characters misread, `ours` what Folioscope
reads, `tesseract` what Tesseract reads on the same pixels.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

Place = tuple[str, int]
"""A page: path in the archive, and number from 1."""

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
CACHE = Path(__file__).resolve().parent.parent / ".bench" / "finding"
_ALIKE = {"m": "rn", "w": "vv", "d": "cl", "l": "1", "i": "l", "o": "0", "0": "O", "1": "l", "5": "S", "e": "c",
          "n": "u", "h": "b", "t": "f", "c": "e", "a": "o", "s": "5", "8": "B", "u": "n"}  # fmt: skip


def truth(samples: Path = SAMPLES) -> dict:
    return json.loads((samples / "truth.json").read_text(encoding="utf-8"))


def texts(source: str, samples: Path = SAMPLES) -> dict[Place, str]:
    """The text of each page. `source` is one of those in the module's docstring."""
    known = truth(samples)
    true = {(d["path"], p["page"]): p["text"] for d in known["documents"] for p in d["pages"]}
    if source == "truth":
        return true
    if source.startswith("noise-"):
        share = float(source.removeprefix("noise-")) / 100
        return {place: misread(text, share, seed=str(place)) for place, text in true.items()}
    by = f"{source}-{_reading_code()}" if source == "ours" else source
    cache = CACHE / f"{known['archive']['sha256'][:12]}-{by}.json"
    if not cache.is_file():
        read = dict(_read(known, samples, source))
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(json.dumps([[*place, text] for place, text in read.items()], ensure_ascii=False))
    return {(path, page): text for path, page, text in json.loads(cache.read_text())}


_ROOT = Path(__file__).resolve().parent.parent
_READING = ("ingest/*.py", "worker/engine/*.py", "worker/layout/*.py", "worker/reading.py", "worker/textlayer.py")


def _reading_code(root: Path = _ROOT) -> str:
    """Names the code that reads pages: what other code has read is read again."""
    digest = hashlib.sha256((root / "requirements.lock").read_bytes())
    for path in sorted(path for pattern in _READING for path in root.glob(pattern)):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:8]


def misread(text: str, share: float, seed: str) -> str:
    """The text with this share of its characters changed as OCR does: look-alikes, other letters, lost and doubled."""
    chance = random.Random(hashlib.sha256(seed.encode()).digest())
    out = []
    for c in text:
        if c.isspace() or chance.random() >= share:
            out.append(c)
            continue
        kind = chance.random()
        if kind < 0.6:
            out.append(_ALIKE.get(c, chance.choice("aeioutnrslcm")))
        elif kind < 0.75:
            out.append(chance.choice("aeioutnrslcm.,'"))
        elif kind < 0.9:
            pass
        else:
            out.append(c + chance.choice(".,'il"))
    return "".join(out)


def members(samples: Path) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of each document in the sample archive, and in the tar files inside it."""
    with zipfile.ZipFile(samples / "archive.zip") as archive:
        for name in archive.namelist():
            data = archive.read(name)
            if not name.endswith(".tar.gz"):
                yield name, data
                continue
            with tarfile.open(fileobj=io.BytesIO(data)) as inner:
                for item in inner.getmembers():
                    if item.isfile():
                        yield f"{name}/{item.name}", inner.extractfile(item).read()


def _read(known: dict, samples: Path, source: str) -> Iterator[tuple[Place, str]]:
    from index.types import Manifest
    from ingest.sandbox import SandboxConfig, SandboxRenderer
    from worker.engine.rapidocr import RapidOcrEngine
    from worker.reading import PageReader

    facts = {d["path"]: d for d in known["documents"]}
    renderer = SandboxRenderer(SandboxConfig())
    engine = RapidOcrEngine(cache_dir=CACHE / "models") if source == "ours" else None
    reader = PageReader(renderer, engine, engine) if engine else None
    try:
        for path, data in members(samples):
            document = facts[path]
            with tempfile.NamedTemporaryFile() as file:
                file.write(data)
                file.flush()
                place = Path(file.name)
                manifest = Manifest(
                    "t", path, document["sha256"], len(data), path, document["media_type"], datetime.now(UTC)
                )
                for page in document["pages"]:
                    number = page["page"]
                    if reader is not None:
                        yield (path, number), reader.read(place, manifest, number, None).text
                    else:
                        image = renderer.render(place, document["media_type"], number, None).image
                        yield (path, number), _tesseract(image)
    finally:
        renderer.close()


def _tesseract(image) -> str:
    png = io.BytesIO()
    image.save(png, "PNG")
    done = subprocess.run(
        ["tesseract", "stdin", "stdout", "--psm", "1"], input=png.getvalue(), capture_output=True, check=True
    )
    return done.stdout.decode("utf-8", "replace")
