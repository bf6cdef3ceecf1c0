"""The API over the real library, store, catalog and jobs; only the models and the sandbox are stand-ins."""

from __future__ import annotations

import io
import zipfile

import pytest

from index.types import SearchFilter
from tests.api_kit import Api, assert_problem
from tests.kit import TENANT, Archive, pdf


@pytest.fixture
def archive(tmp_path):
    made = Archive(tmp_path)
    yield made
    made.close()


@pytest.fixture
def api(archive):
    return Api(archive.library, max_upload_bytes=1 << 20)


def add(api, content, filename="scan.pdf", **data):
    response = api.post("/v1/documents", files={"file": (filename, content)}, data=data)
    assert response.status_code == 202, response.text
    return response.json()["id"]


def zip_of(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content in members.items():
            packed.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def test_from_upload_to_hit(api, archive):
    """Accepted, read, found, shown, given back, deleted: nothing remains."""
    content = pdf("The bridge fund stands at 412 pounds.", "Other business was deferred.")
    document = add(api, content)
    assert api.get(f"/v1/documents/{document}").json()["state"] == "accepted"
    archive.settle()
    shown = api.get(f"/v1/documents/{document}").json()
    assert (shown["state"], shown["pages"]["done"], shown["origins"]) == ("done", 2, [])
    found = api.post("/v1/search", json={"query": "bridge fund"}).json()
    assert (found["hits"][0]["document_id"], found["hits"][0]["page"], found["total_pages"]) == (document, 1, 2)
    snippet = found["hits"][0]["snippets"][0]
    assert {snippet["text"][start:end] for start, end in snippet["highlights"]} == {"bridge", "fund"}
    page = api.get(f"/v1/documents/{document}/pages/1?words=true").json()
    assert page["text"][slice(*page["words"][1]["span"])] == "bridge"
    assert page["pages"] == 2
    image = api.get(f"/v1/documents/{document}/pages/1/image?width=64&format=png")
    assert image.content.startswith(b"\x89PNG")
    assert api.get(f"/v1/documents/{document}/original").content == content
    receipt = api.request("DELETE", f"/v1/documents/{document}").json()
    assert (receipt["pages_deleted"], receipt["documents_deleted"], receipt["blobs_deleted"]) == (2, 1, 1)
    assert set(receipt["remaining"].values()) == {0}
    assert api.post("/v1/search", json={"query": "bridge fund"}).json()["hits"] == []
    assert api.get("/v1/documents").json()["items"] == []


def test_an_archive_and_its_members(api, archive):
    """Members know the archive and their path, bad ones are named, folders filter."""
    packed = zip_of(council__minutes_pdf=pdf("The bridge fund"), notes_txt=b"no document", b_pdf=pdf("The bridge"))
    document = add(api, packed, "papers.zip")
    archive.settle()
    shown = api.get(f"/v1/documents/{document}").json()
    assert (shown["kind"], shown["state"], shown["pages"]["done"]) == ("archive", "partial", 2)
    assert [one["path"] for one in shown["member_failures"]] == ["notes_txt"]
    paths = {one["path"]: one["document_id"] for one in shown["members"]}
    member = api.get(f"/v1/documents/{paths['council/minutes_pdf']}").json()
    assert member["origins"] == [{"archive_id": document, "path": "council/minutes_pdf"}]
    request = {"query": "bridge", "filter": {"folder": "council"}}
    (hit,) = api.post("/v1/search", json=request).json()["hits"]
    assert hit["document_id"] == paths["council/minutes_pdf"]
    assert hit["paths"] == ["papers.zip/council/minutes_pdf"]


def test_failures_are_told_by_page(api, archive):
    """The others are read."""
    document = add(api, pdf("one", "!render_timeout", "three"))
    archive.settle()
    shown = api.get(f"/v1/documents/{document}").json()
    assert (shown["state"], shown["pages"]) == (
        "partial",
        {"pending": 0, "done": 2, "failed": 1, "total": 3, "undecoded": 0, "drafts": 0},
    )
    (failure,) = shown["page_failures"]
    assert (failure["page"], failure["code"], failure["document_id"]) == (2, "render_timeout", document)
    page = api.get(f"/v1/documents/{document}/pages/2").json()
    assert (page["state"], page["error_code"], page["text"]) == ("failed", "render_timeout", "")


def test_failures_in_an_archive_name_the_member(api, archive):
    """A page failure of an archive says whose page it is."""
    document = add(api, zip_of(a_pdf=pdf("one", "!render_timeout"), b_pdf=pdf("two")), "papers.zip")
    archive.settle()
    shown = api.get(f"/v1/documents/{document}").json()
    members = {one["document_id"]: one["path"] for one in shown["members"]}
    assert [(members[one["document_id"]], one["page"]) for one in shown["page_failures"]] == [("a_pdf", 2)]


def test_files_that_cannot_be_opened_say_why(api, archive):
    """Encrypted without its password, and damaged; a password with the upload opens it."""
    locked = add(api, pdf("!locked"))
    broken = add(api, pdf("!broken"))
    archive.settle()
    assert api.get(f"/v1/documents/{locked}").json()["failure"]["code"] == "encrypted"
    assert api.get(f"/v1/documents/{broken}").json()["failure"]["code"] == "damaged"
    assert_problem(api.get(f"/v1/documents/{broken}/pages/1"), 404, "not_found")
    assert add(api, pdf("!locked"), password="open sesame") == locked
    archive.settle()
    assert api.get(f"/v1/documents/{locked}").json()["state"] == "done"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"", 422, "empty"), (b"just text", 415, "unsupported_media_type"), (b"%PDF-" * 300_000, 413, "too_large")],
)
def test_bad_uploads_leave_nothing(api, archive, content, status, code):
    """No document, no blob, nothing half-way."""
    assert_problem(api.post("/v1/documents", files={"file": ("../../x.pdf", content)}), status, code)
    assert api.get("/v1/documents").json()["items"] == []
    assert not [path for name in ("blobs", "incoming") for path in (archive.root / name).iterdir()]


