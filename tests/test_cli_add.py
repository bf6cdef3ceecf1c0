"""`folioscope add` of what is no whole file: nothing, pipes, files that change meanwhile, names with line ends."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from api.cli_client import ApiError, Client, FileChanged
from index.types import DocumentState, MemberFailure
from tests.api_kit import LOCAL, Api, FakeService, serving
from tests.cli_kit import fake_cli


@pytest.fixture
def folioscope(capsys, monkeypatch, tmp_path):
    with fake_cli(capsys, monkeypatch, tmp_path / "data") as command:
        yield command


@pytest.fixture
def anyio_backend():
    return "asyncio"


def test_an_empty_path_is_no_folder(folioscope, tmp_path, monkeypatch):
    """`add "$SCANS"` where the variable is not set adds nothing, and not all that is here."""
    (tmp_path / "private.pdf").write_bytes(b"page")
    monkeypatch.chdir(tmp_path)
    for arguments in (("add", ""), ("add", "private.pdf", "--data", "")):
        result = folioscope(*arguments)
        assert result.code == 2
        assert "an empty path names nothing" in result.err
    assert folioscope.service.accepted == []
    assert folioscope("add", ".").code == 0


def test_pipes_and_devices_are_refused(folioscope, tmp_path):
    """They have no length and may have no end; what stands beside them is added."""
    os.mkfifo(tmp_path / "pipe.pdf")
    (tmp_path / "good.pdf").write_bytes(b"page")
    result = folioscope("add", tmp_path / "pipe.pdf", "/dev/zero", tmp_path / "good.pdf", "--json")
    assert result.code == 3
    assert [line.get("code") for line in result.lines] == [None, "not_a_file", "not_a_file"]
    assert result.err.count("a pipe or a device") == 2
    assert folioscope("add", tmp_path / "pipe.pdf").code == 1


@pytest.mark.anyio
@pytest.mark.parametrize("in_process", [False, True])
@pytest.mark.parametrize("change", [900_001, 899_999])
async def test_a_file_that_changes_while_it_is_sent_is_refused(tmp_path, change, in_process):
    """A scanner that still writes, a copy that is not complete: neither is taken, and no half of it."""
    path, service = tmp_path / "scan.pdf", FakeService()
    path.write_bytes(b"x" * 900_000)
    api = Api(service)
    with serving(api.app) as url:
        transport = {"transport": httpx.ASGITransport(api.app)} if in_process else {}
        async with httpx.AsyncClient(base_url=LOCAL if in_process else url, **transport) as http:
            client = Client(http, in_process=in_process)
            with pytest.raises(FileChanged, match="grew or shrank"):
                await client.upload(path, progress=lambda _sent: os.truncate(path, change))
            assert service.accepted == []
            _, new = await client.upload(path)
            assert new
    service.close()


def test_a_failure_that_stays_is_told_at_once(folioscope, tmp_path):
    """Of what is sent again, too: the service tells no failure of a file that it is still to try."""
    service, path = folioscope.service, tmp_path / "box.zip"
    path.write_bytes(b"one\ftwo")
    whole = service.settle

    def locked(one, done=None):
        whole(one, done)
        read = service.views[one]
        failed = replace(read.split, member_failures=(MemberFailure("a.pdf", "encrypted", "Locked."),))
        service.views[one] = replace(read, state=DocumentState.PARTIAL, split=failed)

    service.settle = locked
    for looks in (1, 2):
        assert folioscope("add", path).code == 3
        assert service.looks == looks


def test_a_changing_file_costs_itself_only(folioscope, tmp_path, monkeypatch):
    """The others are added, and the code is 3."""
    (tmp_path / "a.pdf").write_bytes(b"a")
    (tmp_path / "b.pdf").write_bytes(b"b")
    upload = Client.upload

    async def changing(self, path, **options):
        if path.name == "a.pdf":
            options["progress"] = lambda _sent: path.write_bytes(b"aa")
        return await upload(self, path, **options)

    monkeypatch.setattr(Client, "upload", changing)
    result = folioscope("add", tmp_path / "a.pdf", tmp_path / "b.pdf")
    assert result.code == 3
    assert "a.pdf: The file grew or shrank while it was sent." in result.err
    assert [accepted[1] for accepted in folioscope.service.accepted] == ["b.pdf"]


def test_a_name_with_a_line_end_stays_on_its_line(folioscope, tmp_path):
    """Nobody writes lines of a log by the name of a file."""
    (tmp_path / "a\nskipped b.pdf").write_bytes(b"page")
    result = folioscope("add", tmp_path)
    assert [line for line in result.err.splitlines() if line.startswith("skipped")] == []
    assert "a skipped b.pdf" in result.err


def test_what_may_not_be_read_is_told(folioscope, tmp_path, monkeypatch):
    """A folder that may not be listed, one that may not be entered, a name that no file has: none is left out in
    silence, and what stands beside them is added.
    """
    for name in ("ok/a.pdf", "listed/b.pdf", "shut/c.pdf"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"page " + name.encode())
    look, stat = os.scandir, os.stat

    def scandir(path):
        if Path(path).name == "shut":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path)

    def stat_of(path, **options):
        if isinstance(path, str | Path) and Path(path).parent.name == "listed":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        patch.setattr(os, "stat", stat_of)
        result = folioscope("add", tmp_path, tmp_path / "shut", tmp_path / ("n" * 300), "--json")
    assert result.code == 3
    accepted, *failed = result.lines
    assert accepted["filename"] == "a.pdf"
    told = [(Path(line["path"]).name[:5], line["code"]) for line in failed]
    assert sorted(told) == [("b.pdf", "cannot_open"), ("nnnnn", "cannot_open"), *[("shut", "cannot_open")] * 2]
    assert result.err.count("Permission denied, so nothing in this folder is added.") == 2


def test_what_a_drive_keeps_for_itself_is_left_out(folioscope, tmp_path, monkeypatch):
    """As an archive of the folder does: a NAS's thumbnails are no scans, and what is in the bin was thrown away. Nor is
    anything missing where a system lets nobody look into its own, as Windows does with a folder of each drive.
    """
    litter = ("deep/@eaDir/c.pdf/THUMB_XL.jpg", "$RECYCLE.BIN/gone.pdf", "a.pdf:Zone.Identifier", "Thumbs.db")
    for name in ("a.pdf", "deep/c.pdf", *litter, "System Volume Information/shut.pdf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"page " + name.encode())
    look = os.scandir

    def scandir(path):
        if Path(path).name == "System Volume Information":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        result = folioscope("add", tmp_path)
    assert result.code == 0, result.err
    sent = [accepted[1] for accepted in folioscope.service.accepted]
    assert sent == [f"{tmp_path.name}/a.pdf", f"{tmp_path.name}/deep/c.pdf"]


@pytest.mark.parametrize("after", ["upload", "document"])
def test_what_is_stored_is_told_when_the_service_goes(folioscope, tmp_path, monkeypatch, after):
    """While files are sent the same command goes on; while they are waited for nothing of it is missing."""
    for name in "abc":
        (tmp_path / f"{name}.pdf").write_bytes(name.encode())
    sent, upload = [], Client.upload

    async def gone(*_given, **_more):
        raise ApiError("No answer from http://127.0.0.1:1: refused")

    async def counted(self, path, **options):
        sent.append(path)
        return await (gone() if after == "upload" and len(sent) == 3 else upload(self, path, **options))

    monkeypatch.setattr(Client, "upload", counted)
    if after == "document":
        monkeypatch.setattr(Client, "document", gone)
    result = folioscope("add", *sorted(tmp_path.glob("*.pdf")))
    assert result.code == 1
    *_, stored, error = result.err.splitlines()
    others = " Add the same again for the others."
    assert stored == (f"2 of 3 files are stored.{others}" if after == "upload" else "3 of 3 files are stored.")
    assert error.startswith("No answer")
