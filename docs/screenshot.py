"""`python docs/screenshot.py [--service URL] [--out FILE]`: the picture of the web page in the README, made again.

Without `--service` it starts one on a free port with a temporary data directory, sends the sample archive in and waits
until it is read. Needs Chromium (Debian: apt-get install chromium, or FOLIOSCOPE_CHROMIUM) and the `dev` extra.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
ARCHIVE = ROOT / "samples" / "archive.zip"
OUT = ROOT / "docs" / "screenshot.png"
QUESTION = "How high did the water reach at the lock gauge in the flood of 1953?"
SIZE = {"width": 1280, "height": 800}
MAX_BYTES = 400_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


@contextmanager
def service() -> Iterator[str]:
    """The address of a service of our own that has read the sample archive."""
    sys.path.insert(0, str(ROOT))
    from api.serve import bind, running
    from worker.settings import Settings

    with tempfile.TemporaryDirectory() as data:
        settings = Settings(data_dir=Path(data), host="127.0.0.1", port=0)
        with running(settings, bind("127.0.0.1", 0), host="127.0.0.1") as served:
            fill(served.url)
            yield served.url


def fill(url: str) -> None:
    """Send the sample archive in and wait for its last page."""
    with httpx.Client(base_url=url, timeout=60) as client, ARCHIVE.open("rb") as archive:
        address = (
            client.post("/v1/documents", files={"file": (ARCHIVE.name, archive)}).raise_for_status().headers["location"]
        )
        while (document := client.get(address).raise_for_status().json())["state"] in {"accepted", "reading"}:
            print(f"\r{document['pages']['done']} of {document['pages']['total']} pages", end="", flush=True)
            time.sleep(1)
        print(f"\r{document['pages']['done']} pages read, {document['pages']['failed']} failed")


def photograph(url: str, scheme: str) -> Image.Image:
    """The page with an answer, its evidence and the first results, once every picture in view is there."""
    path = os.environ.get("FOLIOSCOPE_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        sys.exit("Chromium is needed: apt-get install chromium, or set FOLIOSCOPE_CHROMIUM to its path.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--headless", "--no-sandbox", "--disable-gpu"])
        for _ in range(3):  # the first questions of a fresh service warm it up
            page = browser.new_page(viewport=SIZE, color_scheme=scheme)
            page.goto(f"{url}/?q={quote(QUESTION)}")
            page.wait_for_selector(".answer-text .chip", timeout=60_000)
        page.wait_for_function(
            "[...document.querySelectorAll('.thumb img, .strip img')]"
            ".filter((e) => e.checkVisibility() && e.getBoundingClientRect().top < innerHeight)"
            ".every((e) => e.classList.contains('loaded'))",
            timeout=60_000,
        )
        page.evaluate("document.activeElement.blur()")
        page.wait_for_timeout(500)
        shot = page.screenshot()
        browser.close()
    return Image.open(io.BytesIO(shot)).convert("RGB")


def save(image: Image.Image, path: Path) -> int:
    """As PNG, with fewer colours where that is needed to stay small. Returns its size in bytes."""
    image.save(path, optimize=True)
    if path.stat().st_size > MAX_BYTES:
        image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    return path.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the README's screenshot of the web page.")
    parser.add_argument("--service", help="address of a service that has read the sample archive")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--dark", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        url = options.service or stack.enter_context(service())
        size = save(photograph(url.rstrip("/"), "dark" if options.dark else "light"), options.out)
    print(f"{options.out}: {size // 1000} KB")


if __name__ == "__main__":
    main()
