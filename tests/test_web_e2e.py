"""The whole product at once: `folioscope serve` as a process, a scan through the page, found, read, answered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pymupdf
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from playwright.sync_api import Browser, expect

from tests.browser_kit import open_tab

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.models, pytest.mark.slow]

ROOT = Path(__file__).parent.parent
PAGES = (
    (
        "Minutes of the Orchard Society",
        "",
        "Held at the schoolhouse on 12 October 1931.",
        "The treasurer reported a balance of 83 pounds.",
        "Miss Adela Thornbury was elected secretary",
        "for the coming year.",
        "The cider press shall be repaired before winter.",
    ),
    (
        "List of varieties",
        "",
        "The nursery at Wexcombe supplies the grafts.",
        "Forty Blenheim trees were ordered under",
        "reference OS-1931-0042 and planted in March.",
    ),
)


def scan(path: Path) -> None:
    """Pages as a scanner gives them: grey paper, a little noise and blur, a slight turn; one TIFF."""
    font = ImageFont.load_default(40)
    sheets = []
    for number, lines in enumerate(PAGES):
        sheet = Image.new("L", (1240, 1754), 238)
        pen = ImageDraw.Draw(sheet)
        for row, line in enumerate(lines):
            pen.text((140, 180 + 84 * row), line, font=font, fill=40)
        noise = Image.effect_noise(sheet.size, 18)
        sheet = Image.blend(sheet, noise, 0.08).rotate(0.6 - number, fillcolor=225, resample=Image.Resampling.BICUBIC)
        sheets.append(sheet.filter(ImageFilter.GaussianBlur(0.6)))
    sheets[0].save(path, save_all=True, append_images=sheets[1:], dpi=(150, 150))


def locked_pdf(path: Path, words: str, password: str) -> None:
    """A born-digital PDF that opens with a password only."""
    with pymupdf.open() as document:
        document.new_page().insert_text((72, 120), words, fontsize=14)
        document.save(path, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw=password, owner_pw=password)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A fresh service on a free port; stopped by a signal at the end, as a person would."""
    tmp_path = tmp_path_factory.mktemp("service")
    environment = {**os.environ, "FOLIOSCOPE_DATA_DIR": str(tmp_path / "data"), "FOLIOSCOPE_PORT": "0"}
    log = tmp_path / "service.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "serve", "--json"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        try:
            line = process.stdout.readline()
            assert line, log.read_text()
            yield json.loads(line)["url"].rstrip("/")
        finally:
            process.terminate()
            process.wait(120)
    assert process.returncode == 0, log.read_text()


def test_a_scan_from_upload_to_citation(browser: Browser, served: str, tmp_path: Path):
    """A scan chosen in the page is read, found with the word marked on its picture, answers a question, is deleted."""
    scan(tmp_path / "orchard.tif")
    with open_tab(browser, served) as tab:
        page = tab.goto()
        with page.expect_file_chooser() as chooser:
            page.locator("#choose-files").click()
        chooser.value.set_files(tmp_path / "orchard.tif")
        row = page.locator("#documents .row", has_text="orchard.tif")
        expect(row.locator(".row-status")).to_have_text("2 pages", timeout=120_000)

        page.locator("#q").fill("OS-1931-0042")
        first = page.locator(".hit").first
        expect(first.locator(".hit-link")).to_have_text("orchard.tifpage 2")
        expect(first.locator(".snippet mark").first).to_be_visible()
        expect(first.locator(".strip img.loaded")).to_be_visible()
        first.locator(".hit-link").click()
        marks = page.locator(".page-sheet .marks rect")
        expect(marks).not_to_have_count(0)
        sheet, mark = page.locator(".page-sheet").bounding_box(), marks.first.bounding_box()
        line = (180 + 84 * 4 + 20) / 1754
        assert (mark["y"] - sheet["y"]) / sheet["height"] == pytest.approx(line, abs=0.03), "marked another line"
        expect(page.locator(".page-text mark").first).to_contain_text("1931-0042")
        page.keyboard.press("Escape")

        page.locator("#q").fill("Who was elected secretary?")
        answer = page.locator("#answer")
        expect(answer.locator(".answer-text")).to_contain_text("Adela Thornbury")
        answer.locator(".answer-text a.chip").first.click()
        expect(page.locator("#page-number")).to_have_value("1")
        expect(page.locator(".page-sheet .marks.cited rect").first).to_be_visible()
        assert "Thornbury" in " ".join(page.locator(".page-text mark").all_text_contents())
        page.keyboard.press("Escape")

        page.locator("#q").fill("Who invented the telephone?")
        expect(answer.locator(".answer-text")).to_have_text("Not found in these documents.")

        page.locator("#brand").click()
        page.get_by_role("button", name="Delete orchard.tif").click()
        page.get_by_role("button", name="Delete", exact=True).click()
        expect(page.get_by_role("heading", name="Deleted, and nothing remains")).to_be_visible()
        page.get_by_role("button", name="Close").click()
        expect(row).to_have_count(0)


def test_a_locked_file_and_an_archive_with_one(browser: Browser, served: str, tmp_path: Path):
    """A protected PDF, alone and in a ZIP, is read once its password is entered, and then found."""
    tried = tmp_path.name[-1]  # names of its own when it is tried again beside what it left
    will_pdf, papers_zip = f"will {tried}.pdf", f"papers {tried}.zip"
    locked_pdf(tmp_path / will_pdf, "The lighthouse is left to my niece Perpetua.", "ellery")
    locked_pdf(tmp_path / "codicil.pdf", "The foghorn is left to my nephew Barnaby.", "ellery")
    with zipfile.ZipFile(tmp_path / papers_zip, "w") as packed:
        packed.write(tmp_path / "codicil.pdf", "estate/codicil.pdf")
    with open_tab(browser, served) as tab:
        page = tab.goto()
        with page.expect_file_chooser() as chooser:
            page.locator("#choose-files").click()
        chooser.value.set_files([tmp_path / will_pdf, tmp_path / papers_zip])
        will = page.locator("#documents .row", has_text=will_pdf)
        papers = page.locator("#documents .row", has_text=papers_zip)
        expect(will.locator(".row-problem")).to_contain_text("protected by a password")
        papers.locator("summary").click()
        expect(papers.locator(".row-details")).to_contain_text("estate/codicil.pdf – ")
        for row in (will, papers):
            row.get_by_role("button", name="Enter the password").click()
            page.get_by_label("Password", exact=True).fill("ellery")
            page.get_by_role("button", name="Read it").click()
        expect(will.locator(".row-status")).to_have_text("1 page")
        expect(papers.locator(".row-status")).to_have_text("1 page read")
        page.locator("#q").fill("foghorn")
        expect(page.locator(".hit").first.locator(".hit-link")).to_have_text("codicil.pdfpage 1")
        expect(page.locator(".hit").first.locator(".crumbs")).to_contain_text(papers_zip)