def test_names_like_paths_are_names(api, archive):
    """Nothing is written where the name points."""
    document = add(api, pdf("one"), "../../../tmp/evil.pdf")
    assert api.get(f"/v1/documents/{document}").json()["filename"] == "evil.pdf"


def test_pages_that_are_not_known_yet(api, archive):
    """409 that says to ask again, until the file was opened."""
    document = add(api, pdf("one"))
    assert_problem(api.get(f"/v1/documents/{document}/pages/1"), 409, "not_ready")
    assert_problem(api.get(f"/v1/documents/{document}/pages/1/image"), 409, "not_ready")


def test_listing_pages_through(api, archive):
    """Newest first; the cursor is the library's own, and others are refused."""
    ids = [add(api, pdf(f"page {number}")) for number in range(5)]
    first = api.get("/v1/documents?limit=3").json()
    rest = api.get("/v1/documents", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next_cursor"] is None
    assert_problem(api.get("/v1/documents?cursor=x"), 422, "invalid_request")


def test_listing_without_members(api, archive):
    """`uploaded=true` lists the archive but not its members, and a member again once it is uploaded by itself."""
    packed = add(api, zip_of(a_pdf=pdf("one"), b_pdf=pdf("two")), "papers.zip")
    archive.settle()
    assert len(api.get("/v1/documents").json()["items"]) == 3
    uploaded = api.get("/v1/documents?uploaded=true").json()["items"]
    assert [item["id"] for item in uploaded] == [packed]
    member = add(api, pdf("one"))
    uploaded = api.get("/v1/documents?uploaded=true").json()["items"]
    assert {item["id"] for item in uploaded} == {packed, member}


def test_listing_by_name(api, archive):
    """`name` finds words and parts of words of file names and folders, members included; `total` counts all steps."""
    add(api, pdf("one"), "Protokoll Müller 1952.pdf")
    add(api, pdf("two"), "Protokoll 1953.pdf")
    add(api, zip_of(rent_1952_pdf=pdf("three")), "estate.zip")
    add(api, pdf("four"), "card 7.pdf", path="Box 3/Relief/card 7.pdf")
    archive.settle()

    def named(name, **more):
        found = api.get("/v1/documents", params={"name": name, **more}).json()
        return {item["filename"] for item in found["items"]}, found["total"]

    assert named("1952") == ({"Protokoll Müller 1952.pdf", "rent_1952_pdf"}, 2)
    assert named("1952", uploaded=True) == ({"Protokoll Müller 1952.pdf"}, 1)
    assert named("MULLER proto") == ({"Protokoll Müller 1952.pdf"}, 1)
    assert named("relief box") == ({"card 7.pdf"}, 1)
    assert named("protokoll", limit=1) == ({"Protokoll 1953.pdf"}, 2)
    assert named("protokoll 1954") == (set(), 0)
    assert named("  ")[1] == api.get("/v1/documents").json()["total"] == 5


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("newest", ["box.zip", "no 2.pdf", "No 1.pdf", "no 10.pdf"]),
        ("oldest", ["no 10.pdf", "No 1.pdf", "no 2.pdf", "box.zip"]),
        ("name", ["box.zip", "No 1.pdf", "no 2.pdf", "no 10.pdf"]),
        ("pages", ["no 2.pdf", "no 10.pdf", "No 1.pdf", "box.zip"]),
        ("size", None),
    ],
)
def test_listing_in_an_order(api, archive, order, expected):
    """Numbers in names count by their value; step by step it is the same as at once, none twice and none left out."""
    for name, pages in (("no 10.pdf", ["a", "b"]), ("No 1.pdf", ["c"]), ("no 2.pdf", ["d", "e", "f"])):
        add(api, pdf(*pages), name)
    add(api, zip_of(member_pdf=pdf("g")), "box.zip")
    archive.settle()
    where = {"uploaded": True, "order": order}
    whole = api.get("/v1/documents", params=where).json()["items"]
    steps, cursor = [], {}
    while cursor is not None:
        step = api.get("/v1/documents", params={**where, "limit": 1, **cursor}).json()
        steps += step["items"]
        cursor = {"cursor": step["next_cursor"]} if step["next_cursor"] else None
    assert steps == whole
    if expected:
        assert [item["filename"] for item in whole] == expected
    else:
        assert [item["size"] for item in whole] == sorted((item["size"] for item in whole), reverse=True)
    assert_problem(api.get("/v1/documents", params={"order": "colour"}), 422, "invalid_request")


