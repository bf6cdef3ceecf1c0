"""The web page in Chromium: whole folders, chosen or really dropped, sent with their paths and told in one row."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from api.app import create_app
from api.config import ApiConfig
from tests.api_kit import FakeService, serving
from tests.browser_kit import Tab, open_tab
from tests.test_web_upload import add, recipe, row
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser


def write(folder: Path, *names: str, **more: object) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(json.dumps({"pages": [f"# {name}\n\nThe quay, {name}."], **more}).encode())


def choose(page: Page, folder: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator("#choose-folder").click()
    chooser.value.set_files(folder)


def drop(page: Page, *paths: Path) -> None:
    """A drag from outside the browser, as the system makes it: folders are folders."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 400, "y": 500, "data": data})
    session.detach()


def batch(page: Page):
    return page.locator("#uploads .batch")


def test_a_dropped_folder_keeps_its_paths(tab: Tab, service: ShelfService, tmp_path: Path):
    """More than a hundred files in one folder, and folders in it: all are sent, each with where it lay."""
    box = tmp_path / "box"
    write(box, *(f"many/{n:03}.pdf" for n in range(120)), "Letters/1911/may.pdf", "top.pdf")
    write(box, ".DS_Store", "Letters/Thumbs.db", ".git/config.pdf", "__MACOSX/may.pdf")
    write(box, "Letters/@eaDir/may.pdf/THUMB_XL.jpg", "$RECYCLE.BIN/gone.pdf", "may.pdf:Zone.Identifier")
    page = tab.goto()
    drop(page, box)
    expect(page.locator("#library-count")).to_contain_text("122 documents")
    expect(batch(page)).to_have_count(0)
    sent = sorted(service.sent)
    assert sent == sorted(["box/top.pdf", "box/Letters/1911/may.pdf", *(f"box/many/{n:03}.pdf" for n in range(120))])
    expect(row(page, "may.pdf").locator(".row-meta")).to_contain_text("box / Letters / 1911")
    page.locator("#q").fill("quay")
    page.get_by_label("Folder", exact=True).fill("box/Letters")
    page.keyboard.press("Enter")
    expect(page.locator(".hit-link")).to_have_text(["may.pdfpage 1"])
    expect(page.locator(".hit .crumbs")).to_have_text("box/Letters/1911")


