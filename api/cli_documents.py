"""`folioscope add`, `ls`, `rm` and `read-again`."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from rich.table import Table
from rich.text import Text

from api.cli_client import ApiError, Client
from api.cli_output import ERROR, OK, PARTIAL, Output, bytes_of, count, failures, name_of, safe
from ingest.member_paths import is_junk, is_junk_folder

# Of a path beside a bar: its end says more than its beginning.
_NAME_CHARS = 40
# Of a name in a listing: the rest of its row must be seen too.
_LISTED_CHARS = 60
# Columns that a terminal has to have to show these of a listing, as ids stay whole: they are what is copied.
_LISTED = ("id", "name", "state", "pages", "size", "added")
_ROOM = {"size": 90, "added": 110}


@dataclass(frozen=True, slots=True)
class Found:
    """A file to add. Files that were not named themselves may be of types that nobody meant to add."""

    path: Path
    named: bool
    lay_at: str | None = None  # its path in the folder that was named, that folder's name in front
    leads_out: bool = False  # a link to something outside the folder that was named
    closed: str | None = None  # why nobody can look into it, of a folder


@dataclass(slots=True)
class Added:
    ids: list[str] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)


def find_files(paths: Sequence[Path], *, follow: bool = False) -> Iterator[Found]:
    """Files as named, folders with all below them in order; hidden files and what systems leave behind are passed
    over. Links to folders are too, and links to files outside the folder are marked, unless links are to be followed.
    Folders that this user may not look into are there, marked, behind the others: what lies in them is missing.
    """
    seen: set[Path] = set()
    for path in paths:
        if not path.is_dir():
            yield Found(path, named=True)
            continue
        root = path.resolve()
        top = PurePosixPath(root.name)
        closed: list[OSError] = []
        for folder, folders, names in os.walk(path, followlinks=follow, onerror=closed.append):
            real = Path(folder).resolve()
            if follow and real in seen:  # a link to a folder above it would go round for ever
                folders[:] = []
                continue
            seen.add(real)
            # Not looked into at all: Windows keeps its own closed, and nothing is missing then.
            folders[:] = sorted(name for name in folders if not name.startswith(".") and not is_junk_folder(name))
            for name in sorted(names):
                file = Path(folder) / name
                is_file, is_link = _file_or_link(file)
                if is_file and not name.startswith(".") and not is_junk(name):
                    out = not follow and is_link and not file.resolve().is_relative_to(root)
                    lay_at = str(top / PurePosixPath(*file.relative_to(path).parts))
                    yield Found(file, named=False, lay_at=lay_at, leads_out=out)
        for error in closed:
            yield Found(Path(error.filename), named=False, closed=error.strerror)


def _file_or_link(path: Path) -> tuple[bool, bool]:
    try:
        return path.is_file(), path.is_symlink()
    except OSError:  # in a folder that may be listed and not entered: sending it says why it cannot be read
        return True, False


async def add(
    client: Client,
    output: Output,
    paths: Sequence[Path],
    *,
    password: str | None,
    text_layer: str | None,
    wait: bool,
    follow_links: bool = False,
) -> int:
    added = Added()
    there = []
    for path in paths:
        if problem := _no_file(path):
            code, detail = problem
            added.failed.append({"path": str(path), "code": code, "detail": detail})
            output.error(f"{name_of(path)}: {detail}")
        else:
            there.append(path)
    files = []
    for file in find_files(there, follow=follow_links):
        if file.closed:
            added.failed.append({"path": str(file.path), "code": "cannot_open", "detail": file.closed})
            output.error(f"{name_of(file.path)}: {file.closed}, so nothing in this folder is added.")
        elif file.leads_out:
            detail = "This link leads out of the folder; --follow-symlinks takes it along."
            added.skipped.append({"path": str(file.path), "code": "link_out", "detail": detail})
            output.note(f"skipped {name_of(file.path)}: {detail}", style="yellow")
        else:
            files.append(file)
    if not files and not added.failed:
        output.error("There are no files in these folders.")
        return PARTIAL
    try:
        await _upload(client, output, files, added, password=password, text_layer=text_layer)
        looked = read(client, output, added.ids) if wait else _look(client, added.ids)
        documents = (await looked).values()
    except ApiError:
        if added.ids:
            others = " Add the same again for the others." if len(added.ids) < len(files) else ""
            output.note(f"{len(added.ids)} of {count(len(files), 'file')} are stored.{others}")
        raise
    if output.as_json:
        for line in [*documents, *added.failed, *({**one, "skipped": True} for one in added.skipped)]:
            output.json(line)
    for document in sorted(documents, key=_severity):
        output.say(_summary(document))
        for line in failures(document):
            output.say(f"    {line}", style="yellow")
    if len(documents) + len(added.failed) + len(added.skipped) > 1 and not output.as_json:
        output.note(_tally(documents, added))
    if not wait and client.in_process and added.ids:
        output.note("No service is running: the files are stored, and read once one runs (folioscope serve).")
    if added.failed and not added.ids:
        return ERROR
    whole = all(document["state"] in {"done", "accepted", "reading"} for document in documents)
    return OK if whole and added.ids and not added.failed else PARTIAL


def _no_file(path: Path) -> tuple[str, str] | None:
    """Why nothing can be added from there: code and detail."""
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "no_such_file", "This link leads nowhere." if path.is_symlink() else "There is no such file or folder."
    except OSError as error:
        return "cannot_open", error.strerror or str(error)
    if not stat.S_ISDIR(kind) and not stat.S_ISREG(kind):
        return "not_a_file", "This is a pipe or a device. Write what comes from it to a file, and add that."
    return None


async def _upload(
    client: Client,
    output: Output,
    files: Sequence[Found],
    added: Added,
    *,
    password: str | None,
    text_layer: str | None,
) -> None:
    """Send the files, and tell in `added` what became of them."""
    with output.upload_progress() as bar:
        task = bar.add_task("Uploading", total=sum(_size(file.path) for file in files))
        sent_before = 0
        for file in files:
            shown = name_of(file.path)
            bar.update(task, description=f"Uploading {shown[-_NAME_CHARS:]}" if len(files) > 1 else "Uploading")
            try:
                document, new = await client.upload(
                    file.path,
                    password=password,
                    text_layer=text_layer,
                    lay_at=file.lay_at,
                    progress=lambda sent, before=sent_before: bar.update(task, completed=before + sent),
                )
            except (ApiError, OSError) as error:
                _note_failure(added, output, file, shown, error)
            else:
                added.ids.append(document["id"])
                if not output.err.is_terminal:
                    output.note(f"uploaded {shown}" + ("" if new else " (it was there already)"))
                kept = document.get("text_layer")
                if text_layer and not new and kept != text_layer:
                    output.note(
                        f"{shown} was added before with --text-layer {kept} and stays so: "
                        f"folioscope rm {document['id']} first, to have it read otherwise.",
                        style="yellow",
                    )
            sent_before += _size(file.path)
            bar.update(task, completed=sent_before)
        bar.update(task, description="Uploaded")


def _note_failure(added: Added, output: Output, file: Found, shown: str, error: ApiError | OSError) -> None:
    if isinstance(error, ApiError) and not error.status:
        raise error  # nobody answers: the other files would fare no better
    detail = error.detail if isinstance(error, ApiError) else (error.strerror or str(error))
    code = error.code if isinstance(error, ApiError) else "cannot_open"
    entry = {"path": str(file.path), "code": code, "detail": detail}
    if code == "unsupported_media_type" and not file.named:
        added.skipped.append(entry)
        output.note(f"skipped {shown}: {safe(detail)}", style="yellow")
    else:
        added.failed.append(entry)
        output.error(f"{shown}: {detail}")


async def read(client: Client, output: Output, document_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Wait until the documents are read, with a bar of pages; in a log, a line for each tenth."""
    told = 0
    with output.page_progress() as bar:
        task = bar.add_task("Reading", total=None)

        def show(seen: dict[str, dict[str, Any]]) -> None:
            nonlocal told
            pages = [document["pages"] for document in seen.values()]
            done = sum(one["done"] + one["failed"] for one in pages)
            total = sum(one["total"] for one in pages)
            bar.update(task, completed=done, total=total or None)
            if not output.err.is_terminal and done > told and (done == total or done - told >= total / 10):
                output.note(f"read {done} of {count(total, 'page')}")
                told = done

        return await client.wait(list(document_ids), show)


