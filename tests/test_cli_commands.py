"""The command line as a person and as a program sees it, over a real socket."""

from __future__ import annotations

import os
import re
import threading
from datetime import datetime
from pathlib import Path

import click
import pytest

from api import cli
from index.errors import RequestError, StoreUnavailable, UnsupportedMedia
from index.types import Answer, PageKey
from tests.api_kit import UNKNOWN_ID, storage_full
from tests.cli_kit import fake_cli

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture
def folioscope(capsys, monkeypatch, tmp_path):
    with fake_cli(capsys, monkeypatch, tmp_path / "data") as command:
        yield command


@pytest.fixture
def files(tmp_path):
    """A folder with files above and below, hidden ones included."""
    root = tmp_path / "scans"
    (root / "deep").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "b.pdf").write_bytes(b"The bridge\ffund")
    (root / "a.pdf").write_bytes(b"one page")
    (root / "deep" / "c.pdf").write_bytes(b"deep")
    (root / ".hidden.pdf").write_bytes(b"hidden")
    (root / ".git" / "d.pdf").write_bytes(b"git")
    return root


def test_add_takes_folders_apart(folioscope, files):
    """Everything below, in order, hidden files left out; then it is read."""
    result = folioscope("add", files)
    assert result.code == 0
    sent = [accepted[1] for accepted in folioscope.service.accepted]
    assert sent == ["scans/a.pdf", "scans/b.pdf", "scans/deep/c.pdf"]
    assert "✓ b.pdf  2 pages" in result.out
    assert "uploaded" in result.err
    assert "\x1b" not in result.out + result.err


def test_add_passes_options_on(folioscope, files):
    """Password and text layer reach the service, and never the output."""
    result = folioscope("add", files / "a.pdf", "--password", "hünter2", "--text-layer", "never")
    assert folioscope.service.accepted == [("default", "a.pdf", "hünter2", "never")]
    assert "hünter2" not in result.out + result.err


def test_add_for_programs(folioscope, files):
    """JSON lines on stdout, as of `ls`, and nothing else there."""
    result = folioscope("add", files, "--json")
    assert [document["state"] for document in result.lines] == ["done"] * 3
    listed = folioscope("ls", "--json").lines
    assert {one["id"] for one in listed} == {one["id"] for one in result.lines}


def test_add_goes_on_after_a_bad_file(folioscope, files):
    """Exit code 3; the file is named, the others are there."""
    (files / "a.pdf").write_bytes(b"!locked")
    result = folioscope("add", files, "--json")
    assert result.code == 3
    *documents, failed = result.lines
    assert (Path(failed["path"]).name, failed["code"]) == ("a.pdf", "encrypted")
    assert [document["filename"] for document in documents] == ["b.pdf", "c.pdf"]
    assert "a.pdf: The file is encrypted" in result.err


def test_add_of_one_bad_file_is_an_error(folioscope, files):
    """Exit code 1, one line."""
    (files / "a.pdf").write_bytes(b"")
    result = folioscope("add", files / "a.pdf")
    assert (result.code, result.out) == (1, "")
    assert result.err.strip().endswith("a.pdf: The file is empty.")


def test_other_files_in_folders_are_skipped(folioscope, files, monkeypatch):
    """Nobody meant to add them; one that was named is an error, and a folder of nothing else is nothing found."""

    def refuse(*_arguments, **_facts):
        raise UnsupportedMedia("This is no document.")

    monkeypatch.setattr(folioscope.service, "accept", refuse)
    skipped = folioscope("add", files, "--json")
    assert (skipped.code, [line["skipped"] for line in skipped.lines]) == (3, [True] * 3)
    assert folioscope("add", files / "a.pdf").code == 1


def test_add_without_waiting(folioscope, files):
    """Returns as soon as the file is accepted."""
    folioscope.service.read_at_once = False
    result = folioscope("add", files / "a.pdf", "--no-wait", "--json")
    assert (result.code, result.json["state"]) == (0, "accepted")


def test_add_goes_on_after_a_path_that_is_not_there(folioscope, files):
    """It is named, the others are added: exit code 3, as after any part that failed; 1 where nothing was added."""
    result = folioscope("add", files / "b.pdf", files / "nowhere.pdf", files / "a.pdf")
    assert result.code == 3
    assert "nowhere.pdf: There is no such file or folder." in result.err
    assert [accepted[1] for accepted in folioscope.service.accepted] == ["b.pdf", "a.pdf"]
    assert folioscope("add", files / "nowhere.pdf").code == 1
    (files / "a.pdf").write_bytes(b"")
    assert folioscope("add", files / "nowhere.pdf", files / "a.pdf").code == 1


