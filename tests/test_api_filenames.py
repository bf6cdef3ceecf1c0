"""Names of files: harmless on the way in, exact on the way out."""

from __future__ import annotations

import time

import pytest

from api.filenames import attachment, display_name, from_content_disposition, from_multipart, placed, relative_path


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("letters/1911/may.pdf", "letters/1911/may.pdf"),
        ("may.pdf", "may.pdf"),
        ("/letters//may.pdf", "letters/may.pdf"),
        ("../../etc/./passwd", "etc/passwd"),
        ("C:\\scans\\may.pdf", "C:/scans/may.pdf"),
        ("le\0t\u202ete\x07rs/u\u0308ber.pdf", "letters/über.pdf"),
        ("old\nletters/\n/may\n1911.pdf", "old letters/may 1911.pdf"),
        ("/".join(map(str, range(40))) + "/may.pdf", "/".join(map(str, range(25, 40))) + "/may.pdf"),
        ("a/" + "x" * 500 + ".pdf", "a/" + "x" * 196 + ".pdf"),
        ("..", "document"),
        ("letters/\u202e/\u00a0/may.pdf", "letters/may.pdf"),
    ],
)
def test_paths_in_folders(path, kept):
    """Every part a name, none that leads upwards, not endlessly deep."""
    assert relative_path(path) == kept


@pytest.mark.parametrize("end", ["", ".", "..", " ", "\t", "\u202e", "\u00a0.", "../"])
def test_a_path_that_ends_with_nothing_is_of_folders(end):
    """The last folder that it names is not the file's name."""
    for slash in "/\\":
        assert placed(f"letters{slash}1911{slash}{end}", "old/may.pdf") == "letters/1911/may.pdf"
    assert placed(f"letters/{end}", None) == "letters/document"
    assert placed(end, "may.pdf") == "may.pdf"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("scan.pdf", "scan.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\scan.pdf", "scan.pdf"),
        ("/", "document"),
        ("..", "document"),
        ("", "document"),
        (" . ", "document"),
        ("a\0b\r\nc\x1b[31m.pdf", "ab c[31m.pdf"),
        ("minutes\n1952\u20281953\x851954\v.pdf", "minutes 1952 1953 1954 .pdf"),
        ("\nletter.pdf\n", "letter.pdf"),
        ("\x1b \x1b", "document"),
        ("a \x1b b.pdf", "a b.pdf"),
        ("exe\u202efdp.pdf", "exefdp.pdf"),
        ("a\ud800b.pdf", "ab.pdf"),
        ("u\u0308ber.pdf", "über.pdf"),
        ("x" * 500 + ".pdf", "x" * 196 + ".pdf"),
        ("x" * 500, "x" * 200),
        ("." + "y" * 500, "." + "y" * 199),
        ("two  spaces\tand tab.pdf", "two spaces and tab.pdf"),
    ],
)
def test_display_names(name, shown):
    """The base name without anything that a display or a header could stumble over."""
    assert display_name(name) == shown


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="a b.pdf"', "a b.pdf"),
        ("attachment; filename*=UTF-8''%E2%82%AC.pdf", "€.pdf"),
        ("attachment; filename=\"plain.pdf\"; filename*=UTF-8''%E2%82%AC.pdf", "€.pdf"),
        ('attachment; filename="' + "ü.pdf".encode().decode("latin-1") + '"', "ü.pdf"),
        ("attachment", None),
        ("", None),
        ("attachment; filename*=idna''scan.pdf", None),
        ("attachment; filename*=undefined''scan.pdf", None),
        ("attachment; filename*" + "9" * 5000 + "=scan.pdf", None),
    ],
)
def test_names_in_content_disposition(header, name):
    """RFC 6266, clients that send raw UTF-8, and what Python's own reader gives up at."""
    assert from_content_disposition(header) == name


def test_names_of_accents_take_no_time():
    """They are put in order one by one: a header full of them took a second of everybody's time."""
    accents = "\u0301\u0316" * 40_000
    began = time.process_time()
    assert placed(None, f"a{accents}.pdf").startswith("á\u0316")
    assert placed(f"letters{accents}/may.pdf", None).endswith("/may.pdf")
    assert time.process_time() - began < 2.0


def test_names_in_forms():
    """Browsers escape quotes and line ends and nothing else."""
    assert from_multipart(b"a %22b%22 100%25.pdf") == 'a "b" 100%25.pdf'
    assert from_multipart(b"\xfc.pdf") == "ü.pdf"


def test_attachments_round_trip():
    """What is sent is what a client reads, whatever is in the name."""
    for name in ["scan.pdf", "naïve «scan».pdf", 'a"b\\c;d%41.pdf', "名前.pdf", "'.pdf"]:
        header = attachment(name)
        assert header.isascii()
        assert from_content_disposition(header) == name