async def _look(client: Client, document_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {document_id: await client.document(document_id) for document_id in dict.fromkeys(document_ids)}


_STATES = {"done": "read", "accepted": "still to be read", "reading": "being read", "partial": "read in part"}


def _severity(document: Mapping[str, Any]) -> int:
    """What failed stands last: of hundreds of lines, the last ones are seen."""
    return [*_STATES, "failed"].index(document["state"])


def _tally(documents: Collection[Mapping[str, Any]], added: Added) -> str:
    """What became of all that was named, in one line."""
    states = Counter(document["state"] for document in documents)
    told = [f"{states[state]} {word}" for state, word in _STATES.items() if states[state]]
    if states["failed"]:
        told.append(f"{states['failed']} could not be read")
    parts = [f"{count(len(documents), 'document')}: {', '.join(told)}"] if documents else []
    if added.failed:
        parts.append(f"{count(len(added.failed), 'file')} not added")
    if added.skipped:
        parts.append(f"{count(len(added.skipped), 'file')} skipped")
    return "; ".join(parts)


_MARKS = {"done": ("✓", "green"), "partial": ("!", "yellow"), "failed": ("✗", "red")}


def _summary(document: dict[str, Any]) -> Text:
    mark, style = _MARKS.get(document["state"], ("…", "dim"))
    pages = document["pages"]
    what = f"{count(len(document['members']), 'document')}, " if document["kind"] == "archive" else ""
    many = f"{pages['done']} of " * (pages["done"] < pages["total"]) + count(pages["total"], "page")
    if pages.get("undecoded"):
        many += f", {pages['undecoded']} without text until a question needs it"
    if pages.get("drafts"):
        many += f", {pages['drafts']} with a draft text until a question needs it"
    line = Text.assemble((f"{mark} ", style), (name_of(document["filename"]), "bold"), f"  {what}{many}  ")
    return line.append(document["id"], style="dim")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


async def ls(client: Client, output: Output) -> int:
    table = Table(box=None, pad_edge=False, header_style="bold")
    headings = [heading for heading in _LISTED if output.out.width >= _ROOM.get(heading, 0)]
    for heading in headings:
        right = heading in {"pages", "size"}
        table.add_column(heading, justify="right" if right else "left", overflow="fold", no_wrap=heading == "id")
    empty = True
    async for item in client.documents():
        empty = False
        if output.as_json:
            output.json(item)
            continue
        pages = item["pages"]
        read_pages = str(pages["total"]) if pages["done"] == pages["total"] else f"{pages['done']}/{pages['total']}"
        name = _shortened(name_of(item["filename"])) + (" (archive)" if item["kind"] == "archive" else "")
        row = {
            "id": item["id"],
            "name": Text(name),
            "state": Text(item["state"], style=_MARKS.get(item["state"], ("", "dim"))[1]),
            "pages": read_pages,
            "size": bytes_of(item["size"]),
            "added": item["created_at"][:16].replace("T", " "),
        }
        table.add_row(*(row[heading] for heading in headings))
    if empty:
        output.note("There are no documents yet: folioscope add PATH")
    elif not output.as_json:
        # Columns are cut to a terminal's width; in a log each row is one line.
        output.out.print(table, soft_wrap=False)
    return OK


def _shortened(name: str) -> str:
    """A long name without its middle: beginning and end are what tells it from others."""
    if len(name) <= _LISTED_CHARS:
        return name
    half = (_LISTED_CHARS - 1) // 2
    return f"{name[: _LISTED_CHARS - 1 - half]}…{name[-half:]}"


async def rm(client: Client, output: Output, document_ids: Sequence[str]) -> int:
    code = OK
    async for _, receipt in _each(output, document_ids, client.delete):
        if receipt is None:
            code = PARTIAL
            continue
        if output.as_json:
            output.json(receipt)
        deleted = ", ".join(
            count(receipt[f"{what}s_deleted"], name)
            for what, name in (("page", "page"), ("document", "document"), ("blob", "file"))
        )
        output.say(f"deleted {name_of(receipt['filename'])}: {deleted}; {_remaining(receipt['remaining'])}")
    return code


def _remaining(found: Mapping[str, int]) -> str:
    """What a deletion left, in words."""
    left = [f"{number} {what}" for what, number in found.items() if number and what != "archives"]
    told = f"remaining: {', '.join(left)}" if left else "nothing remains"
    archives = found.get("archives", 0)
    if archives == 1:
        told += ", but a kept archive's original still contains it"
    elif archives:
        told += f", but the originals of {archives} kept archives still contain it"
    return told


async def _each(
    output: Output, document_ids: Sequence[str], call: Callable[[str], Awaitable[dict[str, Any]]]
) -> AsyncIterator[tuple[str, dict[str, Any] | None]]:
    """What `call` gives for each id; None, and a line that says so, where there is no such document."""
    for document_id in document_ids:
        try:
            found = await call(document_id)
        except ApiError as error:
            if error.code != "not_found":
                raise
            output.error(f"{name_of(document_id)}: {error.detail}")
            found = None
        yield document_id, found


async def read_failed_again(client: Client, output: Output) -> int:
    """All that failed, step by step."""
    sums = {"pages": 0, "documents": 0, "lifted": 0}
    async for step in client.read_failed_again():
        sums = {name: sums[name] + step[name] for name in sums}
    if output.as_json:
        output.json(sums)
    output.say(f"{count(sums['pages'], 'page')} and {count(sums['documents'], 'file')} will be read again")
    if sums["lifted"]:
        output.say(f"{count(sums['lifted'], 'page')} may be decoded by the next question")
    if client.in_process:
        output.note("No service is running: they are read once one runs (folioscope serve).")
    return OK


async def read_again(
    client: Client, output: Output, document_ids: Sequence[str], *, page: int | None, everything: bool
) -> int:
    code = OK
    again = partial(client.read_again, page=page, everything=everything)
    async for document_id, asked in _each(output, document_ids, again):
        if asked is None:
            code = PARTIAL
            continue
        if output.as_json:
            output.json(asked)
        parts = [count(asked["pages"], "page")] if asked["pages"] or not asked["documents"] else []
        parts += [count(asked["documents"], "file")] if asked["documents"] else []
        output.say(f"{name_of(document_id)}: {' and '.join(parts)} will be read again")
        if asked.get("lifted"):
            output.say(f"{name_of(document_id)}: {count(asked['lifted'], 'page')} may be decoded by the next question")
    if client.in_process:
        output.note("No service is running: they are read once one runs (folioscope serve).")
    return code