def test_add_stays_inside_the_folder(folioscope, files, tmp_path):
    """Links out of it are skipped and named; links within it, and links that are meant, are followed, once each."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.pdf").write_bytes(b"secret")
    (files / "out.pdf").symlink_to(tmp_path / "outside" / "secret.pdf")
    (files / "folder").symlink_to(tmp_path / "outside")
    (files / "deep" / "round").symlink_to(files)
    (files / "in.pdf").symlink_to(files / "a.pdf")
    result = folioscope("add", files)
    assert [accepted[1] for accepted in folioscope.service.accepted] == [
        *("scans/a.pdf", "scans/b.pdf", "scans/in.pdf", "scans/deep/c.pdf"),
    ]
    assert "out.pdf: This link leads out of the folder" in result.err
    folioscope.service.accepted.clear()
    followed = folioscope("add", files, "--follow-symlinks")
    assert followed.code == 0
    names = [accepted[1].rpartition("/")[2] for accepted in folioscope.service.accepted]
    assert sorted(names) == ["a.pdf", "b.pdf", "c.pdf", "in.pdf", "out.pdf", "secret.pdf"]
    assert folioscope("add", files / "out.pdf").code == 0, "a link that is named itself is meant"


def test_a_text_layer_policy_that_comes_too_late_is_told(folioscope, files):
    """The document keeps what it was added with, and the command says so."""
    folioscope("add", files / "a.pdf")
    again = folioscope("add", files / "a.pdf", "--text-layer", "never")
    assert "was added before with --text-layer auto and stays so" in again.err
    assert "stays so" not in folioscope("add", files / "a.pdf", "--text-layer", "auto").err


def test_a_long_name_leaves_room_for_its_row(folioscope, tmp_path):
    """In a listing for people a name loses its middle, for programs it is whole."""
    name = f"begin{'x' * 200}end.pdf"
    (tmp_path / name).write_bytes(b"page")
    folioscope("add", tmp_path / name)
    (row,) = folioscope("ls").out.splitlines()[1:]
    assert len(row) < 140
    assert re.search(r"beginx+…x+\.pdf +done", row)
    assert len(folioscope("ls", "--json").lines[0]["filename"]) > 140


def test_add_waits_until_all_is_read(folioscope, files):
    """And says so in a log, where no bar can be drawn."""
    folioscope.service.read_at_once = False
    reader = threading.Timer(0.6, lambda: [folioscope.service.settle(one) for one in folioscope.service.views])
    reader.start()
    result = folioscope("add", files / "b.pdf")
    reader.join()
    assert result.code == 0
    assert "read 2 of 2 pages" in result.err


def test_names_with_strange_bytes_are_sent(folioscope, tmp_path):
    """Quotes, line ends, and bytes that are no UTF-8."""
    for name in (b'a"b.pdf', b"a\nb.pdf", b"a\xffb.pdf"):
        path = tmp_path / os.fsdecode(name)
        path.write_bytes(name)
        assert folioscope("add", path).code == 0
    assert [accepted[1] for accepted in folioscope.service.accepted] == ['a"b.pdf', "a b.pdf", "a?b.pdf"]


def test_ls(folioscope, files):
    """A line for each, or JSON lines; all pages of the listing."""
    assert folioscope("ls").code == 0
    folioscope("add", files)
    shown = folioscope("ls").out.splitlines()
    assert len(shown) == 4
    assert re.match(r"[0-9a-f-]{36}  c\.pdf +done +1 +4 bytes", shown[1])
    assert [line["filename"] for line in folioscope("ls", "--json").lines] == ["c.pdf", "b.pdf", "a.pdf"]


def test_search(folioscope, files):
    """Name, page and snippet; 3 when there is nothing."""
    folioscope("add", files)
    result = folioscope("search", "bridge")
    assert result.code == 0
    assert " 1. b.pdf, page 1" in result.out
    assert "The bridge" in result.out
    plain = folioscope("search", "bridge", "--json").json
    assert (plain["hits"][0]["page"], plain["reranked"]) == (1, False)
    assert folioscope("search", "bridge", "--json", "--rerank").json["reranked"] is True
    nothing = folioscope("search", "zeppelin")
    assert (nothing.code, nothing.out) == (3, "")
    assert "Nothing was found" in nothing.err


def test_search_options_reach_the_service(folioscope, files):
    """All filters."""
    folioscope("add", files)
    result = folioscope(
        "search", "bridge", "--folder", "a/b", "--type", "image/png", "--type", "jpeg", "--from", "2026-01-02",
        "--to", "2026-01-02", "--document", UNKNOWN_ID, "--group", "--limit", 1, "--json",
    )  # fmt: skip
    where = folioscope.service.last_filter
    assert (where.folder, where.media_types, where.document_ids) == ("a/b", ("image/png", "image/jpeg"), (UNKNOWN_ID,))
    assert where.created_from.isoformat() == "2026-01-02T00:00:00+00:00"
    assert where.created_to.isoformat() == "2026-01-02T23:59:59.999999+00:00"
    assert len(result.json["groups"]) == 1
    for command in (["search", "bridge"], ["ask", "the bridge?"]):
        assert f"There is no document {UNKNOWN_ID}." in folioscope(*command, "--document", UNKNOWN_ID).err
        folioscope.service.heeds_folders = True
        assert "No document lies in the folder nowhere." in folioscope(*command, "--folder", "nowhere").err
        assert "no document" not in folioscope(*command).err


def test_times_as_they_are_listed(folioscope, files):
    """With a zone and parts of a second; what is no time is wrong usage, before a service is asked."""
    added = folioscope("add", files, "--json").lines[0]["created_at"]
    assert folioscope("search", "bridge", "--from", added).code == 0
    assert folioscope.service.last_filter.created_from == datetime.fromisoformat(added)
    for text in ("yesterday", "20260131", "2026-02-30"):
        wrong = folioscope("search", "bridge", "--to", text)
        assert (wrong.code, f"'{text}' is no day and no time" in wrong.err) == (2, True)


def test_ask(folioscope, files):
    """The answer and its pages; 3 when there is none."""
    folioscope("add", files)
    result = folioscope("ask", "Where is the bridge?")
    assert result.code == 0
    assert "[1] b.pdf, page 1: “The bridge”" in result.out
    assert folioscope("ask", "Where is the zeppelin?").code == 3
    assert folioscope("ask", "Where is the zeppelin?", "--json").json["found"] is False


def test_where_to_look_when_nothing_answers(folioscope, files, monkeypatch):
    """The closest pages are named, without those of documents that were deleted meanwhile; programs have their ids."""
    ids = [line["id"] for line in folioscope("add", files, "--json").lines]
    keys = tuple(PageKey("default", one, 1) for one in (*ids, ids[0], UNKNOWN_ID))
    nothing = Answer("", False, "Not found in these documents.", (), 0.0, keys)
    monkeypatch.setattr(folioscope.service, "ask", lambda *_: nothing)
    result = folioscope("ask", "Where is the zeppelin?")
    assert result.code == 3
    assert result.out.splitlines() == [
        "Not found in these documents.",
        "No answer was recognised on the 5 closest pages. To look yourself:",
        *(f"    {name}, page 1" for name in ("a.pdf", "b.pdf", "c.pdf", "a.pdf")),
    ]
    looks = folioscope.service.looks
    assert len(folioscope("ask", "Where is the zeppelin?", "--json").json["considered"]) == 5
    assert folioscope.service.looks == looks


def test_text_of_documents_cannot_steer_the_terminal(folioscope, tmp_path):
    """Escape codes on a page or in a name are not printed, and markup is no markup."""
    (tmp_path / "a.pdf").write_bytes(b"bridge \x1b]0;owned\x07 \x1b[2J [red]fund[/red]")
    folioscope("add", tmp_path / "a.pdf")
    for command in (["search", "bridge"], ["ask", "the bridge?"]):
        shown = folioscope(*command)
        assert "\x1b" not in shown.out
        assert "\x07" not in shown.out
        assert "[red]fund[/red]" in shown.out


def test_rm(folioscope, files):
    """A receipt for each; unknown ones do not stop the others."""
    folioscope("add", files)
    ids = [line["id"] for line in folioscope("ls", "--json").lines]
    result = folioscope("rm", ids[0], UNKNOWN_ID, ids[1], "--yes")
    assert result.code == 3
    assert result.out.count("nothing remains") == 2
    assert UNKNOWN_ID in result.err
    assert folioscope("rm", ids[2], "--yes", "--json").json["documents_deleted"] == 1
    assert folioscope("ls", "--json").out == ""


def test_rm_without_a_terminal_needs_yes(folioscope):
    """Nothing is deleted by accident in a script."""
    result = folioscope("rm", UNKNOWN_ID)
    assert result.code == 2
    assert "--yes" in result.err


def test_who_says_no_deletes_nothing(folioscope, files, monkeypatch):
    """And was not interrupted."""
    folioscope("add", files)
    (document_id, *_) = [line["id"] for line in folioscope("ls", "--json").lines]
    asked = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda text, **_more: asked.append(text))
    result = folioscope("rm", document_id)
    assert (result.code, result.err) == (1, "Nothing was deleted.\n")
    assert asked == ["Delete this document and everything read from it?"]
    assert document_id in folioscope("ls", "--json").out


def test_errors_are_one_line(folioscope):
    """The problem's detail on stderr, exit code 1."""
    folioscope.service.fail_with = RequestError("Do it\nanother way.")
    result = folioscope("search", "x")
    assert (result.code, result.out, result.err) == (1, "", "Do it another way.\n")


