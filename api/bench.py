"""A short measurement of this installation: drawn pages through the whole service, in a data directory of its own."""

from __future__ import annotations

import asyncio
import io
import random
import statistics
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from rich.table import Table

from api.cli_client import Client, opened
from api.cli_documents import read
from api.cli_output import OK, PARTIAL, Output
from worker.settings import Settings

_PAGES = 8
_LINES = 40
_SEARCHES = 60
_TEXT = (
    "harbour ledger invoice council bridge minutes repair timber account surveyor letter receipt engine market "
    "signal quarter pension railway parish tenant election inspector boundary schedule estimate contract"
)
_WORDS = _TEXT.split()


def run(output: Output) -> int:
    return asyncio.run(_run(output))


async def _run(output: Output) -> int:
    draw = random.Random(1)  # the same pages each time
    with tempfile.TemporaryDirectory(prefix="folioscope-bench-") as directory:
        pages = [_draw_page(draw, Path(directory) / f"page-{number}.png") for number in range(_PAGES)]
        # Nothing of it goes to the service or the stack that the environment names: they hold somebody's archive.
        settings = Settings(data_dir=Path(directory) / "data", broker_url=None)
        async with opened(settings) as client:
            # The first page waits for the models; what counts is how it goes on.
            await _read(client, output, pages[:1])
            started_at = time.perf_counter()
            seen = await _read(client, output, pages[1:])
            seconds = time.perf_counter() - started_at
            times = [await _search(client, draw) for _ in range(_SEARCHES)]
    done = sum(document["pages"]["done"] for document in seen.values())
    results = {
        "pages_per_second": round(done / seconds, 2),
        "search_p50_ms": round(statistics.median(times), 1),
        "search_p95_ms": round(statistics.quantiles(times, n=20)[-1], 1),
    }
    if output.as_json:
        output.json(results)
    table = Table(title=f"{_PAGES} drawn pages of {_LINES} lines, {_SEARCHES} searches")
    table.add_column("what")
    table.add_column("measured", justify="right")
    for name, value in results.items():
        table.add_row(name.replace("_", " "), str(value))
    if not output.as_json:
        output.out.print(table)
    return OK if done == len(pages) - 1 else PARTIAL


async def _read(client: Client, output: Output, pages: list[Path]) -> dict[str, dict]:
    ids = [(await client.upload(page, text_layer="never"))[0]["id"] for page in pages]
    return await read(client, output, ids)


async def _search(client: Client, draw: random.Random) -> float:
    started_at = time.perf_counter()
    await client.search({"query": " ".join(draw.sample(_WORDS, 3))})
    return (time.perf_counter() - started_at) * 1000


def _draw_page(draw: random.Random, path: Path) -> Path:
    image = Image.new("L", (1240, 1754), 255)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=24)
    for line in range(_LINES):
        pen.text((120, 100 + line * 38), " ".join(draw.choices(_WORDS, k=9)), fill=20, font=font)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())
    return path
