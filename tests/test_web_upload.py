"""The web page in Chromium: adding documents, watching them being read, failures in words, deleting."""

from __future__ import annotations

import json
import threading
import time

import pytest
from playwright.sync_api import Page, expect

from index.types import MemberFailure
from tests.api_kit import wait_for
from tests.browser_kit import Tab
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser


def recipe(name: str, pages: int = 1, **more: object) -> dict[str, object]:
    """A file for a chooser; what the shelf reads from it."""
    content = {"pages": [f"# {name}\n\nWhat {name} says on page {n + 1}." for n in range(pages)], **more}
    return {"name": name, "mimeType": "application/pdf", "buffer": json.dumps(content).encode()}


def add(page: Page, *files: dict[str, object]) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator("#choose-files").click()
    chooser.value.set_files(list(files))


def row(page: Page, name: str):
    return page.locator("#documents .row", has_text=name)


WATCH_STATES = """
    window.said = [];
    new MutationObserver(() => {
      for (const { textContent: line } of document.querySelectorAll('#documents .row-status'))
        if (line && !window.said.includes(line)) window.said.push(line);
    }).observe(document, {subtree: true, childList: true, characterData: true});
"""


def test_several_files_are_read_live(tab: Tab, service: ShelfService):
    """Two files chosen together appear, are followed page by page, and end as read."""
    page = tab.goto()
    expect(page.locator("#library-empty")).to_be_visible()
    service.most_pages = 1
    add(page, recipe("one.pdf", 5), recipe("two.pdf", 2))
    for done in (1, 2, 3):
        service.most_pages = done
        expect(row(page, "one.pdf").locator(".row-status")).to_have_text(f"Reading page {done + 1} of 5")
    service.most_pages = None
    expect(row(page, "one.pdf").locator(".row-status")).to_have_text("5 pages")
    expect(row(page, "two.pdf").locator(".row-status")).to_have_text("2 pages")
    expect(page.locator("#library-empty")).to_be_hidden()
    expect(page.locator("#uploads .row")).to_have_count(0)
    expect(page.locator("#library-count")).to_have_text("2 documents, 7 pages read")
    expect(page.locator("#activity")).to_be_hidden()
    row(page, "one.pdf").locator(".row-link").click()
    expect(page.locator(".page-text")).to_contain_text("What one.pdf says on page 1.")


def test_reading_is_followed_without_event_streams(tab: Tab, service: ShelfService):
    """Where a proxy breaks event streams the page asks again and again instead."""
    tab.expected = ("net::ERR_FAILED",)
    tab.context.route("**/events", lambda route: route.abort())
    page = tab.goto()
    add(page, recipe("polled.pdf", 8))
    expect(row(page, "polled.pdf").locator(".row-status")).to_have_text("8 pages")


def test_many_documents_at_once(tab: Tab, service: ShelfService):
    """More documents than browsers allow connections are all read to the end, and searches still pass."""
    service.page_s = 0.4
    page = tab.goto()
    add(page, *(recipe(f"many-{n}.pdf", 3) for n in range(9)))
    expect(page.locator("#documents .row")).to_have_count(9)
    page.locator("#q").fill("many-3.pdf")
    expect(page.locator(".hit-link").first).to_contain_text("many-3.pdf")
    page.locator("#brand").click()
    expect(page.locator("#library-count")).to_have_text("9 documents, 27 pages read")


def test_failed_page_is_said_in_words(tab: Tab, service: ShelfService):
    """A page that cannot be read leaves the others, and its reason is a sentence with a link to the page."""
    page = tab.goto()
    add(page, recipe("torn.pdf", 3, broken=[2]))
    torn = row(page, "torn.pdf")
    expect(torn.locator(".row-status")).to_have_text("2 of 3 pages read, 1 could not be")
    torn.locator("summary").click()
    expect(torn.locator(".row-details li")).to_have_text(
        "Page 2 – Reading it took too long, so it was stopped. Tried 3 times."
    )
    torn.get_by_role("link", name="Page 2").click()
    expect(page.locator(".page-state")).to_contain_text("This page could not be read. Reading it took too long")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".page-text")).to_contain_text("on page 3")