def test_a_full_disk_stops_with_a_message(folioscope, files):
    """And nothing is listed as added."""
    folioscope.service.write_error = storage_full()
    result = folioscope("add", files / "a.pdf")
    assert (result.code, folioscope.service.accepted) == (1, [])
    assert "The disk is full." in result.err


def test_a_moment_of_absence_is_waited_for(folioscope, files):
    """503 is tried again."""
    folioscope.service.fail_with = StoreUnavailable("away")
    threading.Timer(0.5, lambda: setattr(folioscope.service, "fail_with", None)).start()
    assert folioscope("ls").code == 0


def test_nobody_there(folioscope):
    """Exit code 1 and the address."""
    folioscope.url = "http://127.0.0.1:9"
    result = folioscope("ls")
    assert result.code == 1
    assert "http://127.0.0.1:9" in result.err


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["add"], ["search"], ["search", "x", "--limit", "0"], ["search", "x", "--limit", "1_0"]]
)
def test_wrong_usage_is_2(folioscope, arguments):
    """With the usage on stderr."""
    result = folioscope(*arguments, url=False)
    assert (result.code, result.out) == (2, "")
    assert "Usage" in result.err


def test_help_and_version_need_no_service(folioscope):
    """And exit with 0."""
    for arguments in (["--help"], ["--version"], ["add", "--help"]):
        result = folioscope(*arguments, url=False)
        assert result.code == 0
        assert result.out