def test_what_is_no_scan_is_skipped_with_one_summary(tab: Tab, service: ShelfService, tmp_path: Path):
    """Files that nobody could read are not even sent; one that the service refuses counts like them."""
    box = tmp_path / "box"
    write(box, "a.pdf", "deep/b.pdf")
    (box / "notes.txt").write_text("Just notes.")
    (box / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    (box / "scan-without-ending").write_bytes(b"%PDF-1.7 but damaged")
    page = tab.goto()
    choose(page, box)
    summary = "3 of 5 files added; 2 skipped, as they are no scans or archives."
    expect(batch(page).locator(".row-status")).to_have_text(summary)
    assert "box/notes.txt" not in service.sent
    assert "box/scan-without-ending" in service.sent
    batch(page).locator("summary").click()
    expect(batch(page).locator("li")).to_have_text(["box/film.mp4 – skipped", "box/notes.txt – skipped"])
    page.get_by_role("button", name="Hide box").click()
    expect(batch(page)).to_have_count(0)


def test_one_file_that_is_no_scan_is_one(tab: Tab, tmp_path: Path):
    """It was told of as several."""
    box = tmp_path / "box"
    write(box, "a.pdf")
    (box / "notes.txt").write_text("Just notes.")
    page = tab.goto()
    choose(page, box)
    summary = "1 of 2 files added; 1 skipped, as it is no scan or archive."
    expect(batch(page).locator(".row-status")).to_have_text(summary)


def test_one_failure_keeps_no_other(tab: Tab, service: ShelfService, tmp_path: Path):
    """A file over the limit is told with its reason; the others are there, and it can be tried again."""
    tab.expected = ("413",)
    box = tmp_path / "box"
    write(box, "a.pdf", "c.pdf")
    (box / "b.pdf").write_bytes(b"%PDF" + bytes(300_000))
    page = tab.goto()
    choose(page, box)
    expect(batch(page).locator(".row-status")).to_have_text("2 of 3 files added; 1 not added.")
    batch(page).locator("summary").click()
    expect(batch(page).locator("li")).to_contain_text("box/b.pdf – The file is over the limit")
    page.get_by_role("button", name="Try it again").click()
    expect(batch(page).locator(".row-status")).to_have_text("2 of 3 files added; 1 not added.")
    expect(page.locator("#library-count")).to_contain_text("2 documents")


def test_an_empty_file_is_not_offered_to_be_tried_again(tab: Tab, tmp_path: Path):
    """It would be refused as it was."""
    tab.expected = ("422",)
    box = tmp_path / "box"
    write(box, "a.pdf")
    (box / "nothing.png").touch()
    page = tab.goto()
    choose(page, box)
    expect(batch(page).locator(".row-status")).to_have_text("1 of 2 files added; 1 not added.")
    batch(page).locator("summary").click()
    expect(batch(page).locator("li")).to_contain_text("box/nothing.png – The file is empty.")
    expect(batch(page).get_by_role("button", name="Try it again")).to_have_count(0)


def test_progress_and_cancel(tab: Tab, service: ShelfService, tmp_path: Path):
    """The row counts over the whole folder; Cancel keeps what was added and offers the rest."""
    box = tmp_path / "box"
    write(box, *(f"{n:02}.pdf" for n in range(12)))
    service.most_files = 4
    page = tab.goto()
    choose(page, box)
    line = batch(page).locator(".row-status")
    expect(batch(page).locator(".row-meta")).to_contain_text("12 files")
    expect(line).to_contain_text(re.compile("Sending file [2-9] of 12"))
    expect(page.locator("#uploads .row")).to_have_count(1)
    page.get_by_role("button", name="Cancel box").click()
    service.most_files = None
    expect(line).to_contain_text("stopped")
    added = int(line.inner_text().split()[0])
    assert 1 <= added < 12
    page.get_by_role("button", name=f"Send the other {12 - added} files").click()
    expect(batch(page)).to_have_count(0)
    expect(page.locator("#library-count")).to_contain_text("12 documents")


def test_a_service_that_goes_away_is_waited_for(tab: Tab, service: ShelfService, tmp_path: Path):
    """In the middle of a folder: nothing is lost, and nothing fails that was only interrupted."""
    tab.expected = ("ERR_INTERNET_DISCONNECTED",)
    box = tmp_path / "box"
    write(box, *(f"{n:02}.pdf" for n in range(8)))
    service.most_files = 2
    page = tab.goto()
    choose(page, box)
    expect(batch(page).locator(".row-status")).to_contain_text(re.compile("Sending file [2-5] of 8"))
    tab.context.set_offline(True)
    service.most_files = None  # what is on its way arrives, the next one cannot
    expect(batch(page).locator(".row-status")).to_have_text("Waiting for Folioscope…")
    tab.context.set_offline(False)
    expect(batch(page)).to_have_count(0)
    expect(page.locator("#library-count")).to_contain_text("8 documents")


def test_a_full_disk_stops_the_folder(tab: Tab, service: ShelfService, tmp_path: Path):
    """What concerns all files is not tried with each of them."""
    tab.expected = ("507",)
    box = tmp_path / "box"
    write(box, *(f"{n:02}.pdf" for n in range(9)))
    asked = []
    problem = {"code": "storage_full", "detail": "There is no room for the file.", "status": 507}

    def refuse(route):
        asked.append(route.request.url)
        route.fulfill(status=507, content_type="application/problem+json", body=json.dumps(problem))

    page = tab.goto()
    page.route("**/v1/documents", lambda route: refuse(route) if route.request.method == "POST" else route.continue_())
    choose(page, box)
    expect(batch(page).locator(".row-status")).to_have_text("0 of 9 files added; 9 not added.")
    assert len(asked) <= 2
    page.unroute("**/v1/documents")
    page.get_by_role("button", name="Try them again").click()
    expect(page.locator("#library-count")).to_contain_text("9 documents")


def test_files_and_folders_at_once(tab: Tab, service: ShelfService, tmp_path: Path):
    """Dropped together: files by themselves have no path, and two folders have a row each."""
    write(tmp_path, "one/a.pdf", "two/b.pdf", "single.pdf")
    service.most_files = 0
    page = tab.goto()
    drop(page, tmp_path / "one", tmp_path / "two", tmp_path / "single.pdf")
    expect(batch(page)).to_have_count(2)
    service.most_files = None
    expect(page.locator("#library-count")).to_contain_text("3 documents")
    assert sorted(service.sent) == ["one/a.pdf", "single.pdf", "two/b.pdf"]


def test_a_password_for_a_file_of_a_folder(tab: Tab, service: ShelfService, tmp_path: Path):
    """It keeps its path when it is sent again with the password."""
    write(tmp_path / "box", "will.pdf", password="ellery")
    page = tab.goto()
    choose(page, tmp_path / "box")
    row(page, "will.pdf").get_by_role("button", name="Enter the password").click()
    page.get_by_label("Password", exact=True).fill("ellery")
    page.get_by_role("button", name="Read it").click()
    expect(row(page, "will.pdf").locator(".row-status")).to_have_text("1 page")
    assert service.sent == ["box/will.pdf", "box/will.pdf"]


def test_single_files_have_no_path(tab: Tab, service: ShelfService):
    """As before: a chosen file is its name."""
    page = tab.goto()
    add(page, recipe("alone.pdf"))
    expect(row(page, "alone.pdf").locator(".row-status")).to_have_text("1 page")
    assert service.sent == ["alone.pdf"]


@pytest.fixture
def archive_of_text():
    """A service with real resumable uploads, and its address."""
    service = FakeService()
    with serving(create_app(service, ApiConfig(poll_s=0.05))) as base:
        yield service, base


STALLED = {
    "status": 408,
    "content_type": "application/problem+json",
    "body": json.dumps({"status": 408, "code": "upload_stalled", "title": "Upload stalled", "detail": "Too slow."}),
}


@pytest.mark.parametrize("end", ["broken", "stalled"])
def test_a_large_file_goes_on_where_the_line_broke(browser, archive_of_text, tmp_path: Path, end: str):
    """It is sent in pieces; what was sent before a break is not sent again; its name, path and bytes arrive whole. The
    same for a piece that came too slowly for the service's patience.
    """
    service, base = archive_of_text
    large = tmp_path / "box" / "Pläne" / "großer Plan.pdf"
    large.parent.mkdir(parents=True)
    content = b"%PDF-1.7 " + bytes(range(256)) * 160_000
    large.write_bytes(content)
    with open_tab(browser, base) as tab:
        tab.expected = ("ERR_FAILED", "ERR_INTERNET_DISCONNECTED", "404", "408")
        page = tab.goto()
        pieces = []

        def piece(route):
            pieces.append(int(route.request.headers["upload-offset"]))
            if len(pieces) == 2 and end == "stalled":
                route.fulfill(**STALLED)
            elif len(pieces) == 2:
                route.abort()
            else:
                route.continue_()

        page.route(re.compile("/v1/uploads/"), lambda r: piece(r) if r.request.method == "PATCH" else r.continue_())
        choose(page, tmp_path / "box")
        expect(row(page, "großer Plan.pdf")).to_be_visible()
        expect(batch(page)).to_have_count(0)
    assert pieces == [0, 16 << 20, 16 << 20, 32 << 20], "nothing is sent twice but the piece that broke"
    assert service.accepted[0][1] == "box/Pläne/großer Plan.pdf"
    assert service.staged[0].content == content


def test_a_large_file_that_is_cancelled_is_given_up(browser, archive_of_text, tmp_path: Path):
    """Also at the service: nothing of it is left there."""
    service, base = archive_of_text
    (tmp_path / "large.pdf").write_bytes(b"%PDF-1.7 " + bytes(40 << 20))
    with open_tab(browser, base) as tab:
        tab.expected = ("ERR_",)
        page = tab.goto()
        page.route(
            re.compile("/v1/uploads/"),
            lambda r: None if r.request.headers.get("upload-offset") == str(16 << 20) else r.continue_(),
        )
        with page.expect_file_chooser() as chooser:
            page.locator("#choose-files").click()
        chooser.value.set_files(tmp_path / "large.pdf")
        sending = page.locator("#uploads .row", has_text="large.pdf")
        expect(sending.locator(".row-status")).to_contain_text("Sending, 39 %")
        with page.expect_response(lambda response: response.request.method == "DELETE") as deleted:
            page.get_by_role("button", name="Cancel large.pdf").click()
        assert deleted.value.status == 204
        expect(sending).to_have_count(0)
    assert service.accepted == []
    assert list(service.uploads._all()) == []


def test_a_folder_sent_twice_says_what_was_here(tab: Tab, service: ShelfService, tmp_path: Path):
    """Files that were here already are told apart from new ones."""
    box = tmp_path / "box"
    write(box, "one.pdf", "two.pdf")
    page = tab.goto()
    choose(page, box)
    expect(page.locator("#library-count")).to_contain_text("2 documents, 2 pages")
    expect(batch(page)).to_have_count(0)
    write(box, "three.pdf")
    choose(page, box)
    expect(batch(page).locator(".row-status")).to_have_text("1 of 3 files added; 2 here already.")
    expect(page.locator("#library-count")).to_contain_text("3 documents")
