"""What is acknowledged outlives a power cut: bytes reach the disk before they have their name, names before anybody is
told. The calls that see to it are recorded, since no test can pull the plug.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from index.files import make_directory, remove, write_atomic
from tests.kit import Archive, pdf


class Disk:
    """The order in which files were synced and named: ("sync", inode) and ("name", inode, path)."""

    def __init__(self, patch):
        self.events = []
        fsync = os.fsync
        patch.setattr(
            os, "fsync", lambda handle: (fsync(handle), self.events.append(("sync", os.fstat(handle).st_ino)))
        )
        for name in ("replace", "link", "rename"):
            patch.setattr(os, name, self._naming(getattr(os, name)))

    def _naming(self, call):
        def named(source, target, **options):
            call(source, target, **options)
            self.events.append(("name", Path(target).stat().st_ino, Path(target)))

        return named

    def named(self, under):
        """Files that got their name here and still have it, in the order of that."""
        return [
            event[2] for event in self.events if event[0] == "name" and under in event[2].parents and event[2].exists()
        ]

    def bytes_before_name(self, path):
        at = self._at(path)
        return ("sync", path.stat().st_ino) in self.events[:at]

    def name_kept(self, path, before=None):
        """Whether its folder was synced after it was named (and before another file was named)."""
        end = None if before is None else self._at(before)
        return ("sync", path.parent.stat().st_ino) in self.events[self._at(path) : end]

    def _at(self, path):
        return max(n for n, event in enumerate(self.events) if event[0] == "name" and event[2] == path)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def test_an_accepted_document_is_on_the_disk(tmp_path, disk):
    """When the upload is answered: the blob, then the manifest that names it, with the folders they stand in."""
    archive = Archive(tmp_path)
    disk.events.clear()
    document = archive.upload(pdf("one"))
    (blob,) = disk.named(tmp_path / "blobs")
    catalogued = disk.named(tmp_path / "documents")
    (manifest,) = [path for path in catalogued if path.name == f"{document}.json"]
    for path in (blob, *catalogued):
        assert disk.bytes_before_name(path), path
        assert disk.name_kept(path), path
    assert disk.name_kept(blob, before=manifest)
    archive.close()


@pytest.mark.parametrize("replace", [False, True])
def test_a_whole_file_is_on_the_disk(tmp_path, disk, replace):
    """Its bytes before its name, and its name before the call returns; folders made for it as well."""
    path = tmp_path / "new" / "folder" / "file.json"
    assert write_atomic(path, b"content", replace=replace)
    assert disk.bytes_before_name(path)
    assert disk.name_kept(path)
    for folder in (tmp_path, tmp_path / "new"):
        assert ("sync", folder.stat().st_ino) in disk.events


def test_folders_and_removals_are_on_the_disk(tmp_path, disk):
    """Each folder that was made is kept by the one above; what was removed does not come back."""
    make_directory(tmp_path / "a" / "b")
    assert [("sync", path.stat().st_ino) for path in (tmp_path, tmp_path / "a")] == disk.events
    (tmp_path / "a" / "file").touch()
    disk.events.clear()
    assert remove(tmp_path / "a" / "file")
    assert disk.events == [("sync", (tmp_path / "a").stat().st_ino)]
    assert not remove(tmp_path / "a" / "file")
