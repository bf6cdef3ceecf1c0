"""Folders that are sent in: paths are kept beside names, found by the folder filter, and lead nowhere else."""

from __future__ import annotations

import base64
import unicodedata

import pytest

from index.types import SearchFilter
from tests.access_kit import KeyedApi
from tests.ingest_kit import zip_bytes
from tests.kit import TENANT, Archive, pdf

TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture
def api(tmp_path):
    made = KeyedApi(tmp_path)
    made.headers = made.key()
    yield made
    made.archive.close()


def folder_of(api, folder):
    """Names of what a search in that folder finds."""
    request = {"query": "quay", "filter": {"folder": folder}}
    return sorted(hit["filename"] for hit in api.post("/v1/search", json=request, headers=api.headers).json()["hits"])


def send(api, text, path, name="may.pdf"):
    form = {"files": {"file": (name, pdf(f"The quay: {text}."))}, "data": {"path": path}}
    answer = api.post("/v1/documents", headers=api.headers, **form)
    assert answer.status_code == 202, answer.text
    return answer.json()


def resumed(api, content, **metadata):
    """The document of a resumable upload."""
    encoded = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items())
    headers = api.headers | TUS | {"Upload-Length": str(len(content)), "Upload-Metadata": encoded}
    headers["Content-Type"] = "application/offset+octet-stream"
    sent = api.request("POST", "/v1/uploads", headers=headers, content=content)
    return api.get(f"/v1/documents/{sent.headers['folioscope-document']}", headers=api.headers).json()


def test_a_file_of_a_folder_is_found_in_it(api):
    """Its name is its own, its path is told, and each folder above finds it, with those above that and without."""
    told = send(api, "one", "letters/1911/may.pdf")
    assert (told["filename"], told["paths"]) == ("may.pdf", ["letters/1911/may.pdf"])
    send(api, "two", "letters/june.pdf")
    send(api, "three", "bills/may.pdf")
    api.archive.settle()
    assert folder_of(api, "letters") == ["june.pdf", "may.pdf"]
    assert folder_of(api, "letters/1911") == folder_of(api, "1911") == ["may.pdf"]
    assert folder_of(api, "may.pdf") == folder_of(api, "letters/1911/may.pdf") == []
    listed = api.get("/v1/documents", headers=api.headers).json()["items"]
    assert {tuple(item["paths"]) for item in listed} == {
        ("letters/1911/may.pdf",),
        ("letters/june.pdf",),
        ("bills/may.pdf",),
    }


def test_a_folder_is_found_however_it_is_written(api):
    """Decomposed letters of a Mac, backslashes, a dot in front and slashes too many; by all that takes a folder."""
    send(api, "one", unicodedata.normalize("NFD", "Zürich/Räte/may.pdf"))
    send(api, "two", "bills/may.pdf")
    api.archive.settle()
    for folder in (unicodedata.normalize("NFD", "Zürich/Räte"), "Zürich\\Räte", "./Zürich/Räte", "/Zürich//Räte/"):
        assert folder_of(api, folder) == ["may.pdf"], folder
        for path in ("/v1/documents", "/v1/export"):
            told = api.get(path, params={"folder": folder}, headers=api.headers).text
            assert ("Zürich" in told, "bills" in told) == (True, False), (path, folder)
    for within in (unicodedata.normalize("NFD", "Zürich"), "Zürich\\", "./Zürich//"):
        items = api.get("/v1/folders", params={"within": within}, headers=api.headers).json()["items"]
        assert items == [{"path": "Zürich/Räte", "documents": 1}]
    assert len(folder_of(api, "./")) == len(folder_of(api, "/")) == 2  # the outermost folder has all
    assert folder_of(api, "..") == folder_of(api, "zürich/räte") == []


def test_a_folder_is_found_as_it_was_sent(api):
    """What was tidied in its name is tidied in the question too, by all that takes a folder. In archives nothing is,
    and a folder that is there goes before one that it could have been. It is known before its pages are read."""
    sent = "May  letters\t/\u202egnp/of \u200fus"
    send(api, "one", f"{sent}/may.pdf")
    asked = {"query": "quay", "filter": {"folder": sent}}
    assert api.post("/v1/search", json=asked, headers=api.headers).json()["unknown_folder"] is None
    packed = api.post(
        "/v1/documents", files={"file": ("box.zip", zip_bytes({"two  gaps/june.pdf": pdf("The quay, packed.")}))},
        headers=api.headers,
    )  # fmt: skip
    assert packed.status_code == 202
    api.archive.settle()
    assert folder_of(api, sent) == folder_of(api, "May letters/gnp") == ["may.pdf"]
    assert folder_of(api, "two  gaps") == folder_of(api, "box.zip/two  gaps") == ["june.pdf"]
    assert folder_of(api, "two gaps") == []
    send(api, "three", "two gaps/july.pdf")
    api.archive.settle()
    assert (folder_of(api, "two  gaps"), folder_of(api, "two gaps")) == (["june.pdf"], ["july.pdf"])
    assert folder_of(api, "two   gaps") == ["july.pdf"]
    for path in ("/v1/documents", "/v1/export"):
        told = api.get(path, params={"folder": sent}, headers=api.headers).text
        assert ("may.pdf" in told, "june.pdf" in told) == (True, False), path
    items = api.get("/v1/folders", params={"within": "May  letters"}, headers=api.headers).json()["items"]
    assert items == [{"path": "May letters/gnp", "documents": 1}]
    question = {"question": "Where is the quay?", "filter": {"folder": sent}}
    told = api.post("/v1/answers", json=question, headers=api.headers).json()
    assert (len(told["considered"]), told["unknown_folder"]) == (1, None)