def test_folders_and_what_lies_in_them(api, archive):
    """Folders that were sent in and folders of archives are walked down alike; each lists all that lies below it."""
    add(api, pdf("one"), "a.pdf", path="Box 10/Deeds/a.pdf")
    add(api, pdf("two"), "b.pdf", path="Box 2/Deeds/b.pdf")
    add(api, pdf("three"), "c.pdf", path="Box 2/c.pdf")
    add(api, zip_of(Letters__d_pdf=pdf("four"), e_pdf=pdf("five")), "estate.zip")
    archive.settle()

    def inside(folder):
        found = api.get("/v1/folders", params={"within": folder} if folder else {}).json()
        return {one["path"]: one["documents"] for one in found["items"]}

    def listed(folder):
        found = api.get("/v1/documents", params={"folder": folder, "uploaded": True, "order": "name"}).json()
        return [item["filename"] for item in found["items"]]

    assert list(inside("").items()) == [("Box 2", 2), ("Box 10", 1), ("estate.zip", 2)]
    assert inside("Box 2") == {"Box 2/Deeds": 1}
    assert inside("estate.zip/") == {"estate.zip/Letters": 1}
    assert inside("Box 2/Deeds") == inside("nowhere") == {}
    assert listed("Box 2") == ["b.pdf", "c.pdf"]
    assert listed("estate.zip/Letters") == ["d_pdf"]
    assert listed("nowhere") == []


def test_what_could_not_be_read_and_how_far_reading_is(api, archive):
    """`troubled=true` lists what could not be read whole, with the archive around it; progress counts everything."""
    add(api, pdf("fine"), "fine.pdf")
    broken = add(api, pdf("good", "!render_timeout"), "half.pdf")
    packed = add(api, zip_of(x_pdf=pdf("!locked")), "papers.zip")
    assert api.get("/v1/progress").json()["unopened"] == 3
    archive.settle()
    told = api.get("/v1/progress").json()
    assert told["unopened"] == 0
    assert {part: told["pages"][part] for part in ("pending", "done", "failed")} == {
        "pending": 0,
        "done": 2,
        "failed": 1,
    }
    found = api.get("/v1/documents", params={"troubled": True, "uploaded": True}).json()
    assert {item["id"] for item in found["items"]} == {broken, packed}
    assert found["total"] == 2


def test_metrics_count_pages_by_state(api, archive):
    """From the store, at the time of the scrape."""
    add(api, pdf("one", "!render_timeout"))
    assert "folioscope_queue_depth 1.0" in api.get("/metrics").text
    archive.settle()
    text = api.get("/metrics").text
    assert 'folioscope_pages{state="done"} 1.0' in text
    assert 'folioscope_pages{state="failed"} 1.0' in text