def test_password_is_asked_for(tab: Tab, service: ShelfService):
    """A protected file says so, takes the password without choosing the file again, and is read."""
    page = tab.goto()
    add(page, recipe("will.pdf", 1, password="ellery"))
    will = row(page, "will.pdf")
    expect(will.locator(".row-problem")).to_contain_text("This PDF is protected")
    will.get_by_role("button", name="Enter the password").click()
    page.get_by_label("Password", exact=True).fill("wrong")
    page.evaluate(WATCH_STATES)
    page.get_by_role("button", name="Read it").click()
    wait_for(lambda: page.wait_for_timeout(50) or "Waiting to be read" in page.evaluate("window.said"))
    expect(will.locator(".row-problem")).to_contain_text("This PDF is protected")
    will.get_by_role("button", name="Enter the password").click()
    expect(page.get_by_role("heading", name="That password did not open it")).to_be_visible()
    page.get_by_label("Password", exact=True).fill("ellery")
    page.get_by_role("button", name="Read it").click()
    expect(will.locator(".row-status")).to_have_text("1 page")
    expect(will.locator(".row-problem")).to_be_empty()
    expect(page.locator("#documents .row")).to_have_count(1)


def test_a_password_is_no_second_upload(tab: Tab, service: ShelfService):
    """Who enters a password knows that the document is here: its row does not say so."""
    page = tab.goto()
    add(page, recipe("will.pdf", 1, password="ellery"))
    will = row(page, "will.pdf")
    will.get_by_role("button", name="Enter the password").click()
    page.get_by_label("Password", exact=True).fill("ellery")
    page.get_by_role("button", name="Read it").click()
    expect(will.locator(".row-status")).to_have_text("1 page")
    expect(will.locator(".row-remark")).to_be_empty()


def test_password_in_a_later_visit(tab: Tab, service: ShelfService):
    """When the browser no longer holds the file, it is asked for together with the password."""
    page = tab.goto()
    file = recipe("will.pdf", 1, password="ellery")
    add(page, file)
    expect(row(page, "will.pdf").locator(".row-problem")).to_contain_text("protected")
    page.reload()
    row(page, "will.pdf").get_by_role("button", name="Enter the password").click()
    page.get_by_label("The file again").set_input_files([file])
    page.get_by_label("Password", exact=True).fill("ellery")
    page.get_by_role("button", name="Read it").click()
    expect(row(page, "will.pdf").locator(".row-status")).to_have_text("1 page")


def test_damaged_and_refused_files(tab: Tab, service: ShelfService):
    """A damaged file and a file over the limit say why, and the good one beside them is read."""
    tab.expected = ("413",)
    page = tab.goto()
    huge = {"name": "huge.pdf", "mimeType": "application/pdf", "buffer": b"%PDF" + bytes(300_000)}
    add(
        page,
        {"name": "bad.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 nothing"},
        huge,
        recipe("good.pdf"),
    )
    expect(row(page, "bad.pdf").locator(".row-problem")).to_contain_text("ends in the middle of a page")
    expect(row(page, "good.pdf").locator(".row-status")).to_have_text("1 page")
    refused = page.locator("#uploads .row", has_text="huge.pdf")
    expect(refused).to_contain_text("Not added. The file is over the limit")
    refused.get_by_role("button", name="Hide huge.pdf").click()
    expect(page.locator("#uploads .row")).to_have_count(0)


def test_drop_anywhere(tab: Tab, service: ShelfService):
    """Files dropped on the page are added; while they hover, the page says that they may fall."""
    page = tab.goto()
    content = recipe("dropped.pdf", 2)["buffer"].decode()
    transfer = page.evaluate_handle(
        """(content) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([content], 'dropped.pdf', {type: 'application/pdf'}));
          transfer.items.add(new File(['x'], '.DS_Store'));
          return transfer;
        }""",
        content,
    )
    page.dispatch_event("body", "dragenter", {"dataTransfer": transfer})
    expect(page.locator("#curtain")).to_be_visible()
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    expect(page.locator("#curtain")).to_be_hidden()
    expect(row(page, "dropped.pdf").locator(".row-status")).to_have_text("2 pages")
    expect(page.locator("#documents .row")).to_have_count(1)


def test_a_folder_with_folders(tab: Tab, service: ShelfService, tmp_path):
    """A chosen folder gives its files and those of the folders in it, without the debris of file managers."""
    box = tmp_path / "box"
    (box / "inner").mkdir(parents=True)
    (box / "a.pdf").write_bytes(recipe("a.pdf")["buffer"])
    (box / "inner" / "b.pdf").write_bytes(recipe("b.pdf")["buffer"])
    (box / "Thumbs.db").write_bytes(b"debris")
    page = tab.goto()
    with page.expect_file_chooser() as chooser:
        page.locator("#choose-folder").click()
    chooser.value.set_files(box)
    expect(page.locator("#documents .row .row-title")).to_have_count(2)
    expect(row(page, "b.pdf").locator(".row-status")).to_have_text("1 page")


