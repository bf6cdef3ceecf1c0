"""What was told already is known for good: also where a line, or the file's beginning, is lost."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

import pytest

from tests.kit import TENANT, pdf
from tests.webhook_kit import URL, Telling
from worker.webhooks.ends import journal_of
from worker.webhooks.journal import Journal, Line


@pytest.fixture
def telling(tmp_path):
    made = Telling(tmp_path)
    yield made
    made.archive.close()


def test_the_journal_survives_what_breaks_it(tmp_path):
    """A line that was cut off is passed over, and the next one is whole; two readers see the same."""
    path = tmp_path / "reported" / "t.jsonl"
    first, second = Journal(path), Journal(path)
    first.begin("2026-01-01", [Line("a", "2025")])
    second.refresh()
    assert (second.since, second.get("a")) == ("2026-01-01", Line("a", "2025"))
    first.append(Line("b", "2026", 1, "x", 5.0))
    with path.open("ab") as file:
        file.write(b'{"document_id": "c", "crea')
    second.refresh()
    assert second.get("c") is None
    second.append(Line("d", "2026"))
    first.refresh()
    assert [bool(first.get(one)) for one in "abcd"] == [True, True, False, True]
    with path.open("r+b") as file:  # put back from a backup, say
        file.truncate(len(file.readline()))
    first.refresh()
    assert (first.since, len(first)) == ("2026-01-01", 0)
    for one in (Line("a", "2025"), Line("b", "2026", 1, "x", 5.0), Line("d", "2026")):
        first.append(one)
    second.refresh()
    second.compact(["b", "d"])
    first.refresh()
    assert [bool(first.get(one)) for one in "abcd"] == [False, True, False, True]
    first.end()
    second.refresh()
    assert (len(second), second.since, second.there) == (0, "", False)


def test_a_journal_that_lost_its_beginning_tells_no_old_ends(telling):
    """It is begun anew, instead of counting everything that ever was."""
    for number in range(3):
        telling.archive.upload(pdf(f"old {number}"))
    telling.archive.settle()
    telling.desk.register(TENANT, URL)
    (telling.archive.root / "webhooks" / "reported" / f"{TENANT}.jsonl").write_text('{"since": "20')
    telling.look()
    telling.archive.upload(pdf("new"))
    telling.archive.settle()
    telling.look()
    assert len(telling.told()) == 1


def test_a_journal_that_has_the_number_of_the_one_before_it(telling):
    """File systems give numbers of files that are gone to new ones. What ended between two hooks is told to none."""
    path = telling.archive.root / "webhooks" / "reported" / f"{TENANT}.jsonl"
    first = telling.desk.register(TENANT, URL)
    telling.look()
    same = path.with_suffix(".kept")
    os.link(path, same)
    telling.desk.delete(TENANT, first.hook_id)
    telling.look()
    telling.archive.upload(pdf("ended before the second hook"))
    telling.archive.settle()
    telling.desk._begin = replace(telling.parts._beginning, clock=lambda: time.time() + 3600)
    telling.desk.register(TENANT, URL)
    same.write_bytes(path.read_bytes())
    same.replace(path)
    telling.look()
    assert telling.told() == []


def test_journals_do_not_grow_for_ever(telling, monkeypatch):
    """Lines about documents that are gone are left out at times, and nothing is told again for it."""
    telling.desk.register(TENANT, URL)
    telling.archive.upload(pdf("stays"))
    telling.archive.settle()
    telling.look()
    journal = journal_of(telling.archive.root / "webhooks", TENANT)
    journal.refresh()
    (line,) = [journal.get(one["data"]["document_id"]) for one in telling.told()]
    path = telling.archive.root / "webhooks" / "reported" / f"{TENANT}.jsonl"
    with path.open("a") as file:
        for number in range(1500):
            file.write(json.dumps({"document_id": f"gone-{number}", "created": "2020"}) + "\n")
    telling.ends.tidy()
    assert len(path.read_text().splitlines()) == 2
    journal.refresh()
    assert journal.get(line.document_id) == line
    telling.look()
    assert len(telling.told()) == 1