def test_an_archive_names_the_members_that_could_not_be_opened(api, archive):
    """By path, beside those that are no documents at all; the others are read."""
    packed = zip_of(a_pdf=pdf("one"), b_pdf=pdf("!locked"), c_txt=b"no document")
    document = add(api, packed, "papers.zip")
    archive.settle()
    shown = api.get(f"/v1/documents/{document}").json()
    assert shown["state"] == "partial"
    failed = {one["path"]: one["code"] for one in shown["member_failures"]}
    assert failed == {"b_pdf": "encrypted", "c_txt": "unsupported_media_type"}


def test_an_archive_of_which_nothing_can_be_read_has_a_failure(api, archive):
    """Its members say why; the archive itself says that it is so."""
    document = add(api, zip_of(a_pdf=pdf("!locked"), c_txt=b"no document"), "papers.zip")
    archive.settle()
    shown = api.get(f"/v1/documents/{document}").json()
    assert (shown["state"], shown["failure"]["code"]) == ("failed", "no_member_read")
    assert len(shown["member_failures"]) == 2


@pytest.mark.parametrize("inner", [False, True])
def test_an_archive_whose_good_member_was_deleted_has_not_failed(api, archive, inner):
    """It was read, whatever else could not be."""
    held = zip_of(a=pdf("one"), b=pdf("!locked"), c=b"no document")
    box = add(api, zip_of(inside=held) if inner else held, "box.zip")
    archive.settle()
    told = api.get(f"/v1/documents/{box}").json()
    if inner:
        told = api.get(f"/v1/documents/{told['members'][0]['document_id']}").json()
    members = {one["path"]: one["document_id"] for one in told["members"]}
    assert api.request("DELETE", f"/v1/documents/{members['a']}").status_code == 200
    shown = api.get(f"/v1/documents/{box}").json()
    assert (shown["state"], shown["failure"], len(shown["member_failures"])) == ("partial", None, 2)


def test_an_archive_whose_members_were_deleted_has_not_failed(api, archive):
    """What was deleted is no member any more, and no reason to say that nothing could be read."""
    box = add(api, zip_of(a=pdf("one"), b=pdf("two")), "box.zip")
    archive.settle()
    members = {one["path"]: one["document_id"] for one in api.get(f"/v1/documents/{box}").json()["members"]}
    for path, left in (("a", ["b"]), ("b", [])):
        assert api.request("DELETE", f"/v1/documents/{members[path]}").status_code == 200
        shown = api.get(f"/v1/documents/{box}").json()
        assert (shown["state"], shown["failure"]) == ("done", None)
        assert [one["path"] for one in shown["members"]] == left
        assert shown["pages"]["total"] == len(left)
    assert api.get("/v1/documents", params={"troubled": True}).json()["total"] == 0


def test_what_has_no_pages_says_why(api, archive):
    """An archive, whose members have them, and a file that could not be opened."""
    box, broken = add(api, zip_of(a=pdf("one")), "box.zip"), add(api, pdf("!broken"))
    archive.settle()
    for document, said in ((box, "its `members`"), (broken, "could not be opened (damaged)")):
        for place in ("pages/1", "pages/1/image"):
            told = assert_problem(api.get(f"/v1/documents/{document}/{place}"), 404, "not_found")
            assert said in told["detail"]


def test_an_archive_in_the_filter_is_all_that_lies_in_it(api, archive):
    """Search, answers and export asked about a ZIP look through its documents, archives inside included."""
    inner = zip_of(deep__c=pdf("The ferry was sold to Peter Holm."))
    box = add(api, zip_of(a=pdf("The ferry was built by Holm."), inner=inner), "box.zip")
    alone = add(api, pdf("The ferry was painted green."))
    archive.settle()

    def found(*ids):
        body = {"query": "ferry", "filter": {"document_ids": list(ids)}}
        response = api.post("/v1/search", json=body).json()
        assert response["total_pages"] == len(response["hits"])
        return sorted(hit["snippets"][0]["text"] for hit in response["hits"])

    assert found(box) == ["The ferry was built by Holm.", "The ferry was sold to Peter Holm."]
    assert found(alone) == ["The ferry was painted green."]
    assert len(found(box, alone)) == 3
    assert found("no-such-id") == []
    for where, pages in ((box, 2), (alone, 1)):
        # What an answer looks through is told before it is made; these tests have no answerer.
        selected = next(archive.library.converse(TENANT, "ferry", SearchFilter(document_ids=(where,))))
        assert len(selected.considered) == pages
    lines = api.get("/v1/export", params={"document_id": box}).text.splitlines()
    assert len(lines) == 2