def test_listings_tell_of_a_folder_that_is_not_there(api):
    """One that holds files only has no folders either, and is there."""
    send(api, "one", "letters/1911/may.pdf")
    for within, unknown in {
        "": None,
        "letters": None,
        "letters/1911/": None,
        "1911": None,
        "/lettres/": "lettres",
    }.items():
        for path, name in {"/v1/folders": "within", "/v1/documents": "folder"}.items():
            told = api.get(path, params={name: within}, headers=api.headers).json()
            assert told["unknown_folder"] == unknown, (path, within)
            assert not (unknown and told["items"]), (path, within)
    named = {"folder": "letters", "name": "june"}
    told = api.get("/v1/documents", params=named, headers=api.headers).json()
    assert (told["total"], told["unknown_folder"]) == (0, None)


def test_a_very_deep_folder_is_found_as_it_was_sent(api):
    """Of which the innermost parts are kept."""
    deep = "/".join(f"level {n}" for n in range(40))
    told = send(api, "one", f"{deep}/may.pdf")
    api.archive.settle()
    assert told["paths"] != [f"{deep}/may.pdf"]
    assert folder_of(api, deep) == folder_of(api, told["paths"][0].rpartition("/")[0]) == ["may.pdf"]


def test_a_path_that_ends_with_a_slash_is_a_folder(api):
    """The file keeps its name in it, however it is sent."""
    told = send(api, "one", "letters/1911/", name="may.pdf")
    assert (told["filename"], told["paths"]) == ("may.pdf", ["letters/1911/may.pdf"])
    told = send(api, "two", "///", name="june.pdf")
    assert (told["filename"], told["paths"]) == ("june.pdf", [])
    raw = api.post("/v1/documents?path=box\\&filename=july.pdf", content=pdf("The quay."), headers=api.headers).json()
    assert (raw["filename"], raw["paths"]) == ("july.pdf", ["box/july.pdf"])
    content = pdf("The quay, resumed.")
    told = resumed(api, content, filename="august.pdf", relativePath="box/1912/")
    assert (told["filename"], told["paths"]) == ("august.pdf", ["box/1912/august.pdf"])


def test_a_relative_path_that_says_nothing_is_no_name(api):
    """Uppy sends one with every file."""
    told = resumed(api, pdf("The quay, of Uppy."), name="may.pdf", filename="may.pdf", relativePath="null")
    assert (told["filename"], told["paths"]) == ("may.pdf", [])


def test_a_path_is_only_ever_a_label(api):
    """Parts that lead upwards are dropped, and a path without folders is just a name."""
    assert send(api, "one", "../../../etc/passwd")["paths"] == ["etc/passwd"]
    plain = send(api, "two", "scan.pdf", name="other.pdf")
    assert (plain["filename"], plain["paths"]) == ("scan.pdf", [])
    assert not any("etc" in path.parts for path in api.archive.root.rglob("*"))


def test_the_same_file_in_two_folders(api):
    """One document with both paths, found in both."""
    first = send(api, "same", "letters/may.pdf")
    again = send(api, "same", "copies/may.pdf")
    assert again["id"] == first["id"]
    assert sorted(again["paths"]) == ["copies/may.pdf", "letters/may.pdf"]
    api.archive.settle()
    assert folder_of(api, "letters") == folder_of(api, "copies") == ["may.pdf"]


def test_a_read_file_that_comes_in_another_folder(api):
    """Its pages, read long ago, are found in the new folder too, and are not read again."""
    send(api, "same", "letters/may.pdf")
    api.archive.settle()
    reads = sum(api.archive.engine.reads.values())
    send(api, "same", "copies/may.pdf")
    api.archive.settle()
    assert folder_of(api, "letters") == folder_of(api, "copies") == ["may.pdf"]
    assert sum(api.archive.engine.reads.values()) == reads


def test_raw_bodies_and_resumable_uploads_take_paths_too(api):
    """In the query, and in the metadata under either name that clients use."""
    raw = api.post("/v1/documents?path=box/raw.pdf", content=pdf("The quay, raw."), headers=api.headers)
    assert (raw.json()["filename"], raw.json()["paths"]) == ("raw.pdf", ["box/raw.pdf"])
    for key in ("path", "relativePath"):
        document = resumed(api, pdf(f"The quay, by {key}."), **{key: f"box/{key}.pdf"})
        assert (document["filename"], document["paths"]) == (f"{key}.pdf", [f"box/{key}.pdf"])
    windows = resumed(api, pdf("The quay, of Windows."), filename="ours.pdf", relativePath="files\\ours.pdf")
    assert (windows["filename"], windows["paths"]) == ("ours.pdf", ["files/ours.pdf"])
    api.archive.settle()
    assert folder_of(api, "box") == ["path.pdf", "raw.pdf", "relativePath.pdf"]


def test_an_archive_in_a_folder(tmp_path):
    """Its members are found under the folder, under the archive, and under the folders in it."""
    archive = Archive(tmp_path)
    try:
        archive.upload(zip_bytes({"letters/may.pdf": pdf("The quay.")}), "cellar/shelf/box.zip")
        archive.settle()
        for folder in ("cellar", "cellar/shelf/box.zip", "box.zip", "box.zip/letters", "letters"):
            hits = archive.library.search(TENANT, "quay", SearchFilter(folder=folder), limit=5).hits
            assert [hit.labels.paths for hit in hits] == [("cellar/shelf/box.zip/letters/may.pdf",)], folder
    finally:
        archive.close()
