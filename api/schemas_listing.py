"""The JSON of `/v1/folders` and `/v1/progress`."""

from __future__ import annotations

from api.schemas import Model, PageCountsJSON


class FolderJSON(Model):
    path: str  # from the outermost folder on; an archive's file name is that of its outermost folder
    documents: int  # that lie in it or below


class FolderListJSON(Model):
    items: list[FolderJSON]  # by name, numbers by their value
    more: int = 0  # folders that are not listed
    unknown_folder: str | None = None  # the one that was asked for, where no document lies in it


class ReadingJSON(Model):
    pages: PageCountsJSON  # `pending` also has those that nobody has begun with
    unopened: int  # files, whose pages nobody has counted yet
