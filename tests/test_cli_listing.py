"""What `folioscope add`, `ls` and `--help` say of many, and on a narrow terminal."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from rich.console import Console

from api import cli
from index.types import DocumentState
from tests.cli_kit import fake_cli


@pytest.fixture
def folioscope(capsys, monkeypatch, tmp_path):
    with fake_cli(capsys, monkeypatch, tmp_path / "data") as command:
        yield command


@pytest.fixture
def scans(tmp_path):
    root = tmp_path / "scans"
    root.mkdir()
    for number in range(4):
        (root / f"card {number}.pdf").write_bytes(b"page %d" % number)
    return root


def test_what_failed_of_many_stands_last_and_is_counted(folioscope, scans, tmp_path, monkeypatch):
    """Of hundreds of lines the last are seen: failures, and how many of each there are."""
    service, view = folioscope.service, folioscope.service.document
    states = {"card 0.pdf": DocumentState.FAILED, "card 1.pdf": DocumentState.PARTIAL}

    def document(tenant, document_id):
        found = view(tenant, document_id)
        return replace(found, state=states.get(found.manifest.filename.rpartition("/")[2], found.state))

    monkeypatch.setattr(service, "document", document)
    result = folioscope("add", scans, tmp_path / "none.pdf")
    names = [line[2:].split(".pdf")[0] for line in result.out.splitlines()]
    assert names == ["card 2", "card 3", "card 1", "card 0"]
    told = "4 documents: 2 read, 1 read in part, 1 could not be read; 1 file not added"
    assert result.err.splitlines()[-1] == told
    assert told not in folioscope("add", scans, "--json").err


def test_one_document_is_not_counted(folioscope, scans):
    assert "1 document" not in folioscope("add", scans / "card 0.pdf").err


@pytest.mark.parametrize(
    ("columns", "headings"),
    [
        (72, ["id", "name", "state", "pages"]),
        (100, ["id", "name", "state", "pages", "size"]),
        (120, ["id", "name", "state", "pages", "size", "added"]),
    ],
)
def test_ids_of_a_listing_stay_whole(folioscope, scans, monkeypatch, columns, headings):
    """They are what is copied: a narrow terminal shows less beside them, and no line is longer than it."""
    folioscope("add", scans)
    ids = {line["id"] for line in folioscope("ls", "--json").lines}
    monkeypatch.setattr(
        "api.cli_output._console",
        lambda stderr: Console(stderr=stderr, width=columns, soft_wrap=True, highlight=False),
    )
    head, *rows = folioscope("ls").out.splitlines()
    assert head.split() == headings
    assert {row.split()[0] for row in rows if row.strip()} >= ids
    assert all(len(row) <= columns for row in rows)


@pytest.mark.parametrize(("columns", "across"), [(80, True), (300, False)])
def test_no_number_of_a_measurement_is_cut(folioscope, scans, monkeypatch, tmp_path, columns, across):
    """Of sixteen columns a terminal shows none: there the kinds are the columns."""
    folioscope("add", scans)
    kinds = ("look-ups", "paraphrases", "refusals")
    lines = [json.dumps({"question": f"{kind}?", "pages": [], "kind": kind}) for kind in kinds]
    (tmp_path / "questions.jsonl").write_text("\n".join(lines))
    monkeypatch.setattr(
        "api.cli_output._console",
        lambda stderr: Console(stderr=stderr, width=columns, soft_wrap=True, highlight=False),
    )
    shown = folioscope("eval", tmp_path / "questions.jsonl").out
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= columns
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if "│" in line]
    if across:
        assert rows[0] == ["questions", "1", "1", "1", "3"]
        assert len(rows) == 15
    else:
        assert [row[:2] for row in rows] == [*([kind, "1"] for kind in kinds), ["all", "3"]]


@pytest.mark.parametrize("group", [[], ["keys"], ["webhooks"]])
def test_lists_of_commands_are_not_cut(group):
    """On a terminal of 80 columns each command is told in a whole sentence."""
    shown = CliRunner().invoke(cli.cli, [*group, "--help"], terminal_width=80).output
    assert "Commands:" in shown
    assert [line for line in shown.splitlines() if line.startswith("  ") and line.endswith("...")] == []