def test_delete_asks_and_gives_a_receipt(tab: Tab, service: ShelfService):
    """Deleting can be called off; when it is done a receipt says that nothing remains."""
    service.put("keep.pdf", ["Kept."])
    service.put("gone.pdf", ["Gone.", "Gone too."])
    page = tab.goto()
    page.get_by_role("button", name="Delete gone.pdf").click()
    page.get_by_role("button", name="Keep it").click()
    expect(page.locator("#documents .row")).to_have_count(2)
    expect(page.get_by_role("button", name="Delete gone.pdf")).to_be_focused()
    page.get_by_role("button", name="Delete gone.pdf").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("heading", name="Deleted, and nothing remains")).to_be_visible()
    expect(page.locator(".receipt")).to_contain_text("Pages removed2")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#documents .row")).to_have_count(1)
    expect(page.locator("#documents .row")).to_contain_text("keep.pdf")


def test_archive_lists_its_files(tab: Tab, service: ShelfService):
    """An archive shows its members as links to their pages, and what could not be opened with the reason."""
    from index.types import MemberFailure

    letter = service.put("letter.pdf", ["# Letter\n\nDear Sir."])
    service.put_archive(
        "box.zip",
        [("Letters/letter.pdf", letter)],
        [MemberFailure("notes.txt", "unsupported_media_type", "This is a text file, not a scan.")],
    )
    page = tab.goto()
    page.locator("summary", has_text="Files in it").click()
    expect(page.locator(".row-details li").first).to_have_text("notes.txt – This is a text file, not a scan.")
    page.locator(".row-details").get_by_role("link", name="Letters/letter.pdf").click()
    expect(page.locator(".page-text")).to_contain_text("Dear Sir.")
    page.keyboard.press("Escape")
    page.locator(".row-contact").get_by_role("link", name="Letters/letter.pdf").click()
    expect(page.locator(".page-text")).to_contain_text("Dear Sir.")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Search in box.zip").click()
    expect(page.get_by_label("Folder", exact=True)).to_have_value("box.zip")


def test_files_that_are_found_later_in_an_archive_get_their_pictures(tab: Tab, service: ShelfService):
    """While a large archive is opened its row shows the first pages of what is there by then, and in order."""
    names = ["a.pdf", "b.pdf", "c.pdf"]
    members = [(name, service.put(name, [f"# {name}"], page_s=3600, since=time.monotonic())) for name in names]
    archive = service.put_archive("box.zip", members, [])
    box = service._shelf[archive]
    box.members = (members[0], members[2])
    page = tab.goto()
    pictures = page.locator(".row-contact a")
    expect(pictures).to_have_count(2)
    pictures.first.focus()
    box.members = tuple(members)
    expect(pictures).to_have_count(3)
    assert [one.get_attribute("aria-label") for one in pictures.all()] == names
    expect(pictures.first).to_be_focused()


def test_service_goes_away_and_comes_back(tab: Tab, service: ShelfService):
    """Without the service a banner says so and tries again by itself; afterwards the search is up to date."""
    tab.expected = ("ERR_INTERNET_DISCONNECTED",)
    service.put("letter.pdf", ["The quay is closed."])
    page = tab.goto()
    tab.context.set_offline(True)
    page.locator("#q").fill("quay")
    expect(page.locator("#banner")).to_contain_text("Folioscope does not answer")
    expect(page.locator("#results")).to_contain_text("does not answer")
    tab.context.set_offline(False)
    expect(page.locator("#banner")).to_be_hidden()
    expect(page.locator(".hit-link")).to_have_text(["letter.pdfpage 1"])


def test_a_file_waits_for_the_service(tab: Tab, service: ShelfService):
    """A file that could not be sent says that it waits, and is sent by itself when the service answers again."""
    tab.expected = ("ERR_INTERNET_DISCONNECTED",)
    page = tab.goto()
    tab.context.set_offline(True)
    add(page, recipe("later.pdf"))
    expect(page.locator("#uploads .row")).to_contain_text("is sent as soon as it does")
    tab.context.set_offline(False)
    expect(page.locator("#uploads .row")).to_have_count(0)
    expect(page.locator("#banner")).to_be_hidden()
    expect(row(page, "later.pdf").locator(".row-status")).to_have_text("1 page")


def test_what_was_here_already_is_said(tab: Tab, service: ShelfService):
    """The same bytes again: nothing new appears, and the row they have says so, for who sees and who hears."""
    page = tab.goto()
    add(page, recipe("deed.pdf"))
    expect(row(page, "deed.pdf").locator(".row-status")).to_have_text("1 page")
    expect(row(page, "deed.pdf")).not_to_contain_text("already")
    add(page, recipe("deed.pdf"))
    expect(row(page, "deed.pdf").locator(".row-remark")).to_have_text("It was here already.")
    expect(page.locator("#live")).to_have_text("deed.pdf was here already.")
    expect(page.locator("#library-count")).to_have_text("1 document, 1 page read")