def test_docs_name_every_command_and_option():
    """docs/cli.md has what the code has."""
    text = (DOCS / "cli.md").read_text()
    documented = set(re.findall(r"^### `folioscope ([\w-]+)", text, re.MULTILINE))
    assert documented == set(cli.cli.commands)
    for name, command in cli.cli.commands.items():
        section = text.split(f"### `folioscope {name}", 1)[1].split("\n### ", 1)[0]
        parts = command.commands.values() if isinstance(command, click.Group) else [command]
        for parameter in (parameter for part in parts for parameter in part.params):
            if isinstance(parameter, click.Option) and parameter.name not in {"as_json", "data", "url", "key"}:
                assert max(parameter.opts, key=len) in section, f"{name} {parameter.opts}"


def test_decode_prints_the_text(folioscope, tmp_path):
    """The text on stdout, how far to trust it on stderr; a text without an end has exit code 3."""
    (tmp_path / "a.pdf").write_bytes(b"The bridge\f!long page\f!no tokens")
    document = folioscope("add", tmp_path / "a.pdf", "--json").lines[0]["id"]
    result = folioscope("decode", document, 1, "--task", "figure")
    assert (result.code, result.out.strip()) == (0, "figure: The bridge")
    assert "trust 0.95" in result.err
    cut = folioscope("decode", document, 2, "--prompt", "What is it?", "--json")
    assert (cut.code, cut.json["task"], cut.json["prompt"]) == (3, "free", "What is it?")
    assert "limit" in cut.err
    without = folioscope("decode", document, 3)
    assert (without.code, without.out) == (1, "")
    assert "no vision tokens" in without.err
    assert folioscope("decode", document, 1, "--task", "text", "--prompt", "both").code == 2


def test_locate_prints_places(folioscope, tmp_path):
    """A line for each box; exit code 3 where there is none."""
    (tmp_path / "a.pdf").write_bytes(b"The bridge")
    document = folioscope("add", tmp_path / "a.pdf", "--json").lines[0]["id"]
    result = folioscope("locate", document, 1, "bridge")
    assert (result.code, result.out.strip()) == (0, "0.1000  0.1000  0.5000  0.2000")
    nowhere = folioscope("locate", document, 1, "tunnel", "--json")
    assert (nowhere.code, nowhere.json["boxes"]) == (3, [])


def test_arguments_that_are_no_utf8(folioscope, files):
    """Bytes of another encoding, as a shell hands them over: a question or an id with them, and no traceback."""
    folioscope("add", files / "b.pdf")
    odd = os.fsdecode(b"bridge \xff")
    for command in (
        ("search", odd),
        ("ask", odd),
        ("search", "bridge", "--folder", odd),
        ("search", "--document", odd, "b"),
    ):
        result = folioscope(*command)
        assert result.code in {0, 3}, result.err
    for command in (("rm", odd, "--yes"), ("read-again", odd), ("decode", odd, "1"), ("locate", odd, "1", odd)):
        result = folioscope(*command)
        assert "There is no such document" in result.out + result.err