def test_leaving_in_the_middle_of_sending_is_asked_about(tab: Tab, service: ShelfService):
    """A file on its way would be lost with the page; afterwards nothing is asked."""
    service.most_files = 0
    asked = []
    page = tab.goto()
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    add(page, recipe("deed.pdf"))
    expect(page.locator("#uploads .row")).to_have_count(1)
    page.evaluate("location.reload()")
    wait_for(lambda: page.wait_for_timeout(50) or asked)
    service.most_files = None
    expect(row(page, "deed.pdf").locator(".row-status")).to_have_text("1 page")
    assert asked == ["beforeunload"]
    page.reload()
    assert asked == ["beforeunload"]


def test_what_is_refused_is_said_wherever_one_is(tab: Tab, service: ShelfService):
    """Among results there is no list of files: a file that is refused, or cannot be opened, is told over them."""
    tab.expected = ("413",)
    page = tab.goto("?q=deed")
    large = {**recipe("huge.pdf"), "buffer": b"%PDF-1.7" + b"x" * 200_000}
    page.set_input_files("#file-chooser", large)
    expect(page.locator("#banner")).to_contain_text("huge.pdf was not added.")
    page.locator("#banner").get_by_role("button", name="Close").click()
    page.set_input_files("#file-chooser", {**recipe("torn.pdf"), "buffer": b"%PDF-1.7 torn"})
    expect(page.locator("#banner")).to_contain_text("torn.pdf: Could not be opened. This file is damaged")
    page.locator("#brand").click()
    expect(row(page, "torn.pdf")).to_contain_text("This file is damaged")
    page.locator("#banner").get_by_role("button", name="Close").click()
    page.set_input_files("#file-chooser", {**large, "name": "vast.pdf"})
    expect(page.locator("#live")).to_contain_text("vast.pdf was not added.")
    expect(page.locator("#banner")).to_be_hidden()


LOOK_AWAY = """hidden => {
    Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
    document.dispatchEvent(new Event('visibilitychange'));
}"""


def test_a_window_one_comes_back_to_is_up_to_date(tab: Tab, service: ShelfService):
    """What another window added stands where it belongs, what it deleted is gone, and the focus is where it was."""
    old = service.put("old.pdf", ["Old."])
    service.put("middle.pdf", ["Middle."])
    page = tab.goto()
    link = row(page, "middle.pdf").locator(".row-link")
    link.focus()
    page.evaluate(LOOK_AWAY, True)
    service.put("new.pdf", ["New."])
    service.put("newest.pdf", ["Newest."])
    service.delete("default", old)
    page.evaluate(LOOK_AWAY, False)
    names = page.locator("#documents .row-link")
    expect(names).to_have_text(["newest.pdf", "new.pdf", "middle.pdf"])
    expect(link).to_be_focused()


def test_an_archive_of_nothing_is_told_in_words(tab: Tab, service: ShelfService):
    """The service speaks of its fields there; the page of its own list."""
    said = ("no_member_read", "Nothing in the archive could be read; its member_failures say why.")
    service.put_archive("notes.zip", [], [MemberFailure("a.txt", "unsupported", "It looks like text.")])
    service._get(service.find("notes.zip")).error = said
    page = tab.goto()
    expect(row(page, "notes.zip").locator(".row-problem")).to_contain_text("The list of its files says why.")
    expect(row(page, "notes.zip")).not_to_contain_text("member_failures")
    row(page, "notes.zip").get_by_text("Files in it").click()
    expect(row(page, "notes.zip").locator(".row-details")).to_contain_text("a.txt – It looks like text.")


def test_what_is_added_while_the_list_comes_stays(tab: Tab, service: ShelfService, monkeypatch: pytest.MonkeyPatch):
    """A list that was made before a file arrived, and is heard after it, takes nothing away."""
    service.put("old.pdf", ["Old."])
    page = tab.goto()
    expect(page.locator("#documents .row")).to_have_count(1)
    made, heard, listed = threading.Event(), threading.Event(), service.documents

    def slowly(*args, **kwargs):
        found = listed(*args, **kwargs)
        made.set()
        assert heard.wait(60)
        return found

    monkeypatch.setattr(service, "documents", slowly)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert made.wait(60)
    monkeypatch.setattr(service, "documents", listed)
    add(page, recipe("new.pdf"))
    expect(row(page, "new.pdf")).to_be_visible()
    with page.expect_response(lambda response: "uploaded=true" in response.url):
        heard.set()
    page.wait_for_timeout(300)
    expect(page.locator("#documents .row-link")).to_have_text(["new.pdf", "old.pdf"])
